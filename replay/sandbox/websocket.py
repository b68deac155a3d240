"""WebSocket edge: the upgrade over h11, the frames over wsproto."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import deque
from typing import TYPE_CHECKING, cast

import h11
from wsproto.connection import Connection as FrameConnection
from wsproto.connection import ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from replay.sandbox.messages import ClientGone, HeaderList, Request

if TYPE_CHECKING:
    from replay.sandbox.http1 import Http1Connection

ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
QUEUE_LIMIT = 32
"""Unread messages after which the client is no longer read from."""


class Http1Socket:
    """One upgrade on an HTTP/1.1 connection; see :class:`replay.sandbox.messages.Socket`."""

    def __init__(self, connection: Http1Connection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._frames: FrameConnection | None = None
        self._parts: list[str | bytes] = []
        self._size = 0
        self._messages: deque[str | bytes] = deque()
        self._arrived = asyncio.Event()
        self._ended = False
        self._read_paused = False
        self.open = False
        self.refused = False

    # --- the upgrade ---

    @property
    def problem(self) -> str:
        if self._request.header("sec-websocket-version") != "13":
            return "sec-websocket-version must be 13"
        if not self._request.header("sec-websocket-key"):
            return "sec-websocket-key is missing"
        return ""

    async def accept(self, headers: HeaderList) -> None:
        key = (self._request.header("sec-websocket-key") or "").encode()
        token = base64.b64encode(hashlib.sha1(key + ACCEPT_GUID, usedforsecurity=False).digest())
        own: HeaderList = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", token),
        ]
        extensions: list[Extension] = []
        offer = self._request.header("sec-websocket-extensions") or ""
        if self._connection.registry.deflate and "permessage-deflate" in offer:
            deflate = PerMessageDeflate()
            accepted = deflate.accept(_first_deflate_offer(offer))
            if accepted is not None:
                extensions.append(deflate)
                suffix = f"; {accepted}" if isinstance(accepted, str) and accepted else ""
                own.append((b"sec-websocket-extensions", f"permessage-deflate{suffix}".encode()))
        answer = h11.InformationalResponse(status_code=101, headers=own + headers)
        self._connection.transport.write(self._connection.encode(answer))
        self._frames = FrameConnection(ConnectionType.SERVER, extensions)
        self.open = True
        early = self._connection.switched()
        if early:
            self.data_received(early)

    async def refuse(self, status: int, headers: HeaderList, body: bytes) -> None:
        self.refused = True
        framing = [(b"content-length", str(len(body)).encode())]
        head = h11.Response(status_code=status, headers=headers + framing)
        connection = self._connection
        data = connection.encode(head) + connection.encode(h11.Data(data=body))
        connection.transport.write(data + connection.encode(h11.EndOfMessage()))
        await connection.drain()

    # --- receiving ---

    def data_received(self, data: bytes) -> None:
        """Bytes of the client after the upgrade."""
        frames = self._frames
        assert frames is not None, "bytes are frames only after accept()"
        try:
            frames.receive_data(data)
            for event in frames.events():
                match event:
                    case TextMessage() | BytesMessage():
                        self._part(event)
                    case Ping():
                        self._connection.transport.write(frames.send(event.response()))
                    case Pong():
                        pass
                    case CloseConnection():
                        self._end()
                        self._connection.transport.write(frames.send(event.response()))
                        self._connection.transport.close()
                        return
        except RemoteProtocolError as error:
            hint = error.event_hint
            code = hint.code if isinstance(hint, CloseConnection) else CloseReason.PROTOCOL_ERROR
            self._close_now(code, str(error))

    def _part(self, event: TextMessage | BytesMessage) -> None:
        self._size += len(event.data)
        if self._size > self._connection.registry.max_body:
            self._close_now(CloseReason.MESSAGE_TOO_BIG, "message too big")
            return
        self._parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
        if not event.message_finished:
            return
        # A message has one type throughout: RFC 6455 §5.4.
        if isinstance(event, TextMessage):
            self._messages.append("".join(cast("list[str]", self._parts)))
        else:
            self._messages.append(b"".join(cast("list[bytes]", self._parts)))
        self._parts, self._size = [], 0
        self._arrived.set()
        if len(self._messages) >= QUEUE_LIMIT and not self._read_paused:
            self._read_paused = True
            self._connection.transport.pause_reading()

    async def receive(self) -> str | bytes | None:
        while not self._messages:
            if self._ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        message = self._messages.popleft()
        if self._read_paused and len(self._messages) < QUEUE_LIMIT // 2:
            self._read_paused = False
            self._connection.transport.resume_reading()
        return message

    def connection_lost(self) -> None:
        """The transport has gone."""
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._arrived.set()

    # --- sending ---

    async def send(self, text: str) -> None:
        if self._frames is None or self._ended or self._connection.transport.is_closing():
            raise ClientGone
        try:
            data = self._frames.send(TextMessage(data=text))
        except LocalProtocolError as error:  # the closing handshake is under way
            raise ClientGone from error
        self._connection.transport.write(data)
        await self._connection.drain()

    async def close(self, code: int, reason: str = "") -> None:
        self._close_now(code, reason)

    def _close_now(self, code: int, reason: str) -> None:
        self._end()
        transport = self._connection.transport
        if self._frames is None or transport.is_closing():
            return
        short = reason.encode()[:120].decode("utf-8", "ignore")
        try:
            data = self._frames.send(CloseConnection(code=code, reason=short or None))
        except LocalProtocolError:  # the peer has closed first; there is nothing left to say
            data = b""
        transport.write(data)
        transport.close()

    def reset(self) -> None:
        self._end()
        self._connection.reset_connection()


def _first_deflate_offer(header: str) -> str:
    for offer in header.split(","):
        if offer.strip().startswith("permessage-deflate"):
            return offer.strip()
    return ""
