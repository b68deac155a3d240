"""Server-sent events as a recorder sees them: what a client is told, and when.

The grammar is that of ``addons/front/sse.py`` (WHATWG: LF, CRLF or CR, a leading byte order mark,
comments, several ``data`` lines); a test holds the two against each other. This one keeps no raw
bytes, and leaves out blocks without data, which no client sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLANK_LINE = re.compile(rb"\n\n|\r\r|\n\r\n|\n\r(?=[^\n])")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """An event with data.

    Attributes:
        name: its ``event`` field, "" when there is none.
        data: its ``data`` lines, joined by LF.
    """

    name: str
    data: bytes


class EventReader:
    """Incremental; the events do not depend on how the bytes were cut."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._searched = 0
        self._at_start = True

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that ``chunk`` completes."""
        self._pending += chunk
        out = []
        start = 0
        while (end := _BLANK_LINE.search(self._pending, max(start, self._searched))) is not None:
            out += self._block(bytes(self._pending[start : end.end()]))
            start = self._searched = end.end()
        del self._pending[:start]
        self._searched = max(len(self._pending) - 3, 0)
        return out

    def close(self) -> list[ServerEvent]:
        """What is left at the end, without its blank line: servers forget it."""
        block = bytes(self._pending)
        self._pending.clear()
        self._searched = 0
        return self._block(block)

    def _block(self, block: bytes) -> list[ServerEvent]:
        if self._at_start and block:
            self._at_start = False
            block = block.removeprefix(_BOM)
        name = b""
        data: list[bytes] = []
        for line in _LINE_END.split(block):
            field, _, value = line.partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
        joined = b"\n".join(data)
        return [ServerEvent(name.decode("utf-8", "replace"), joined)] if joined else []
