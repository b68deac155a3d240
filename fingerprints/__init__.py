"""Fingerprints: what official clients put on the wire, as data that is applied and checked.

``library`` finds profiles, ``apply`` builds requests from one, ``check`` compares requests with
one; ``roles`` lists the values that a profile can ask for, ``profile`` and ``matchers`` describe
the format. Imports nothing of the proxy and does no I/O but reading profile files.
"""
