"""Strict HTTP clients over raw sockets: what reaches a client is judged by h11 and h2 themselves.

Both kinds have one interface: ``client.call(...)`` sends a request and gives a :class:`Call`.
"""

from __future__ import annotations

import abc
import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import h11

type Headers = Sequence[tuple[str, str]]

PATIENCE = 5.0
"""Seconds after which a test that waits has failed."""


@dataclass
class Answer:
    """What the client was given.

    Attributes:
        broken: why the body did not end well; empty when it did.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    broken: str = ""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class Call(abc.ABC):
    """One request and what comes back for it."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()
        self.over = False
        self.broken = ""
        self.news = asyncio.Condition()

    async def tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    async def head(self) -> int:
        """Wait for the status."""
        async with self.news:
            await asyncio.wait_for(
                self.news.wait_for(lambda: self.status is not None or self.over), PATIENCE
            )
        assert self.status is not None, f"no answer: {self.broken}"
        return self.status

    async def until(self, part: bytes) -> None:
        """Wait until the body contains ``part``."""
        async with self.news:
            await asyncio.wait_for(
                self.news.wait_for(lambda: part in self.body or self.over), PATIENCE
            )
        assert part in self.body, (bytes(self.body), self.broken)

    async def answer(self) -> Answer:
        """Wait for the end."""
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(lambda: self.over), PATIENCE)
        assert self.status is not None, f"no answer: {self.broken}"
        return Answer(self.status, self.headers, bytes(self.body), self.broken)

    @abc.abstractmethod
    async def leave(self) -> None:
        """Give the request up, as this protocol does it."""


class Client(abc.ABC):
    http2: bool

    @abc.abstractmethod
    async def call(
        self,
        path: str = "/",
        body: bytes = b"",
        *,
        method: str = "POST",
        headers: Headers = (),
        chunked: bool = False,
        finish: bool = True,
    ) -> Call:
        """Send a request. ``finish``: False leaves the request's body open."""

    async def ask(
        self,
        path: str = "/",
        body: bytes = b"hello",
        *,
        method: str = "POST",
        headers: Headers = (),
        chunked: bool = False,
    ) -> Answer:
        call = await self.call(path, body, method=method, headers=headers, chunked=chunked)
        return await call.answer()

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the connection."""


class Http1Call(Call):
    def __init__(self, client: Http1Client) -> None:
        super().__init__()
        self._client = client

    async def leave(self) -> None:
        await self._client.close()


class Http1Client(Client):
    """Keeps one connection, and sends origin-form requests on it (a base URL)."""

    http2 = False

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.parser = h11.Connection(h11.CLIENT)
        self.closed_by_peer = False
        self.raw = bytearray()
        self._current: Http1Call | None = None
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, port: int) -> Http1Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def call(
        self,
        path: str = "/",
        body: bytes = b"",
        *,
        method: str = "POST",
        headers: Headers = (),
        chunked: bool = False,
        finish: bool = True,
    ) -> Call:
        if self.parser.our_state is h11.DONE:
            self.parser.start_next_cycle()
        framing = ("transfer-encoding", "chunked") if chunked else ("content-length", "")
        if not chunked:
            framing = ("content-length", str(len(body) if finish else len(body) + 1))
        self._current = call = Http1Call(self)
        fields = [("Host", "127.0.0.1:1"), *headers]
        if body or chunked or not finish:
            fields.append(framing)
        request = h11.Request(method=method, target=path, headers=fields)
        out = self.parser.send(request)
        assert out is not None
        if body:
            out += self.parser.send(h11.Data(data=body)) or b""
        if finish:
            out += self.parser.send(h11.EndOfMessage()) or b""
        self.writer.write(out)
        return call

    async def _read(self) -> None:
        data = b""
        while True:
            try:
                data = await self.reader.read(1 << 16)
            except ConnectionError:
                data = b""
            self.closed_by_peer = self.closed_by_peer or not data
            self.raw += data
            call = self._current
            if call is None or call.over:
                if not data:
                    return
                raise AssertionError(f"bytes without a request: {data!r}")
            try:
                self.parser.receive_data(data)
                self._events(call)
            except h11.RemoteProtocolError as error:
                call.broken, call.over = str(error), True
            await call.tell()
            if not data:
                if not call.over:
                    call.broken, call.over = "closed", True
                    await call.tell()
                return

    def _events(self, call: Http1Call) -> None:
        while True:
            event = self.parser.next_event()
            match event:
                case h11.InformationalResponse() | h11.Response():
                    if event.status_code == 100:
                        continue
                    call.status = event.status_code
                    call.headers = [(k.decode(), v.decode()) for k, v in event.headers]
                    if event.status_code == 101:
                        call.over = True
                        return
                case h11.Data():
                    call.body += event.data
                case h11.EndOfMessage():
                    call.over = True
                    return
                case _:
                    return

    async def close(self) -> None:
        self._task.cancel()
        self.writer.transport.abort()
        await asyncio.gather(self._task, return_exceptions=True)


class Http2Call(Call):
    def __init__(self, client: Http2Client, stream: int) -> None:
        super().__init__()
        self.client = client
        self.stream = stream

    async def leave(self) -> None:
        self.client.h2.reset_stream(self.stream, h2.errors.ErrorCodes.CANCEL)
        self.over = True
        self.client.flush()


class Http2Client(Client):
    """Many requests on one connection: CONNECT through the proxy, TLS, HTTP/2.

    Attributes:
        acknowledge: give flow-control credit back; False is a client that does not read.
    """

    http2 = True

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.acknowledge = True
        self.closed_by_peer = False
        self._calls: dict[int, Http2Call] = {}
        self._window = asyncio.Event()
        self.h2.initiate_connection()
        self.flush()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, port: int) -> Http2Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"CONNECT model.test:443 HTTP/1.1\r\nhost: model.test:443\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        await writer.start_tls(context, server_hostname="model.test")
        return cls(reader, writer)

    def flush(self) -> None:
        if not self.writer.is_closing():
            self.writer.write(self.h2.data_to_send())

    async def call(
        self,
        path: str = "/",
        body: bytes = b"",
        *,
        method: str = "POST",
        headers: Headers = (),
        chunked: bool = False,
        finish: bool = True,
    ) -> Http2Call:
        stream = self.h2.get_next_available_stream_id()
        call = self._calls[stream] = Http2Call(self, stream)
        fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "model.test"),
            (":path", path),
            *headers,
        ]
        if body and not chunked:
            fields.append(("content-length", str(len(body) if finish else len(body) + 1)))
        self.h2.send_headers(stream, fields, end_stream=finish and not body)
        self.flush()
        while body:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room <= 0:
                self._window.clear()
                await asyncio.wait_for(self._window.wait(), PATIENCE)
                continue
            last = finish and room >= len(body)
            self.h2.send_data(stream, body[:room], end_stream=last)
            body = body[room:]
            self.flush()
        return call

    async def _read(self) -> None:
        while True:
            try:
                data = await self.reader.read(1 << 16)
            except (ConnectionError, ssl.SSLError):
                data = b""
            touched: set[Http2Call] = set()
            for event in self.h2.receive_data(data) if data else ():
                call = self._calls.get(getattr(event, "stream_id", 0) or 0)
                if isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
                    self._window.set()
                if call is None:
                    continue
                touched.add(call)
                match event:
                    case h2.events.ResponseReceived():
                        assert call.status is None, "two answers on one stream"
                        pairs = [(k.decode(), v.decode()) for k, v in event.headers]
                        call.status = int(pairs[0][1])
                        call.headers = pairs[1:]
                    case h2.events.DataReceived():
                        call.body += event.data
                        if self.acknowledge:
                            self.h2.acknowledge_received_data(
                                event.flow_controlled_length, event.stream_id
                            )
                    case h2.events.StreamEnded():
                        call.over = True
                    case h2.events.StreamReset() if not call.over:
                        call.broken, call.over = f"reset {event.error_code}", True
            if not data:
                self.closed_by_peer = True
                for call in self._calls.values():
                    if not call.over:
                        call.broken, call.over = "closed", True
                        touched.add(call)
            self.flush()
            for call in touched:
                await call.tell()
            if not data:
                return

    async def close(self) -> None:
        self._task.cancel()
        self.writer.transport.abort()
        await asyncio.gather(self._task, return_exceptions=True)
