"""A streamed answer from its head to its end, without I/O: the messages, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from addons.providers.cursor.failures.error_details import private_free
from addons.providers.cursor.failures.errors import BrokenStream, ConnectError, CursorError, Cut
from addons.providers.cursor.wire.connect import DEFAULT_LIMIT, TRAILERS, EndStream, FrameReader

CONTENT_TYPE: Final = "application/connect+proto"

ERROR_TYPE: Final = "x-cursor-inference-request-error-type"
"""A header that says more of some errors than their codes do (cursor-protocol.md §1.2)."""

MAX_REFUSAL: Final = 64 * 1024
"""Bytes of an error's body that are looked at."""


class AnswerReader:
    """Reads one answer. :meth:`head` first, then :meth:`feed`, :meth:`close` at the end.

    Attributes:
        headers: of the answer, names in lower case; empty until they came.
        status: None until it came.
        finished: nothing more is expected, :attr:`error` says how it ended.
        error: None while it goes on, and where it ended well.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.headers: list[tuple[str, str]] = []
        self.status: int | None = None
        self.finished = False
        self.error: CursorError | None = None
        self._frames = FrameReader(limit)
        self._refusal = bytearray()

    def header(self, name: str) -> str:
        """First value of a header; "" where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def head(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Status and headers came. A status other than 200 is an error, whose body follows."""
        self.status = status
        self.headers = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers
        ]
        if status != 200:
            return
        kind = self.header("content-type").partition(";")[0].strip().lower()
        if kind != CONTENT_TYPE:
            self._end(BrokenStream(f"the answer's content type is {kind[:80]!r}"))
        self._frames.encoding = self.header("connect-content-encoding") or "gzip"

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes. What comes after the end is left alone."""
        if self.finished:
            return []
        if self.status != 200:
            self._refusal += data[: MAX_REFUSAL - len(self._refusal)]
            if len(self._refusal) >= MAX_REFUSAL:
                self.close()
            return []
        payloads: list[bytes] = []
        try:
            for frame in self._frames.feed(data):
                if frame.end:
                    self._end(EndStream.parse(frame.payload).error)
                    return payloads
                if not frame.flags & TRAILERS:
                    payloads.append(frame.payload)
            if self._frames.failure is not None:
                raise self._frames.failure
        except BrokenStream as error:
            self._end(error)
        return payloads

    def close(self) -> None:
        """No more bytes will come."""
        if self.finished:
            return
        if self.status not in (None, 200):
            self._end(self._refused(self.status or 0))
            return
        try:
            self._frames.close()
        except BrokenStream as error:
            self._end(error)
            return
        self._end(Cut() if self.status else Cut("before it began"))

    def _refused(self, status: int) -> ConnectError:
        """An answer that is no stream: a unary error's JSON, a gateway's page, nothing."""
        metadata: dict[str, tuple[str, ...]] = {}
        for name, value in self.headers:
            metadata[name] = (*metadata.get(name, ()), value)
        return refusal(status, bytes(self._refusal), metadata)

    def _end(self, error: CursorError | None) -> None:
        if isinstance(error, ConnectError):
            error.inference_error = private_free(self.header(ERROR_TYPE))[:80]
        self.finished = True
        self.error = error


def refusal(status: int, body: bytes, metadata: dict[str, tuple[str, ...]]) -> ConnectError:
    """The error in an HTTP answer whose status is not 200.

    Args:
        metadata: headers, by lower-case name.
    """
    document: object = None
    if body[:1] == b"{":
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
    if document is None:
        kind = next(iter(metadata.get("content-type", ())), "")
        page = "html" in kind or body[:1] == b"<"
        text = "an HTML page, not the API" if page else body[:600].decode("utf-8", "replace")
        document = {"message": text}
    return ConnectError.parse(document, http_status=status, metadata=metadata)
