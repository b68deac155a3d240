"""HTTP/1.1 edge over h11, which keeps the order and the letter case of header names."""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from typing import Any

import h11

from replay.sandbox.connections import Connection
from replay.sandbox.messages import ClientGone, HeaderList, Request
from replay.sandbox.websocket import Http1Socket

logger = logging.getLogger(__name__)

MAX_HEAD = 256 * 1024
"""Bytes of a request head; a turn's metadata header alone may have some ten kilobytes."""


class Http1Connection(Connection):
    """One HTTP/1.x connection: requests one after the other, or a WebSocket after an upgrade."""

    _h11: h11.Connection
    _request: h11.Request | None = None
    _task: asyncio.Task[None] | None = None
    _socket: Http1Socket | None = None
    _paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._chunks: list[bytes] = []
        self._size = 0

    def cancel_tasks(self) -> None:
        if self._socket is not None:
            self._socket.connection_lost()
        if self._task is not None:
            self._task.cancel()

    # --- receiving ---

    def data_received(self, data: bytes) -> None:
        if self._socket is not None and self._socket.open:
            self._socket.data_received(data)
            return
        self._h11.receive_data(data)
        self._advance()

    def _advance(self) -> None:
        while not self.lost:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error.error_status_hint, str(error))
                return
            match event:
                case h11.NEED_DATA:
                    self._expect_continue()
                    return
                case h11.PAUSED:
                    # A pipelined request, or WebSocket bytes ahead of our 101: not yet.
                    self._paused = True
                    self.transport.pause_reading()
                    return
                case h11.ConnectionClosed():
                    self.transport.close()
                    return
                case h11.Request():
                    self._request = event
                    self._chunks, self._size = [], 0
                case h11.Data():
                    self._size += len(event.data)
                    if self._size > self.registry.max_body:
                        limit = self.registry.max_body
                        self._refuse(413, f"The request body is larger than {limit} bytes.")
                        return
                    self._chunks.append(bytes(event.data))
                case h11.EndOfMessage():
                    self._complete()

    def _expect_continue(self) -> None:
        if self._h11.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _complete(self) -> None:
        raw = self._request
        assert raw is not None, "h11 gives the end of a message after its head"
        version = raw.http_version.decode()
        request = Request(
            method=raw.method.decode(),
            target=raw.target.decode("latin-1"),
            http_version=version,
            headers=[(bytes(name), bytes(value)) for name, value in raw.headers.raw_items()],
            request_line=b"%b %b HTTP/%b" % (raw.method, raw.target, raw.http_version),
            body=b"".join(self._chunks),
            connection=self.number,
            secure=self.secure,
            alpn=self.alpn,
        )
        self._request, self._chunks = None, []
        if request.upgrade:
            self._socket = Http1Socket(self, request)
            self._task = self.spawn(partial(self._run_socket, request, self._socket))
        else:
            self._task = self.spawn(partial(self._run, request))

    async def _run(self, request: Request) -> None:
        reply = Http1Reply(self)
        await self.registry.application.http(request, reply)
        if not reply.finished:
            if not self.transport.is_closing():
                raise RuntimeError(f"{request.method} {request.path} was left without an answer")
            return
        self._next_request()

    async def _run_socket(self, request: Request, socket: Http1Socket) -> None:
        await self.registry.application.socket(request, socket)
        if socket.refused:
            self._socket = None
            self._next_request()
        elif not self.transport.is_closing():
            await socket.close(1000)

    def _next_request(self) -> None:
        if self._h11.our_state is h11.MUST_CLOSE or self._h11.their_state is h11.MUST_CLOSE:
            self.transport.close()
            return
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            self.transport.close()
            return
        self._h11.start_next_cycle()
        # Not from within this task: the next request gets its own.
        asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if self.lost or self.transport.is_closing():
            return
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        self._advance()

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that cannot be read, then close."""
        logger.debug("connection %d: refused with %d: %s", self.number, status, message)
        if self._task is None or self._task.done():
            body = json.dumps({"detail": message}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            self._send(h11.Response(status_code=status, headers=headers))
            self._send(h11.Data(data=body))
        self.transport.close()

    # --- sending ---

    def _send(self, event: Any) -> None:
        data = self._h11.send(event)
        if data and not self.lost:
            self.transport.write(data)

    def encode(self, event: h11.Event) -> bytes:
        """Bytes of an event of the current answer.

        Raises:
            ClientGone: the connection is lost, or its state has no room for this event.
        """
        if self.lost or self.transport.is_closing():
            raise ClientGone
        try:
            return self._h11.send(event) or b""
        except h11.LocalProtocolError as error:
            if self._h11.our_state is h11.ERROR:
                raise ClientGone from error
            raise

    def switched(self) -> bytes:
        """After a 101 was sent: the bytes that arrived behind the upgrade request."""
        data, _closed = self._h11.trailing_data
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return bytes(data)


class Http1Reply:
    """The answer to one HTTP/1.x request; see :class:`replay.sandbox.messages.Reply`."""

    def __init__(self, connection: Http1Connection) -> None:
        self._connection = connection
        self._pending = b""
        self.started = False
        self.finished = False

    def start(self, status: int, headers: HeaderList) -> None:
        response = h11.Response(status_code=status, headers=headers)
        self._pending = self._connection.encode(response)
        self.started = True

    async def write(self, data: bytes) -> None:
        framed = self._connection.encode(h11.Data(data=data)) if data else b""
        self._flush(framed)
        await self._connection.drain()

    async def finish(self) -> None:
        self._flush(self._connection.encode(h11.EndOfMessage()))
        self.finished = True
        await self._connection.drain()

    def _flush(self, data: bytes) -> None:
        if self._pending:
            data, self._pending = self._pending + data, b""
        if data:
            self._connection.transport.write(data)

    def reset(self) -> None:
        self._connection.reset_connection()
