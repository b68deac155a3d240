"""An upstream whose behaviour is scripted for each request, over raw sockets.

HTTP/1.1 (plain or TLS) is parsed with h11 and answered in raw bytes; HTTP/2 is h2 over TLS. A
:data:`Behaviour` is an async function of a :class:`Received` request; the same behaviours serve
both protocols.
"""

from __future__ import annotations

import abc
import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import h11

type Framing = Literal["length", "chunked", "until-close", "headers-only"]
type Kind = Literal["h1", "h1s", "h2", "both"]
"""HTTP/1.1 plain, over TLS; HTTP/2 over TLS; either over TLS, as ALPN has it."""
type Headers = Sequence[tuple[str, str]]


class Received(abc.ABC):
    """One request as it arrived, and the means to answer it.

    Attributes:
        connection: number of the upstream connection, from 0.
        gone: set when the peer has reset the request or closed the connection.
        early: it is answered by its head alone, and its body is not read.
        inbox: what came on an HTTP/1.1 connection after the request (WebSocket frames, say).
    """

    early = False

    def __init__(self, connection: int, method: str, path: str, headers: Headers) -> None:
        self.connection = connection
        self.method = method
        self.path = path
        self.headers = list(headers)
        self.body = b""
        self.gone = asyncio.Event()
        self.answered = False
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def http2(self) -> bool:
        return isinstance(self, Http2Received)

    @property
    def attempt(self) -> int:
        """Number of the attempt, from 1, as the scripted driver noted it."""
        return int(self.header("x-attempt") or 0)

    @abc.abstractmethod
    async def head(
        self,
        status: int = 200,
        headers: Headers = (),
        *,
        framing: Framing = "chunked",
        length: int = 0,
    ) -> None: ...

    @abc.abstractmethod
    async def data(self, data: bytes) -> None: ...

    @abc.abstractmethod
    async def end(self) -> None: ...

    @abc.abstractmethod
    async def reset(self) -> None:
        """Break off: a reset stream, or a closed connection."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the connection, in an orderly way as far as TCP goes."""


type Behaviour = Callable[[Received], Awaitable[None]]


def _unscripted(received: Received) -> Behaviour:
    raise AssertionError(f"nobody said how to answer {received.method} {received.path}")


class Upstream:
    """Listens on a free port and answers by script.

    Attributes:
        seen: all requests in the order in which they were complete.
        script: says how a request is answered.
        early: answers requests by their head alone; their bodies are not read then.
        open: upstream connections that are open now.
    """

    def __init__(self, kind: Kind, context: ssl.SSLContext | None) -> None:
        self.kind = kind
        self.scheme = "http" if kind == "h1" else "https"
        self.seen: list[Received] = []
        self.script: Callable[[Received], Behaviour] = _unscripted
        self.early: Behaviour | None = None
        self.max_concurrent: int | None = None
        self.accepted = 0
        self.open = 0
        self.failures: list[BaseException] = []
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._context = context
        self.port = 0

    async def start(self) -> None:
        if self._context is not None:
            offers = {"h2": ["h2"], "h1s": ["http/1.1"], "both": ["h2", "http/1.1"]}
            self._context.set_alpn_protocols(offers[self.kind])
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, ssl=self._context, limit=1 << 20
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def answers(self, *behaviours: Behaviour) -> None:
        """Answer the requests with these, in the order of arrival; the last one again and again."""
        rest = list(behaviours)
        self.script = lambda _: rest.pop(0) if len(rest) > 1 else rest[0]

    async def all_closed(self) -> None:
        """Return when no connection is open."""
        await asyncio.wait_for(self._quiet.wait(), 3)

    async def arrival(self, count: int) -> Received:
        """Wait until ``count`` requests have been seen; the last one."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: len(self.seen) >= count), 5)
        return self.seen[count - 1]

    def run(self, received: Received, behaviour: Behaviour | None = None) -> None:
        self.seen.append(received)
        task = asyncio.create_task(self._answer(received, behaviour))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, received: Received, behaviour: Behaviour | None) -> None:
        async with self._news:
            self._news.notify_all()
        try:
            await (behaviour or self.script(received))(received)
        except (ConnectionError, ssl.SSLError, h2.exceptions.ProtocolError):
            await asyncio.wait_for(received.gone.wait(), 3)  # the peer went away while we wrote
        except Exception as error:  # noqa: BLE001 - shown by the fixture at the end of the test
            self.failures.append(error)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number = self.accepted
        self.accepted += 1
        self.open += 1
        self._quiet.clear()
        tls = writer.get_extra_info("ssl_object")
        http2 = tls is not None and tls.selected_alpn_protocol() == "h2"
        side = (Http2Side if http2 else Http1Side)(self, number, writer)
        try:
            side.begin()
            while data := await reader.read(1 << 16):
                side.feed(data)
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass  # the peer reset the connection, or the test is over
        finally:
            side.closed()
            writer.transport.abort()
            self._tasks.discard(task)
            self.open -= 1
            if not self.open:
                self._quiet.set()


class Http1Side:
    """One HTTP/1.1 connection."""

    def __init__(self, upstream: Upstream, number: int, writer: asyncio.StreamWriter) -> None:
        self._upstream = upstream
        self._number = number
        self._writer = writer
        self._parser = h11.Connection(h11.SERVER, 1 << 20)
        self._current: Http1Received | None = None
        self._reading: Http1Received | None = None

    def begin(self) -> None:
        """HTTP/1.1 servers wait."""

    def feed(self, data: bytes) -> None:
        if self._current is not None and self._current.early:
            return
        if self._current is not None and not self._current.answered:
            self._current.inbox.put_nowait(data)
            return
        self._parser.receive_data(data)
        while True:
            event = self._parser.next_event()
            if isinstance(event, h11.Request):
                self._reading = Http1Received(
                    self._number,
                    event.method.decode(),
                    event.target.decode(),
                    [(k.decode(), v.decode()) for k, v in event.headers.raw_items()],
                    self._writer,
                )
                if self._upstream.early is not None:
                    self._writer.transport.pause_reading()  # type: ignore[attr-defined]
                    self._current, self._reading = self._reading, None
                    self._current.early = True
                    self._upstream.run(self._current, self._upstream.early)
                    return
            elif isinstance(event, h11.Data):
                assert self._reading is not None
                self._reading.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert self._reading is not None
                self._current, self._reading = self._reading, None
                rest, _ = self._parser.trailing_data
                self._parser = h11.Connection(h11.SERVER, 1 << 20)
                if rest:
                    self._current.inbox.put_nowait(rest)
                self._upstream.run(self._current)
                return
            else:
                return

    def closed(self) -> None:
        for received in (self._current, self._reading):
            if received is not None:
                received.gone.set()


class Http1Received(Received):
    def __init__(
        self,
        connection: int,
        method: str,
        path: str,
        headers: Headers,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(connection, method, path, headers)
        self.writer = writer
        self._framing: Framing = "chunked"

    def read_on(self) -> None:
        """Notice what became of the connection, after an early answer."""
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(
        self,
        status: int = 200,
        headers: Headers = (),
        *,
        framing: Framing = "chunked",
        length: int = 0,
    ) -> None:
        self._framing = framing
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{key}: {value}" for key, value in headers)]
        if framing == "length":
            lines.append(f"content-length: {length}")
        elif framing == "chunked":
            lines.append("transfer-encoding: chunked")
        elif framing == "headers-only":
            lines.append("content-length: 0")
            self.answered = True
        await self.raw("\r\n".join([*lines, "", ""]).encode())

    async def data(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data) if self._framing == "chunked" else data)

    async def end(self) -> None:
        self.answered = True
        if self._framing == "chunked":
            await self.raw(b"0\r\n\r\n")
        elif self._framing == "until-close":
            await self.close()

    async def reset(self) -> None:
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()


class Http2Side:
    """One HTTP/2 connection."""

    def __init__(self, upstream: Upstream, number: int, writer: asyncio.StreamWriter) -> None:
        self._upstream = upstream
        self._number = number
        self.writer = writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._streams: dict[int, Http2Received] = {}
        self._window = asyncio.Event()

    def begin(self) -> None:
        if self._upstream.max_concurrent is not None:
            self.h2.local_settings.max_concurrent_streams = self._upstream.max_concurrent
            self.h2.local_settings.acknowledge()  # else the old value is sent
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        if not self.writer.is_closing():
            self.writer.write(self.h2.data_to_send())

    def feed(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            stream = self._streams.get(getattr(event, "stream_id", 0) or 0)
            match event:
                case h2.events.RequestReceived():
                    pairs = [(k.decode(), v.decode()) for k, v in event.headers]
                    pseudo = {k: v for k, v in pairs if k.startswith(":")}
                    stream = self._streams[event.stream_id] = Http2Received(
                        self._number,
                        pseudo[":method"],
                        pseudo[":path"],
                        pairs,
                        self,
                        event.stream_id,
                    )
                    if self._upstream.early is not None:
                        stream.early = True
                        self._upstream.run(stream, self._upstream.early)
                case h2.events.DataReceived() if stream is not None and stream.early:
                    self.h2.increment_flow_control_window(event.flow_controlled_length)
                case h2.events.DataReceived() if stream is not None:
                    stream.body += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded() if stream is not None:
                    self._upstream.run(stream)
                case h2.events.StreamReset() if stream is not None:
                    stream.reset_code = event.error_code
                    stream.gone.set()
                case h2.events.WindowUpdated():
                    self._window.set()
        self.flush()

    async def send(self, stream: int, data: bytes) -> None:
        while data:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if not room:
                self._window.clear()
                await self._window.wait()
                continue
            self.h2.send_data(stream, data[:room])
            data = data[room:]
            self.flush()
            await self.writer.drain()

    def closed(self) -> None:
        for stream in self._streams.values():
            stream.gone.set()


class Http2Received(Received):
    reset_code: int | None = None

    def __init__(
        self,
        connection: int,
        method: str,
        path: str,
        headers: Headers,
        side: Http2Side,
        stream: int,
    ) -> None:
        super().__init__(connection, method, path, headers)
        self.side = side
        self.stream = stream

    async def head(
        self,
        status: int = 200,
        headers: Headers = (),
        *,
        framing: Framing = "chunked",
        length: int = 0,
    ) -> None:
        fields = [(":status", str(status)), *headers]
        if framing == "length":
            fields.append(("content-length", str(length)))
        last = framing == "headers-only"
        self.answered = self.answered or last
        self.side.h2.send_headers(self.stream, fields, end_stream=last)
        self.side.flush()

    async def data(self, data: bytes) -> None:
        await self.side.send(self.stream, data)

    async def end(self) -> None:
        self.answered = True
        self.side.h2.end_stream(self.stream)
        self.side.flush()

    async def reset(self) -> None:
        self.side.h2.reset_stream(self.stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        self.side.flush()
        self.gone.set()

    async def close(self) -> None:
        self.side.writer.close()

    async def go_away(self) -> None:
        self.side.h2.close_connection()
        self.side.flush()
