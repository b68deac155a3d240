"""The log: what is said, in which form, where it is kept, and what may never be in it.

- ``mask.py``: what is secret becomes a placeholder;
- ``records.py``: every record of the process is masked where it is made, whoever made it;
- ``lines.py``: the line of a request that was served;
- ``sinks.py``: JSON lines, and the file that is rotated;
- ``reader.py``: the file again, filtered and followed.

The edge that listens to mitmproxy is ``addons/logbook.py``.
"""
