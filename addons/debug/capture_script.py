"""``mitmdump -s``: the recorder alone, without floway. See :mod:`addons.debug.capture`."""

from __future__ import annotations

from addons.debug.capture import TraceCapture

addons = [TraceCapture()]
