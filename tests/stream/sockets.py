"""Both ends of a WebSocket, frame by frame (wsproto), with what they may see written down."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import wsproto
import wsproto.connection
import wsproto.events
import wsproto.extensions
import wsproto.utilities

from tests.stream.upstreams import Behaviour, Http1Received, Received


def extensions(header: str) -> list[wsproto.extensions.Extension]:
    if not header:
        return []
    deflate = wsproto.extensions.PerMessageDeflate()
    deflate.finalize(header)
    return [deflate]


@dataclass
class Message:
    """A message as it arrived: ``frames`` are the sizes of its frames' contents."""

    data: str | bytes
    frames: list[int]


@dataclass
class End:
    """One end of an open WebSocket.

    Attributes:
        raw: all bytes that arrived.
        closed: close code and reason that the peer sent; None when it sent none.
        cut: the connection is gone.
    """

    connection: wsproto.connection.Connection
    write: Callable[[bytes], None]
    read: Callable[[], Awaitable[bytes]]
    abort: Callable[[], None]
    raw: bytearray = field(default_factory=bytearray)
    messages: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    pings: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    pongs: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    closed: tuple[int, str | None] | None = None
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    answer_close: bool = True

    def begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    def send(self, event: wsproto.events.Event) -> None:
        self.write(self.connection.send(event))

    def text(self, data: str) -> None:
        self.send(wsproto.events.TextMessage(data))

    async def message(self) -> Message:
        return await asyncio.wait_for(self.messages.get(), 5)

    async def gone(self) -> None:
        await asyncio.wait_for(self.cut.wait(), 5)

    async def _run(self) -> None:
        parts: list[str | bytes] = []
        frames = [0]
        while data := await self.read():
            self.raw += data
            self.connection.receive_data(data)
            for event in self.connection.events():
                match event:
                    case wsproto.events.Message():
                        parts.append(event.data)
                        frames[-1] += len(event.data)
                        if event.message_finished:
                            whole = parts[0][:0].join(parts)  # type: ignore[arg-type]
                            self.messages.put_nowait(Message(whole, frames))
                            parts, frames = [], [0]
                        elif event.frame_finished:
                            frames.append(0)
                    case wsproto.events.Ping():
                        self.pings.put_nowait(bytes(event.payload))
                    case wsproto.events.Pong():
                        self.pongs.put_nowait(bytes(event.payload))
                    case wsproto.events.CloseConnection():
                        self.closed = (event.code, event.reason)
                        if self.connection.state is wsproto.ConnectionState.REMOTE_CLOSING:
                            self.send(event.response())
        self.cut.set()

    @property
    def compressed(self) -> bool:
        """Whether the first frame that arrived had the compression bit."""
        return bool(self.raw[0] & 0x40)


async def dial(port: int, offer: str = "") -> tuple[bytes, End]:
    """A client: the proxy's answer head (and body, if it is no 101), and the open socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(b"sixteen bytes ok").decode()
    extra = f"sec-websocket-extensions: {offer}\r\n" if offer else ""
    writer.write(
        (
            f"GET /socket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"{extra}\r\n"
        ).encode()
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    async def read() -> bytes:
        try:
            return await reader.read(1 << 16)
        except ConnectionError:
            return b""

    accepted = ""
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "sec-websocket-extensions":
            accepted = value.strip()
    end = End(
        wsproto.connection.Connection(wsproto.ConnectionType.CLIENT, extensions(accepted)),
        writer.write,
        read,
        writer.transport.abort,
    )
    if head.startswith(b"HTTP/1.1 101 "):
        assert wsproto.utilities.generate_accept_token(key.encode()) in head
        end.begin()
    return head, end


def accept(ends: asyncio.Queue[End], accepted: str = "", first: bytes = b"") -> Behaviour:
    """An upstream: upgrades, and puts its end of the socket into ``ends``.

    ``first``: a text message that is sent together with the 101.
    """

    async def behave(received: Received) -> None:
        assert isinstance(received, Http1Received)
        token = wsproto.utilities.generate_accept_token(
            (received.header("sec-websocket-key") or "").encode()
        )
        extra = f"sec-websocket-extensions: {accepted}\r\n" if accepted else ""
        connection = wsproto.connection.Connection(
            wsproto.ConnectionType.SERVER, extensions(accepted)
        )
        head = (
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {token.decode()}\r\n{extra}\r\n"
        ).encode()
        if first:
            head += connection.send(wsproto.events.TextMessage(first.decode()))

        async def read() -> bytes:
            inbox = asyncio.ensure_future(received.inbox.get())
            gone = asyncio.ensure_future(received.gone.wait())
            await asyncio.wait({inbox, gone}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if inbox.done():
                return inbox.result()
            inbox.cancel()
            return b""

        def write(data: bytes) -> None:
            if not received.writer.is_closing():
                received.writer.write(data)

        end = End(connection, write, read, received.writer.transport.abort)
        await received.raw(head)
        end.begin()
        ends.put_nowait(end)
        await end.cut.wait()

    return behave
