"""An HTTP/2 server on asyncio that a test scripts, strict about windows.

h2 does the checking: a client that sends a byte too many, or on a closed stream, gets a
connection error, which the test sees as :attr:`H2Server.violations`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from h2.events import (
    ConnectionTerminated,
    DataReceived,
    PingReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error

from addons.providers.cursor.wire.connect import END_STREAM, FrameReader, frame
from addons.providers.cursor.wire.endpoint import Endpoint
from tests.providers.cursor.h2_peers import OK, Server, goaway

type Handler = Callable[[ServerStream], Awaitable[None]]


class Gone(Exception):
    """The client reset the stream, or the connection ended."""


class ServerStream:
    """One request, as its handler sees it."""

    def __init__(self, connection: ServerConnection, number: int, headers: object) -> None:
        self.connection = connection
        self.number = number
        self.headers = dict(cast("list[tuple[bytes, bytes]]", headers))
        self.received = 0
        self.unread = 0
        self.manual = connection.owner.manual
        self.reset_with: int | None = None
        self.ended = asyncio.Event()
        self.window = asyncio.Event()
        self._messages: list[bytes] = []
        self._reader = FrameReader()
        self._news = asyncio.Event()

    @property
    def body(self) -> bytes:
        """All that came of the request's body."""
        return bytes(self.connection.server.bodies[self.number])

    async def message(self) -> bytes:
        """The client's next message."""
        while not self._messages:
            if self.reset_with is not None or self.ended.is_set():
                raise Gone
            self._news.clear()
            await self._news.wait()
        return self._messages.pop(0)

    async def bytes_received(self, count: int) -> None:
        """Wait until so many body bytes are there."""
        while self.received < count:
            if self.reset_with is not None:
                raise Gone
            self._news.clear()
            await self._news.wait()

    async def gone(self) -> None:
        """Wait until the client has reset the stream or left."""
        while self.reset_with is None:
            self._news.clear()
            await self._news.wait()

    def came(self, data: bytes, cost: int) -> None:
        self.received += len(data)
        if self.manual:
            self.unread += cost
        else:
            self.connection.server.h2.acknowledge_received_data(cost, self.number)
        if self.headers.get(b"content-type") == b"application/connect+proto":
            self._messages += [each.payload for each in self._reader.feed(data)]
        self._news.set()

    def over(self, code: int | None = None) -> None:
        if code is not None:
            self.reset_with = code
        self._news.set()
        self.window.set()

    # --- the answer ---

    def respond(self, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.connection.server.h2.send_headers(self.number, headers or OK)
        self.connection.flush()

    async def write(self, data: bytes) -> None:
        """Raw bytes, within the client's windows."""
        h2 = self.connection.server.h2
        rest = memoryview(data)
        while len(rest):
            if self.reset_with is not None:
                raise Gone
            room = min(h2.local_flow_control_window(self.number), h2.max_outbound_frame_size)
            if room <= 0:
                self.window.clear()
                await self.window.wait()
                continue
            h2.send_data(self.number, bytes(rest[:room]))
            rest = rest[room:]
            self.connection.flush()

    async def say(self, payload: bytes) -> None:
        await self.write(frame(payload))

    async def end(self, last: bytes = b"{}") -> None:
        """The last message, and END_STREAM."""
        await self.write(frame(last, END_STREAM))
        self.connection.server.h2.end_stream(self.number)
        self.connection.flush()

    def close(self) -> None:
        """END_STREAM without the last message."""
        self.connection.server.h2.end_stream(self.number)
        self.connection.flush()

    def reset(self, code: int) -> None:
        self.connection.server.h2.reset_stream(self.number, code)
        self.connection.flush()


class ServerConnection(asyncio.Protocol):
    def __init__(self, owner: H2Server) -> None:
        self.owner = owner
        self.server = Server(owner.window, owner.max_streams)
        self.streams: dict[int, ServerStream] = {}
        self.lost = asyncio.Event()
        self.begun = False  # the client's first bytes are there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.owner.connections.append(self)
        self.owner.news.set()
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.owner.deaf:
            return
        self.begun = True
        try:
            events = self.server.received(data)
        except H2Error as error:
            self.owner.violations.append(repr(error))
            self.flush()
            self.transport.close()
            return
        for event in events:
            match event:
                case RequestReceived():
                    stream = ServerStream(self, event.stream_id, event.headers)
                    self.streams[event.stream_id] = stream
                    self.owner.spawn(stream)
                case DataReceived():
                    self.streams[event.stream_id].came(event.data, event.flow_controlled_length)
                case StreamEnded():
                    self.streams[event.stream_id].ended.set()
                    self.streams[event.stream_id].over()
                case StreamReset():
                    self.streams[event.stream_id].over(int(event.error_code))
                case PingReceived():
                    self.owner.pings += 1
                case WindowUpdated():
                    for each in self.streams.values():
                        each.window.set()
                case ConnectionTerminated():
                    self.transport.close()
        self.flush()
        self.owner.news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        for stream in self.streams.values():
            stream.over(-1)
        self.lost.set()

    def flush(self) -> None:
        if not self.owner.talks:
            return
        data = self.server.take()
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def go_away(self, last: int, code: int = 0, text: bytes = b"") -> None:
        self.flush()
        self.transport.write(goaway(last, code, text))


class H2Server:
    """A listening server.

    Attributes:
        manual: handlers give windows back themselves; may be set for one stream, too.
        deaf: nothing that comes is read any more, and so nothing is answered, PINGs neither.
        talks: what is to be said, the first SETTINGS above all, is sent.
    """

    def __init__(self, handler: Handler, window: int = 65535, max_streams: int = 100) -> None:
        self.handler = handler
        self.window = window
        self.max_streams = max_streams
        self.manual = False
        self.talks = True
        self.deaf = False
        self.pings = 0
        self.violations: list[str] = []
        self.connections: list[ServerConnection] = []
        self.endpoint = Endpoint("http", "127.0.0.1", 0)
        self.news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def streams(self) -> list[ServerStream]:
        return [stream for each in self.connections for stream in each.streams.values()]

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until something that came makes it true."""
        while not true():
            self.news.clear()
            await self.news.wait()

    def spawn(self, stream: ServerStream) -> None:
        task = asyncio.create_task(self._run(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, stream: ServerStream) -> None:
        try:
            await self.handler(stream)
        except (Gone, H2Error):
            return

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[H2Server]:
        """Listen on a free port; at the end no rule of the protocol may have been broken."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: ServerConnection(self), "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        self.endpoint = Endpoint("https" if tls else "http", "127.0.0.1", port)
        try:
            yield self
        finally:
            server.close()
            for connection in self.connections:
                connection.transport.abort()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        assert not self.violations
