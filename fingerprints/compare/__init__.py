"""Recordings compared with each other, with noise that is learned from the golden ones.

A path fails only where the candidate departs from the goldens in a way in which they never depart
from each other (the idea of Twitter's diffy, with types: a value may vary freely, or within a kind;
presence may vary; order may vary; two places that are equal in every golden are equal in the
candidate).

Why not deepdiff: it compares values well, and the tests use it as an oracle for that. A wire has
more: the order of an object's members, headers that stand twice, letter case, how JSON text was
spelled, and how bytes were compressed. Python objects keep none of these, or deepdiff looks past
them by design, and it has no notion of what differs between two good runs.

========================= ========================================================================
:mod:`.shape`             what varies inside a value: ids, times, placeholders
:mod:`.facts`             an exchange taken apart into paths
:mod:`.lists`             items of two lists that belong together
:mod:`.align`             requests of two recordings that belong together
:mod:`.noise`             what the goldens allow
:mod:`.equalities`        places that hold the same value
:mod:`.pairs`             one request against its goldens
:mod:`.recordings`        whole recordings: :func:`~fingerprints.compare.recordings.compare`
========================= ========================================================================

Pure: no I/O.
"""
