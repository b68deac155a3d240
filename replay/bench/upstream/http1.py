"""The HTTP/1.1 side of the bench's upstream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from replay.bench.answers import REFUSAL, REFUSAL_HEADERS
from replay.bench.upstream.script import Script, http1_head, is_model_request

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


class Http1Server(asyncio.Protocol):
    """HTTP/1.1 requests with a content-length, one after another."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._buffer = bytearray()
        self._head = b""
        self._left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._buffer += data
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = bytes(self._buffer[: end + 2])
            length = _LENGTH.search(self._head)
            self._left = (int(length[1]) if length else 0) - (len(self._buffer) - end - 4)
            self._buffer.clear()
        if self._left < 0:
            raise ValueError("pipelined requests, or a body without content-length")
        if self._left == 0:
            self._answer()

    def _answer(self) -> None:
        assert self._transport is not None
        method, _, rest = self._head.partition(b" ")
        path = rest.partition(b" ")[0].decode()
        if not is_model_request(method.decode(), path):
            status, body = self._script.side(method.decode(), path)
            self._transport.write(_whole(status, [("content-type", "application/json")], body))
        elif self._script.take(self._head):
            for piece in self._script.http1:
                self._transport.write(piece)
        else:
            self._transport.write(_whole(429, REFUSAL_HEADERS, REFUSAL))


def _whole(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    return http1_head(status, [*headers, ("content-length", str(len(body)))]) + body
