"""A WebSocket client for JSON messages."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Self
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

SECONDS = 60.0
"""How long an answer may take."""

type Json = dict[str, Any]


class ChannelClosed(Exception):
    """The other side refused or ended the connection; the message says how."""


class Channel:
    """See :meth:`open`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    @classmethod
    async def open(cls, url: str, headers: dict[str, str]) -> Self:
        """
        Args:
            url: ``http://HOST:PORT/PATH``.

        Raises:
            ChannelClosed: it is refused.
            OSError: nobody listens.
        """
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        channel = cls(reader, writer)
        try:
            pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
            await channel._send(Request(parts.netloc, parts.path, extra_headers=pairs))
            event = await channel._next()
            if isinstance(event, RejectConnection):
                raise ChannelClosed(await channel._refusal(event))
            if not isinstance(event, AcceptConnection):
                raise ChannelClosed(f"no WebSocket: {type(event).__name__}")
        except BaseException:
            writer.close()
            raise
        return channel

    async def send(self, message: Json) -> None:
        """
        Raises:
            ChannelClosed: the connection is gone.
        """
        await self._send(TextMessage(json.dumps(message)))

    async def receive(self) -> Json:
        """The next message.

        Raises:
            ChannelClosed: there is none.
        """
        text = ""
        while True:
            event = await self._next()
            match event:
                case TextMessage(data=data, message_finished=finished):
                    text += data
                    if finished:
                        message: Json = json.loads(text)
                        return message
                case Ping():
                    await self._send(event.response())
                case CloseConnection(code=code, reason=reason):
                    raise ChannelClosed(f"closed: {code} {reason or ''}".strip())

    async def close(self) -> None:
        with contextlib.suppress(ChannelClosed, OSError):
            await self._send(CloseConnection(1000))
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _refusal(self, event: RejectConnection) -> str:
        body = b""
        while event.has_body:
            piece = await self._next()
            if not isinstance(piece, RejectData):
                break
            body += piece.data
            if piece.body_finished:
                break
        return f"{event.status_code} {body[:500].decode('utf-8', 'replace')}"

    async def _send(self, event: Any) -> None:
        try:
            self._writer.write(self._protocol.send(event))
            await self._writer.drain()
        except Exception as error:  # wsproto's own errors have no common parent with OSError
            raise ChannelClosed(f"cannot be written: {error}") from error

    async def _next(self) -> Event:
        while not self._events:
            async with asyncio.timeout(SECONDS):
                data = await self._reader.read(65536)
            self._protocol.receive_data(data or None)
            self._events += self._protocol.events()
            if not data and not self._events:
                raise ChannelClosed("the connection broke off")
        return self._events.pop(0)
