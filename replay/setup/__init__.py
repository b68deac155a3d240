"""``floway setup``: a client's own settings file, changed so that it uses floway, and back.

- ``targets``: which members of which file make a client use floway
- ``edits``: those members put into a text and taken out again; pure
- ``desk``: the files: backup, record, undo
"""
