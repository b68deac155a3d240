"""The upstream half of ``stream.py``: one sending of a request, kept apart from all others.

mitmproxy's HTTP layer finds the stream that an event is for by the event's stream id, and both its
HTTP/1 and its HTTP/2 client take whatever id they are given. So each sending has an id of its own,
under which the layer knows the client's stream for as long as the sending counts. Late frames of
an HTTP/2 stream that was reset, the close of an HTTP/1 connection that was given up, a second
complaint about the same broken answer: all carry an id that is known no more, and are ignored.
"""

from __future__ import annotations

import asyncio
import itertools

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Connection
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    Http2Client,
    Http2Server,
    HttpEvent,
    HttpLayer,
    HttpStream,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)

_ids = itertools.count(-1, -1)
"""Clients' own stream ids are positive."""


class Sending:
    """A request on its way over one upstream connection, and the answer to it.

    Attributes:
        ended: nothing more will come; there is nothing to cancel.
    """

    def __init__(self, http: HttpLayer, stream: HttpStream, connection: Connection) -> None:
        self.id = next(_ids)
        self.connection = connection
        self.ended = False
        self._http = http
        http.streams[self.id] = stream

    def forget(self) -> None:
        """From now on mitmproxy ignores what still comes."""
        self._http.streams.pop(self.id, None)

    def takes(self, event: HttpEvent) -> bool:
        """Whether an event of the upstream's concerns the stream."""
        if event.stream_id != self.id:
            return False
        match event:
            case ResponseData(data=b""):
                return False  # an empty HTTP/2 frame; in a chunked body it would be the end
            case ResponseProtocolError():
                if self.ended:
                    return False  # RST_STREAM(NO_ERROR) behind a complete answer
                self.ended = True
            case ResponseEndOfMessage() | ResponseHeaders(end_stream=True):
                self.ended = True
        return True

    @property
    def queued(self) -> bool:
        """Whether it waits until the upstream's MAX_CONCURRENT_STREAMS lets it go."""
        client = self._http2_client()
        return client is not None and self.id in client.stream_queue

    def unqueue(self) -> bool:
        """Take it out of that queue: nothing has been sent, so nothing is to be cancelled."""
        client = self._http2_client()
        return client is not None and client.stream_queue.pop(self.id, None) is not None

    def _http2_client(self) -> Http2Client | None:
        """The end of an upstream connection's stack of layers (TLS, …), if it speaks HTTP/2."""
        found: layer.Layer | None = self._http.connections.get(self.connection)
        while found is not None and not isinstance(found, Http2Client):
            found = getattr(found, "child_layer", None)
        return found


def opening_connection(http: HttpLayer, wanted: GetHttpConnection) -> Connection | None:
    """The connection that is being opened for ``wanted``; None while it waits for its turn.

    mitmproxy opens five connections to one address at a time for each client.
    """
    for connection, waiting in http.waiting_for_establishment.items():
        if any(command is wanted for command in waiting):
            return connection if connection.timestamp_start is not None else None
    return None


def forgive(http: HttpLayer, wanted: GetHttpConnection) -> None:
    """Forget a connect error; mitmproxy would answer every later request of the client with it.

    The connection itself stays known: its end may still have to be told to its layers.
    """
    for connection in http.connections:
        if connection.error and wanted.connection_spec_matches(connection):
            connection.error = None


def unsent_bytes(http: HttpLayer, stream_id: int) -> int:
    """Bytes for the client that are still in memory, because it reads slowly or not at all.

    Two places: HTTP/2 keeps what its flow control does not let go yet, the transport what the
    socket does not take.
    """
    client = http.context.client
    size = 0
    side = http.connections.get(client)
    if isinstance(side, Http2Server):
        size += sum(len(part.data) for part in side.h2_conn.stream_buffers.get(stream_id, ()))
    server = ctx.master.addons.get("proxyserver")
    handler = server.connections.get(client.id) if isinstance(server, Proxyserver) else None
    io = handler.transports.get(client) if handler is not None else None
    if io is not None and isinstance(io.writer, asyncio.StreamWriter):
        size += io.writer.transport.get_write_buffer_size()
    return size
