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
from collections.abc import Callable

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    Http1Client,
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
from mitmproxy.proxy.layers.http._base import ReceiveHttp

from addons.driver import Origin
from addons.quick.chunks import whole_chunks

type Commands = layer.CommandGenerator[None]
type ReadBody = Callable[[Http1Client, events.Event], Commands]

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

    def cancels(self) -> bool:
        """Whether the upstream is to be told that nobody waits for the answer any more.

        Also when an answer ended before its request did: an HTTP/1 connection must not be used
        again then, and an HTTP/2 stream is still open. What waits in the queue has not been
        sent at all, and is taken out of it.
        """
        if self.connection.state is ConnectionState.CLOSED:
            return False  # closed twice, a connection may lose its handler and stay open
        client = self._http2_client()
        if client is None:
            return not self.ended or _backlog(self._http, self.connection) > 0
        client.stream_queue.pop(self.id, None)
        sent_as = client.our_stream_id.get(self.id)
        return sent_as is not None and not client.is_closed(sent_as)

    @property
    def queued(self) -> bool:
        """Whether it waits until the upstream's MAX_CONCURRENT_STREAMS lets it go."""
        client = self._http2_client()
        return client is not None and self.id in client.stream_queue

    @property
    def stranded(self) -> bool:
        """Whether its connection is over without a word: mitmproxy forgets those in the queue."""
        return not self.ended and self.connection.timestamp_end is not None

    def _http2_client(self) -> Http2Client | None:
        """The end of an upstream connection's stack of layers (TLS, …), if it speaks HTTP/2."""
        found: layer.Layer | None = self._http.connections.get(self.connection)
        while found is not None and not isinstance(found, Http2Client):
            found = getattr(found, "child_layer", None)
        return found


def joined(read_body: ReadBody) -> ReadBody:
    """``Http1Client.read_body`` with one event for all data of a read.

    A chunk of HTTP/1 may be as small as a server-sent event, and many come in one read.
    """

    def read_joined_body(self: Http1Client, event: events.Event) -> Commands:
        data = isinstance(event, events.DataReceived)
        pieces = whole_chunks(self.body_reader, self.buf) if data else []
        for command in read_body(self, event):
            if isinstance(command, ReceiveHttp) and type(command.event) is ResponseData:
                pieces.append(command.event.data)
                continue
            if pieces:
                yield _received(self, pieces)
                pieces = []
            yield command
        if pieces:
            yield _received(self, pieces)

    return read_joined_body


def _received(client: Http1Client, pieces: list[bytes]) -> ReceiveHttp:
    assert client.stream_id is not None
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return ReceiveHttp(ResponseData(client.stream_id, data))


class Held:
    """What has come of an answer that the client has not seen.

    Attributes:
        size: bytes of its body.
    """

    def __init__(self) -> None:
        self._events: list[HttpEvent] = []
        self.size = 0

    def add(self, event: HttpEvent) -> None:
        self._events.append(event)
        if isinstance(event, ResponseData):
            self.size += len(event.data)

    def body(self) -> list[bytes]:
        return [event.data for event in self._events if isinstance(event, ResponseData)]

    def release(self) -> list[HttpEvent]:
        """The events, with the data in one piece: one write to the client instead of many."""
        events, body = self._events, self.body()
        self._events, self.size = [], 0
        if len(body) < 2:
            return events
        whole = ResponseData(events[0].stream_id, b"".join(body))
        return [whole, *(event for event in events if not isinstance(event, ResponseData))]


def opening_connection(http: HttpLayer, wanted: GetHttpConnection) -> Connection | None:
    """The connection that is being opened for ``wanted``; None while it waits for its turn.

    mitmproxy opens five connections to one address at a time for each client.
    """
    for connection, waiting in http.waiting_for_establishment.items():
        if any(command is wanted for command in waiting):
            return connection if connection.timestamp_start is not None else None
    return None


def forget_dead(http: HttpLayer) -> None:
    """Forget upstream connections that are over, and what went wrong with them.

    mitmproxy keeps every connection for as long as the client stays (in a tunnel, twice), and
    answers later requests with an old connect error. One whose end its layers have still to be
    told stays known, but without its error. Foreign flows' connections are left alone.
    """
    for connection in list(http.connections):
        if not isinstance(connection, Server) or not isinstance(connection.address, Origin):
            continue
        if connection.state is ConnectionState.CLOSED:
            connection.error = None
            never_open = connection.timestamp_tcp_setup is None
            waited_for = connection in http.waiting_for_establishment
            if connection.timestamp_end is not None or (never_open and not waited_for):
                for around in http.context.layers:
                    if isinstance(around, HttpLayer):
                        around.connections.pop(connection, None)


def unsent_bytes(http: HttpLayer, stream_id: int) -> int:
    """Bytes for the client that are still in memory, because it reads slowly or not at all.

    Two places: HTTP/2 keeps what its flow control does not let go yet, the transport what the
    socket does not take.
    """
    size = _backlog(http, http.context.client)
    side = http.connections.get(http.context.client)
    if isinstance(side, Http2Server):
        size += sum(len(part.data) for part in side.h2_conn.stream_buffers.get(stream_id, ()))
    return size


def _backlog(http: HttpLayer, connection: Connection) -> int:
    """Bytes that the socket of a client's, or of one of its upstreams, has not taken yet."""
    server = ctx.master.addons.get("proxyserver")
    handlers = server.connections if isinstance(server, Proxyserver) else {}
    handler = handlers.get(http.context.client.id)
    io = None if handler is None else handler.transports.get(connection)
    if io is None or not isinstance(io.writer, asyncio.StreamWriter):
        return 0
    return io.writer.transport.get_write_buffer_size()
