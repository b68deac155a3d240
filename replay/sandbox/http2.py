"""HTTP/2 edge over h2: raw header blocks, flow control in both directions, resets by stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from functools import partial

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings

from replay.sandbox.connections import Connection
from replay.sandbox.messages import ClientGone, DuplexApplication, HeaderList, Request

logger = logging.getLogger(__name__)

DEFAULT_WINDOW = 65_535
"""Of a connection, which no setting makes smaller (RFC 9113 §6.9.2)."""
MAX_STREAMS = 1000


class Http2Connection(Connection):
    """One HTTP/2 connection with its streams."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._h2 = H2Connection(
            H2Configuration(
                client_side=False,
                header_encoding=None,
                normalize_inbound_headers=False,
                normalize_outbound_headers=False,
                validate_outbound_headers=False,
            )
        )
        window = self.registry.window
        # Set, not updated: the first SETTINGS frame holds only values that are in force already.
        # A window smaller than the default one cannot be: a client may have used that before it
        # reads our SETTINGS (RFC 9113 §6.9.3).
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: max(window, DEFAULT_WINDOW),
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: 256 * 1024,
            },
        )
        self._h2.initiate_connection()
        if window < DEFAULT_WINDOW:
            self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        elif window > DEFAULT_WINDOW:
            self._h2.increment_flow_control_window(window)
        self._streams: dict[int, Http2Stream] = {}
        self.flush()

    def cancel_tasks(self) -> None:
        for stream in list(self._streams.values()):
            stream.end()

    # --- receiving ---

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except ProtocolError as error:
            logger.debug("connection %d: %s", self.number, error)
            self.flush()  # h2 has prepared a GOAWAY
            self.transport.close()
            return
        self._dispatch(events)
        self.flush()

    def _dispatch(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case RequestReceived():
                    opened = Http2Stream(self, event.stream_id, list(event.headers))
                    self._streams[event.stream_id] = opened
                    opened.begin()
                case DataReceived():
                    self._data(event)
                case StreamEnded():
                    stream = self._streams.get(event.stream_id)
                    if stream is not None:
                        stream.complete()
                case StreamReset():
                    self.forget(event.stream_id)
                case WindowUpdated():
                    self._window_updated(event.stream_id)
                case ConnectionTerminated():
                    self.transport.close()

    def _data(self, event: DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None and stream.duplex:  # acknowledged when it is read
            stream.arrived(event.data, event.flow_controlled_length)
            return
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if stream is not None and not stream.append(event.data):
            self.reset_stream(event.stream_id, ErrorCodes.ENHANCE_YOUR_CALM)

    def acknowledge(self, length: int, stream_id: int) -> None:
        """Let the client send so many bytes more, at once.

        h2 would save them up until they are half of the window, which a client never reaches whose
        window was made smaller in the meantime.
        """
        self._h2.increment_flow_control_window(length)
        try:
            self._h2.increment_flow_control_window(length, stream_id)
        except H2Error as error:
            logger.debug("connection %d: stream %d: %s", self.number, stream_id, error)
        self.flush()

    def _window_updated(self, stream_id: int | None) -> None:
        if stream_id:
            stream = self._streams.get(stream_id)
            if stream is not None:
                stream.window.set()
            return
        for stream in self._streams.values():
            stream.window.set()

    # --- sending ---

    def flush(self) -> None:
        """Hand everything h2 has prepared to the transport."""
        data = self._h2.data_to_send()
        if data and not self.lost:
            self.transport.write(data)

    def send_headers(self, stream_id: int, headers: HeaderList, *, end: bool) -> None:
        try:
            self._h2.send_headers(stream_id, headers, end_stream=end)
        except H2Error as error:
            raise ClientGone from error

    def window(self, stream_id: int) -> int:
        """Bytes that may be sent on the stream now."""
        try:
            return min(
                self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size
            )
        except H2Error as error:
            raise ClientGone from error

    def send_data(self, stream_id: int, data: bytes | memoryview, *, end: bool) -> None:
        try:
            self._h2.send_data(stream_id, bytes(data), end_stream=end)
        except H2Error as error:
            raise ClientGone from error

    def go_away(self, code: int) -> None:
        """Send GOAWAY, then close the connection."""
        self._h2.close_connection(code)
        self.flush()
        self.transport.close()

    def set_window(self, size: int) -> None:
        """Another INITIAL_WINDOW_SIZE; in force when the client has acknowledged it."""
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
        self.flush()

    def reset_stream(self, stream_id: int, code: int = ErrorCodes.INTERNAL_ERROR) -> None:
        """Send RST_STREAM and end what runs for the stream."""
        try:
            self._h2.reset_stream(stream_id, code)
        except StreamClosedError as error:
            logger.debug("connection %d: stream %d: %s", self.number, stream_id, error)
        self.flush()
        self.forget(stream_id)

    def forget(self, stream_id: int) -> None:
        """The stream is over; its handler is cancelled if it still runs."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.end()


class Http2Stream:
    """One stream: a request being collected, then its reply."""

    def __init__(self, connection: Http2Connection, stream_id: int, headers: HeaderList) -> None:
        self.connection = connection
        self.id = stream_id
        self.headers = [(bytes(name), bytes(value)) for name, value in headers]
        self.window = asyncio.Event()
        self.gone = False
        self.started = False
        self.finished = False
        self._chunks: list[bytes] = []
        self._size = 0
        pseudo = dict(pair for pair in self.headers if pair[0].startswith(b":"))
        self._method = pseudo.get(b":method", b"").decode("latin-1")
        self._target = pseudo.get(b":path", b"").decode("latin-1")
        application = connection.registry.duplex
        path = self._target.partition("?")[0]
        self.duplex = (
            application if application and application.duplex_path(self._method, path) else None
        )
        self._arrived: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    # --- the request ---

    def begin(self) -> None:
        """The headers are here: run the application, if it is one that reads the body itself."""
        if self.duplex:
            work = partial(self._run_duplex, self.duplex, self._request())
            self._task = self.connection.spawn(work)

    def arrived(self, data: bytes, length: int) -> None:
        """Body bytes for who reads them; ``length`` is what they take of the window."""
        self._arrived.put_nowait((data, length))

    async def read(self) -> bytes:
        """See :class:`replay.sandbox.messages.Duplex`."""
        while True:
            data, length = await self._arrived.get()
            if not length:
                self.arrived(b"", 0)  # who asks again is told again
                return b""
            self.connection.acknowledge(length, self.id)
            if data:
                return data

    def append(self, data: bytes) -> bool:
        """Keep body bytes; False when the body is too large."""
        self._size += len(data)
        if self._size > self.connection.registry.max_body:
            return False
        self._chunks.append(data)
        return True

    def complete(self) -> None:
        """The request is whole: run the application."""
        if self.duplex:
            self.arrived(b"", 0)
            return
        self._task = self.connection.spawn(partial(self._run, self._request()))

    def _request(self) -> Request:
        body, self._chunks = b"".join(self._chunks), []
        return Request(
            method=self._method,
            target=self._target,
            http_version="2",
            pseudo_headers=[pair for pair in self.headers if pair[0].startswith(b":")],
            headers=[pair for pair in self.headers if not pair[0].startswith(b":")],
            body=body,
            connection=self.connection.number,
            secure=self.connection.secure,
            alpn=self.connection.alpn,
        )

    async def _run_duplex(self, application: DuplexApplication, request: Request) -> None:
        await application.duplex(request, self)
        self._answered(request)

    async def _run(self, request: Request) -> None:
        await self.connection.registry.application.http(request, self)
        self._answered(request)

    def _answered(self, request: Request) -> None:
        if not self.finished and not self.gone:
            self.reset()
            raise RuntimeError(f"{request.method} {request.path} was left without an answer")
        self._task = None
        self.connection.forget(self.id)

    def end(self) -> None:
        """The client's stream or connection has ended."""
        self.gone = True
        self.window.set()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    # --- the reply; see replay.sandbox.messages.Reply ---

    def start(self, status: int, headers: HeaderList) -> None:
        if self.gone:
            raise ClientGone
        lowered = [(name.lower(), value) for name, value in headers]
        head = [(b":status", str(status).encode()), *lowered]
        self.connection.send_headers(self.id, head, end=False)
        self.started = True

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while len(rest):
            if self.gone:
                raise ClientGone
            allowed = self.connection.window(self.id)
            if allowed <= 0:
                self.connection.flush()
                self.window.clear()
                await self.window.wait()
                continue
            self.connection.send_data(self.id, rest[:allowed], end=False)
            rest = rest[allowed:]
        self.connection.flush()
        await self.connection.drain()

    async def finish(self) -> None:
        if self.gone:
            raise ClientGone
        self.connection.send_data(self.id, b"", end=True)
        self.connection.flush()
        self.finished = True
        await self.connection.drain()

    def reset(self) -> None:
        self.abort(ErrorCodes.INTERNAL_ERROR)

    def abort(self, code: int) -> None:
        self.finished = True
        self.connection.reset_stream(self.id, code)

    def go_away(self, code: int) -> None:
        self.finished = True
        self.connection.go_away(code)

    def set_window(self, size: int) -> None:
        self.connection.set_window(size)
