"""A small incremental parser of HTTP/1.1 answers, made for the load generator.

h11 spends about as long on an answer as a proxy does on the whole request; here only what a
measurement needs is read: status, framing (length, chunked, close) and the body's bytes. The
tests hold it against h11.
"""

from __future__ import annotations

MAX_HEAD = 65_536
"""Bytes of status line and headers before the answer counts as broken."""


class AnswerError(ValueError):
    """The bytes are not the HTTP/1.1 answer that was due."""


class AnswerReader:
    """Reads one answer after another from the bytes of a connection.

    Feed it until :meth:`feed` gives True, take ``status`` and ``body``, then :meth:`reset`.

    Attributes:
        status: HTTP status; 0 before the head is complete. Interim (1xx) answers are skipped.
        body: decoded from its framing, not from any content-encoding.
        closes: the connection cannot be used after this answer.
    """

    __slots__ = (
        "_buffer",
        "_chunked",
        "_left",
        "_position",
        "body",
        "closes",
        "complete",
        "status",
    )

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.reset()

    def reset(self) -> None:
        """Make ready for the next answer.

        Raises:
            AnswerError: bytes came after the last answer, which nobody had asked for.
        """
        if self._buffer:
            raise AnswerError(f"{len(self._buffer)} bytes after the end of the answer")
        self.status = 0
        self.body = bytearray()
        self.closes = False
        self.complete = False
        self._chunked = False
        self._left: int | None = None
        """Bytes due of the body or the chunk and its line end; None: to the close, or not known."""
        self._position = 0

    def feed(self, data: bytes) -> bool:
        """Take bytes in; True when the answer is complete.

        Raises:
            AnswerError: malformed head, length or chunk.
        """
        buffer = self._buffer
        buffer += data
        if not self.status and not self._head():
            return False
        if self._chunked:
            self._chunks()
        elif self._left is None:
            self.body += buffer
            buffer.clear()
        else:
            taken = buffer[: self._left]
            self.body += taken
            self._left -= len(taken)
            del buffer[: len(taken)]
            self.complete = self._left == 0
        return self.complete

    def eof(self) -> bool:
        """The connection was closed; True when that is the end of a complete answer."""
        if self.status and not self._chunked and self._left is None:
            self.complete = True
        return self.complete

    def _head(self) -> bool:
        buffer = self._buffer
        while True:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(buffer) > MAX_HEAD:
                    raise AnswerError(f"no end of headers within {MAX_HEAD} bytes")
                return False
            first, *lines = bytes(buffer[:end]).split(b"\r\n")
            del buffer[: end + 4]
            version, _, rest = first.partition(b" ")
            code = rest[:3]
            if version not in (b"HTTP/1.1", b"HTTP/1.0") or len(code) != 3 or not code.isdigit():
                raise AnswerError(f"not an HTTP/1.1 status line: {first[:80]!r}")
            if code[:1] != b"1":
                break
        status = int(code)
        self.closes = version == b"HTTP/1.0"
        for line in lines:
            name, _, value = line.partition(b":")
            match name.lower():
                case b"content-length":
                    self._left = self._number(value.strip(), 10)
                case b"transfer-encoding":
                    self._chunked = value.strip().lower() == b"chunked"
                    if not self._chunked:
                        raise AnswerError(f"unknown transfer-encoding {value.strip()!r}")
                case b"connection":
                    self.closes = value.strip().lower() == b"close"
        if self._chunked:
            self._left = None
        elif status in (204, 304):
            self._left = 0
        elif self._left is None:
            self.closes = True
        self.status = status
        return True

    def _chunks(self) -> None:
        buffer, at = self._buffer, self._position
        while True:
            if self._left is None:
                end = buffer.find(b"\r\n", at)
                if end < 0:
                    break
                size = self._number(bytes(buffer[at:end]).partition(b";")[0].strip(), 16)
                if size == 0:
                    self._position = at
                    self._trailers(end)
                    return
                at = end + 2
                self._left = size + 2
            available = len(buffer) - at
            if available < self._left:
                break
            stop = at + self._left
            if buffer[stop - 2 : stop] != b"\r\n":
                raise AnswerError("a chunk is longer than its size says")
            self.body += buffer[at : stop - 2]
            at = stop
            self._left = None
        del buffer[:at]
        self._position = 0

    def _trailers(self, end: int) -> None:
        """``end``: where the line of the last chunk's size ends."""
        buffer = self._buffer
        if buffer[end + 2 : end + 4] == b"\r\n":
            stop = end + 4
        else:
            last = buffer.find(b"\r\n\r\n", end)
            if last < 0:
                return
            stop = last + 4
        del buffer[:stop]
        self._position = 0
        self.complete = True

    @staticmethod
    def _number(text: bytes, base: int) -> int:
        digits = b"0123456789" if base == 10 else b"0123456789abcdefABCDEF"
        if not text or text.strip(digits):
            raise AnswerError(f"not a length: {text[:40]!r}")
        return int(text, base)
