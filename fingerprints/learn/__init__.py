"""The learner: traces of one release in, its profile out, with the evidence of every entry.

Pure and deterministic: the same traces in any order give the same profile, byte for byte. Nothing
here names a release; what a client calls things is data (:mod:`fingerprints.learn.vocabulary`), and
what recordings cannot show is data as well (:mod:`fingerprints.learn.overlay`).

:func:`learn_release` is all that most callers need. Its stages, each in a module of its own::

    samples      traces -> requests and messages, each with its kind, shape, sign-in
    lists        samples -> header lists and documents, JSON texts opened
    naming       fields -> roles, templates, equalities, found from the values
    order, conditions, values, entries, items, shapes    lists -> the entries of a profile
    build        the profile; overlay: what people add to it; verify: the traces against it
"""

from fingerprints.learn.release import LearnedRelease, learn_release

__all__ = ["LearnedRelease", "learn_release"]
