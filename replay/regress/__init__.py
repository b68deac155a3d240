"""The regression suite of recorded traffic.

==================== =============================================================================
:mod:`.corpus`       which recordings there are
:mod:`.rules`        what may differ between two recordings of the official client, and why
:mod:`.offline`      recordings against their profile and against each other
:mod:`.filler`       requests of a recording, with texts in the place of placeholders
:mod:`.replayed`     recorded requests, sent through a floway to its sandbox
==================== =============================================================================
"""
