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
from replay.sandbox.messages import ClientGone, HeaderList, Request

logger = logging.getLogger(__name__)

RECEIVE_WINDOW = 4 * 1024 * 1024
"""Bytes that a client may send ahead of our acknowledgement, per stream and per connection."""
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
        # Set, not updated: the first SETTINGS frame holds only values that are in force already.
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: RECEIVE_WINDOW,
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: 256 * 1024,
            },
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(RECEIVE_WINDOW)
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
                    self._streams[event.stream_id] = Http2Stream(
                        self, event.stream_id, list(event.headers)
                    )
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
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is not None and not stream.append(event.data):
            self.reset_stream(event.stream_id, ErrorCodes.ENHANCE_YOUR_CALM)

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

    def reset_stream(self, stream_id: int, code: ErrorCodes = ErrorCodes.INTERNAL_ERROR) -> None:
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
        self._task: asyncio.Task[None] | None = None

    # --- the request ---

    def append(self, data: bytes) -> bool:
        """Keep body bytes; False when the body is too large."""
        self._size += len(data)
        if self._size > self.connection.registry.max_body:
            return False
        self._chunks.append(data)
        return True

    def complete(self) -> None:
        """The request is whole: run the application."""
        pseudo = [pair for pair in self.headers if pair[0].startswith(b":")]
        values = dict(pseudo)
        request = Request(
            method=values.get(b":method", b"").decode("latin-1"),
            target=values.get(b":path", b"").decode("latin-1"),
            http_version="2",
            pseudo_headers=pseudo,
            headers=[pair for pair in self.headers if not pair[0].startswith(b":")],
            body=b"".join(self._chunks),
            connection=self.connection.number,
            secure=self.connection.secure,
            alpn=self.connection.alpn,
        )
        self._chunks = []
        self._task = self.connection.spawn(partial(self._run, request))

    async def _run(self, request: Request) -> None:
        await self.connection.registry.application.http(request, self)
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
        self.finished = True
        self.connection.reset_stream(self.id)
