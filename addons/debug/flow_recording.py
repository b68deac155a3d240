"""mitmproxy's flows as recordings: the one place that knows both. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import cast, get_args

from mitmproxy import http, websocket

from fingerprints.capture import HttpVersion, RawAnswer, RawMessage, Recording
from fingerprints.observed import Observed

_VERSIONS = get_args(HttpVersion.__value__)

OF_HTTP1 = frozenset(
    {"host", "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}
)
"""Headers that mitmproxy takes off a request on its way into HTTP/2."""

STREAM_BYTES = 64 * 1024 * 1024
"""Bytes of one streamed body that are kept for its trace."""

type Stream = Callable[[bytes], bytes | Iterable[bytes]]


class Tap:
    """mitmproxy's ``stream``, which keeps what goes in and what comes out.

    What comes out is decided by what was there before: a callable, or True for all as it is. It
    raises only what that raises: in mitmproxy's streaming an error leaves the client hanging.

    Attributes:
        taken: what came in, with its time.
        given: what went out; the same list where nothing is changed.
        full: there was more than :data:`STREAM_BYTES`, and the rest is not kept.
    """

    def __init__(self, before: bool | Stream) -> None:
        self.taken: list[tuple[float, bytes]] = []
        self.given = [] if callable(before) else self.taken
        self.full = False
        self._before = before
        self._room = STREAM_BYTES

    def __call__(self, data: bytes) -> bytes | Iterable[bytes]:
        now = time.time()
        self._keep(self.taken, now, data)
        if not callable(self._before):
            return data
        out = self._before(data)
        if not isinstance(out, bytes):
            out = list(out)
        self._keep(self.given, now, out if isinstance(out, bytes) else b"".join(out))
        return out

    def _keep(self, kept: list[tuple[float, bytes]], now: float, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            self.full = True
        elif data:
            kept.append((now, data))


def of_request(flow: http.HTTPFlow) -> Recording:
    """A request's head as it stands in the flow now. The body comes later."""
    request = flow.request
    version = request.http_version
    return Recording(
        id=flow.id,
        at=request.timestamp_start,
        method=request.method,
        authority=_authority(request),
        path=text(request.data.path),
        headers=pairs(request.headers),
        connection=flow.client_conn.id,
        scheme="http" if request.scheme == "http" else "https",
        http_version=cast("HttpVersion", version if version in _VERSIONS else "HTTP/1.1"),
    )


def as_sent(flow: http.HTTPFlow) -> tuple[HttpVersion, list[tuple[str, str]]]:
    """The version and the headers with which mitmproxy puts a request on the wire."""
    request, headers = flow.request, pairs(flow.request.headers)
    if flow.server_conn.alpn == b"h2":
        lowered = [(name.lower(), value) for name, value in headers]
        return "HTTP/2.0", [pair for pair in lowered if pair[0] not in OF_HTTP1]
    if request.is_http2 and "host" not in request.headers:
        headers = [("Host", _authority(request)), *headers]
    return "HTTP/1.1", headers


def observed(flow: http.HTTPFlow) -> Observed:
    """The request as it was put on the wire, for the checker."""
    version, headers = as_sent(flow)
    request = flow.request
    return Observed(request.method, request.path, headers, request.raw_content or b"", version)


def of_response(
    response: http.Response, chunks: list[tuple[float, bytes]] | None = None
) -> RawAnswer:
    """An answer as it stands in the flow now.

    Args:
        chunks: the body, where it went by as a stream.
    """
    begin = response.timestamp_start or 0.0
    if chunks is None:
        body = response.raw_content
        chunks = [(response.timestamp_end or begin, body)] if body else []
    return RawAnswer(begin, response.status_code, pairs(response.headers), chunks)


def of_message(message: websocket.WebSocketMessage) -> RawMessage:
    """A WebSocket message as it stands in the flow now."""
    return RawMessage(
        "client" if message.from_client else "server",
        message.timestamp,
        message.content,
        message.is_text,
    )


def closed(answer: RawAnswer, data: websocket.WebSocketData) -> None:
    """The end of a WebSocket."""
    answer.ended = "closed"
    answer.close_code = data.close_code
    if data.closed_by_client is not None:
        answer.closed_by = "client" if data.closed_by_client else "server"


def pairs(headers: http.Headers) -> list[tuple[str, str]]:
    """Headers in wire order, with their letter case, duplicates kept."""
    return [(text(name), text(value)) for name, value in headers.fields]


def _authority(request: http.Request) -> str:
    named = request.host_header
    if named:
        return named
    usual = {"http": 80, "https": 443}.get(request.scheme)
    return request.host if request.port == usual else f"{request.host}:{request.port}"


def text(value: bytes) -> str:
    """Of a header: UTF-8, or what is none as Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
