"""Reports of ``floway check``, ``diff`` and ``regress``: one model, and a writer for each reader.

================== ===============================================================================
:mod:`.model`      what a report holds; its JSON form is the versioned ``report.schema.json``
:mod:`.checked`    a report from traffic against a profile
:mod:`.compared`   … from recordings against each other
:mod:`.terminal`   for a person at a terminal
:mod:`.junit`      for continuous integration
:mod:`.page`       one HTML file for a person with a browser
:mod:`.files`      which writer a file's name asks for
================== ===============================================================================
"""
