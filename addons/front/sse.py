"""Server-sent events: an incremental parser that loses no byte, and an encoder.

The parser follows the WHATWG definition (LF, CRLF or CR line ends, a leading byte order mark,
comments, several ``data`` lines) and keeps the raw bytes of every event, so that what is not
changed can be passed on byte for byte: the ``raw`` of all events, joined, is the input.

Cost is O(bytes): a pending event is kept as a list of pieces and only its last two bytes are
looked at again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from addons.errors import ClientError

DEFAULT_MAX_EVENT: Final = 64 * 1024 * 1024
"""Bytes. The final event of a Responses stream repeats the whole answer, images included."""

DONE: Final = b"[DONE]"
"""``data`` of the end marker of a chat completion stream."""

KEEP_ALIVE: Final = b": keep-alive\n\n"
"""A comment: no client sees an event in it."""

# A blank line, i.e. two line ends in a row. "\n\r" alone is decided by the next byte (it may be the
# first half of "\r\n"), "\r\r" is decided at once: a "\n" after it makes one more blank line.
_BLANK_LINE = re.compile(rb"\n\n|\r\r|\n\r\n|\n\r(?=[^\n])")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_LF, _CR = 10, 13  # `13 in data` takes a twelfth of the time of `b"\r" in data`

_STRING = rb'"(?:[^"\\]|\\.)*+"'
_SCALAR = rb"(?:" + _STRING + rb"|-?[0-9][0-9.eE+-]*+|true|false|null)"
_WS = rb"[ \t\r\n]*+"
# The value of a top-level "type" which only scalar members precede.
_TYPE_MEMBER = re.compile(
    _WS + rb"\{" + rb"(?:" + _WS + _STRING + _WS + rb":" + _WS + _SCALAR + _WS + rb",)*?"
    rb"" + _WS + rb'"type"' + _WS + rb":" + _WS + rb'"([^"\\]*)"'
)
_SNIFFED_BYTES = 512


class EventTooLarge(ClientError):
    """One event is larger than the parser's limit; the stream cannot be read any further."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            502,
            "upstream_event_too_large",
            f"The upstream sent a single event of more than {limit} bytes ({size} bytes so far).",
        )


class ServerEvent(NamedTuple):
    """One block of a stream, up to and including its blank line.

    Attributes:
        raw: the block's bytes as received, comments and line ends included.
        event: value of the ``event`` field; ``""`` when there is none.
        data: the ``data`` lines joined by LF; ``b""`` for a comment or a blank block, which a
            client does not see as an event.
        terminated: False only for what :meth:`EventStream.close` found without its blank line.
    """

    raw: bytes
    event: str
    data: bytes
    terminated: bool = True


class Sieve:
    """Events that need no look: those in the usual form whose name is none of ``kept``.

    The usual form is an ``event`` line with a name of its own (``message`` stands for none), one
    ``data`` line and the blank line. It is found by one regular expression, because looking at
    each event from Python costs more than all else that is done with it.
    """

    __slots__ = ("run",)

    def __init__(self, kept: Iterable[str]) -> None:
        names = b"|".join(re.escape(name.encode()) for name in ("message", *sorted(kept)))
        self.run: Final = re.compile(
            rb"(?:event: (?!(?:%b)\n)[^\n]++\ndata: [^\n]*+\n\n)++" % names
        )


class EventStream:
    """Incremental parser; events do not depend on how the bytes were cut into chunks.

    Args:
        max_event: limit on the bytes of one event, its blank line included.
    """

    __slots__ = ("_at_start", "_failure", "_max_event", "_pending", "_pending_size", "_tail")

    def __init__(self, max_event: int = DEFAULT_MAX_EVENT) -> None:
        self._max_event = max_event
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._tail = b""  # last two bytes of the pending event
        self._at_start = True
        self._failure: EventTooLarge | None = None

    @property
    def pending(self) -> int:
        """Bytes of an event whose end has not been seen."""
        return self._pending_size

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that ``chunk`` completes.

        Raises:
            EventTooLarge: also on every later call. Events before the large one are given first.
        """
        if self._failure is not None:
            raise self._failure
        if not chunk:
            return []
        events: list[ServerEvent] = []
        start = 0
        plain = _CR not in chunk
        while True:
            end = self._block_end(chunk, start, plain=plain)
            if end < 0:
                break
            if self._pending:
                self._pending.append(chunk[start:end])
                block = b"".join(self._pending)
                self._pending.clear()
                self._pending_size = 0
                self._tail = b""
            else:
                block = chunk[start:end]
            if len(block) > self._max_event:
                return self._fail(len(block), events)
            events.append(self._parse(block, terminated=True))
            start = end
        if start < len(chunk):
            rest = chunk[start:] if start else chunk
            self._pending.append(rest)
            self._pending_size += len(rest)
            self._tail = rest[-2:] if len(rest) > 1 else (self._tail + rest)[-2:]
            if self._pending_size > self._max_event:
                return self._fail(self._pending_size, events)
        return events

    def sift(self, chunk: bytes, sieve: Sieve) -> list[ServerEvent | bytes]:
        """As :meth:`feed`, but of what falls through ``sieve`` only the bytes, in long runs.

        A run is one or more whole events. At a tenth of the cost where most events fall through.

        Raises:
            EventTooLarge: as :meth:`feed`.
        """
        size = len(chunk)
        if self._failure or _CR in chunk or _CR in self._tail or size > self._max_event:
            return [*self.feed(chunk)]
        if not (self._pending or self._at_start):
            run = sieve.run.match(chunk)
            if run is not None and run.end() == size:  # the usual case by far
                return [chunk]
        out: list[ServerEvent | bytes] = []
        start = 0
        while start < size:
            if not (self._pending or self._at_start):
                run = sieve.run.match(chunk, start)
                if run is not None:
                    start = run.end()
                    out.append(run[0])
                    continue
            end = self._block_end(chunk, start, plain=True)
            try:
                out += self.feed(chunk[start : end if end >= 0 else size])
            except EventTooLarge:
                if not out:
                    raise
                break  # the next call raises it
            start = end if end >= 0 else size
        return out

    def close(self) -> list[ServerEvent]:
        """What is left at the end of the stream: at most one event, ``terminated`` False if it
        lacks its blank line.

        Browsers drop such an event; servers that forget the last line end exist, so it is given,
        and whoever reads its data finds out whether it is whole.
        """
        if self._failure is not None:
            raise self._failure
        if not self._pending:
            return []
        block = b"".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        self._tail = b""
        # A blank line that ended in "\r" was waiting for a "\n" that can no longer come.
        return [self._parse(block, terminated=block.endswith(b"\n\r"))]

    def _block_end(self, chunk: bytes, start: int, *, plain: bool) -> int:
        """Offset in ``chunk`` after the current block's blank line, or -1.

        Args:
            plain: the chunk has no carriage return, so a fast search will do.
        """
        tail = self._tail
        if tail:  # the pending block's blank line may begin in what is already kept
            seam = tail + chunk[start : start + 3]
            match = _BLANK_LINE.search(seam)
            if match is not None:
                return start + match.end() - len(tail)
        if plain:
            end = chunk.find(b"\n\n", start)
            return end if end < 0 else end + 2
        match = _BLANK_LINE.search(chunk, start)
        return -1 if match is None else match.end()

    def _fail(self, size: int, events: list[ServerEvent]) -> list[ServerEvent]:
        self._pending.clear()
        self._pending_size = 0
        self._failure = EventTooLarge(size, self._max_event)
        if events:
            return events
        raise self._failure

    def _parse(self, block: bytes, *, terminated: bool) -> ServerEvent:
        if self._at_start:
            self._at_start = False
            if block.startswith(_BOM):
                event, data = _fields(block[3:])
                return ServerEvent(block, event, data, terminated)
        elif terminated and block.startswith(b"event: "):
            # The form that nearly every event has: two lines, each with one space, LF only.
            line_end = block.find(b"\n")
            data_start = line_end + 7
            if (
                block.startswith(b"data: ", line_end + 1)
                and block.find(b"\n", data_start) == len(block) - 2
                and block.find(b"\r") < 0
            ):
                name = block[7:line_end].decode("utf-8", "replace")
                return ServerEvent(block, name, block[data_start:-2])
        event, data = _fields(block)
        return ServerEvent(block, event, data, terminated)


def _fields(block: bytes) -> tuple[str, bytes]:
    event = b""
    data: list[bytes] = []
    for line in _LINE_END.split(block):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif name == b"event":
            event = value.removeprefix(b" ")
    return event.decode("utf-8", "replace"), b"\n".join(data)


def event_type(event: ServerEvent) -> str:
    """The type of a Responses event; ``""`` when there is none (a comment, ``[DONE]``).

    Taken from the ``event`` line, else from a bounded look at the data, else from the parsed data:
    a stream may come without ``event`` lines, and ``message`` is what SSE calls a nameless one.
    """
    if event.event and event.event != "message":
        return event.event
    data = event.data
    if not data or data == DONE:
        return ""
    match = _TYPE_MEMBER.match(data[:_SNIFFED_BYTES])
    if match is not None:
        return match[1].decode("utf-8", "replace")
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):  # whoever needs the data will report it
        return ""
    kind = parsed.get("type") if isinstance(parsed, dict) else None
    return kind if isinstance(kind, str) else ""


def encode(event_name: str, data: bytes) -> bytes:
    """One event in wire form.

    Args:
        event_name: ``""`` leaves the ``event`` line out. Line ends in it, which would end the
            field, are made spaces.
        data: may contain line ends; each line gets its own ``data`` field.
    """
    name = event_name.encode("utf-8", "replace")
    if _LF in name or _CR in name:
        name = _LINE_END.sub(b" ", name)
    if _LF in data or _CR in data:
        data = b"\ndata: ".join(_LINE_END.split(data))
    return b"event: %s\ndata: %s\n\n" % (name, data) if name else b"data: %s\n\n" % data
