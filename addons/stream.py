"""The one place that knows mitmproxy's HTTP layer: attempts before commit, and produced bodies.

mitmproxy can neither send a request again before the client has seen anything, nor stream a body
that an addon makes. Both are a matter of one :class:`~mitmproxy.proxy.layers.http.HttpStream`
subclass, which :func:`install` puts in the place of the original. A flow without a
:class:`Driver` behaves exactly as in mitmproxy.

Facts that the code rests on (mitmproxy 12.2.3; ``tests/test_stream.py`` is the contract test):

- a hook has exactly one argument, or its layer waits for ever;
- events that arrive while a hook runs are queued in the layer, a client's departure among them;
- an HTTP/2 upstream connection remembers our stream id: sending on it again needs a new one;
- ``HttpLayer.connections`` answers a later request with an old connect error;
- upstream connections are reused when their *addresses are equal*, which
  :class:`~addons.driver.Origin` uses to keep accounts, and WebSocket upgrades (no HTTP/2), on
  connections of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mitmproxy import flow as mflow
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers import websocket
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    Http1Client,
    Http1Server,
    Http2Client,
    HttpEvent,
    HttpLayer,
    HTTPMode,
    HttpStream,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
    SendHttp,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

from addons.driver import Driver, Origin, Replan, Step, driver_of, mark_origin_form
from addons.production import Production
from addons.providers.contract import Ended
from addons.tunnel import FRAME_BYTES, ClosingWebsocketLayer

TICK = 5.0
"""Seconds between looks at a waiting attempt's deadlines; one timer an attempt, at most."""

HEAD_BYTES = 256 * 1024
"""Limit of an HTTP/1 request head."""

type Commands = layer.CommandGenerator[None]


@dataclass
class FlowayReplanHook(commands.StartHook):
    """An attempt was refused; the gateway plans what comes next."""

    replan: Replan


@dataclass
class FlowayPullHook(commands.StartHook):
    """The next chunks of a produced body."""

    production: Production


class AttemptStream(HttpStream):
    """An HTTP exchange that may be sent more than once, or answered by a produced body."""

    def __init__(self, context: Context, stream_id: int) -> None:
        super().__init__(context, stream_id)
        self._held: list[HttpEvent] = []
        self._held_bytes = 0
        self._committed = False
        self._headers_sent = False
        self._deadline = 0.0
        self._ticking = False
        self._discarding = False
        self._waiting: Replan | Production | None = None
        self._sent_on: Connection | None = None

    @property
    def driver(self) -> Driver | None:
        flow = getattr(self, "flow", None)
        return None if flow is None else driver_of(flow)

    # --- events in ---------------------------------------------------------------------------

    def handle_event(self, event: events.Event) -> Commands:
        if self._waiting is not None and isinstance(event, RequestProtocolError):
            # The layer only queues this while a hook runs; the work for that client ends now.
            if isinstance(self._waiting, Production):
                self._waiting.cancel()
            elif self._waiting.left is not None:
                self._waiting.left()
        if self._discarding and isinstance(
            event, (ResponseHeaders, ResponseData, ResponseTrailers, ResponseEndOfMessage)
        ):
            return  # the rest of an answer that was given up
        if self._discarding and isinstance(event, ResponseProtocolError):
            return
        yield from super().handle_event(event)

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup):
            yield from self._tick()
        else:
            yield from super()._handle_event(event)

    def passthrough(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup):
            return  # of the attempt that became this tunnel
        yield from super().passthrough(event)

    def state_wait_for_request_headers(self, event: HttpEvent) -> Commands:
        # Only here can a base-URL request be told from a forward-proxied one: mitmproxy then
        # takes the destination from the Host header and forgets that there was none.
        assert isinstance(event, RequestHeaders)
        origin_form = self.mode is HTTPMode.regular and not event.request.host
        generator = super().state_wait_for_request_headers(event)
        reply = None
        while True:
            try:
                command = generator.send(reply)
            except StopIteration:
                return
            if origin_form and isinstance(command, HttpRequestHeadersHook):
                mark_origin_form(command.flow)
            reply = yield command

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        driver = self.driver
        if not request or driver is None:
            return (yield from super().check_body_size(request))
        if len(self.request_body_buf) <= driver.max_request_bytes:
            return False
        self.request_body_buf.clear()
        driver.refuse_body()
        assert self.flow.response
        self._committed = True
        self.flow.live = False
        # The rest of the body is not read: the connection cannot serve another request.
        self.client_state = self.server_state = self.state_errored
        content = self.flow.response.raw_content or b""
        self.flow.response.headers["connection"] = "close"
        yield HttpResponseHeadersHook(self.flow)
        yield HttpResponseHook(self.flow)
        yield SendHttp(
            ResponseHeaders(self.stream_id, self.flow.response, end_stream=False),
            self.context.client,
        )
        yield SendHttp(ResponseData(self.stream_id, content), self.context.client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        if self.context.client.alpn != b"h2":
            yield commands.CloseTcpConnection(self.context.client, half_close=True)
        yield layers.DropStream(self.stream_id)
        return True

    # --- attempts ----------------------------------------------------------------------------

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        driver = self.driver
        if driver is None:
            return (yield from super().make_server_connection())
        request = self.flow.request
        origin = Origin(request.host, request.port, driver.lane, http2=driver.http2)
        connection, err = yield layers.GetHttpConnection(
            origin,
            request.scheme == "https",
            self.flow.server_conn.via,
            self.flow.server_conn.transport_protocol,
        )
        if err:
            self._forget_failed(origin)
            yield from self.handle_protocol_error(
                ResponseProtocolError(self.stream_id, err, ErrorCode.CONNECT_FAILED)
            )
            return False
        self.context.server = self.flow.server_conn = self._sent_on = connection
        self._deadline = time.monotonic() + driver.header_seconds
        yield from self._arm(driver.header_seconds)
        return True

    def _forget_failed(self, origin: Origin) -> None:
        """Else mitmproxy answers every later request of this client with the same old error."""
        connections = self._http_layer.connections
        for connection in [c for c in connections if getattr(c, "error", None)]:
            if getattr(connection, "address", None) == origin:
                del connections[connection]

    @property
    def _http_layer(self) -> HttpLayer:
        parent = self.context.layers[self.context.layers.index(self) - 1]
        assert isinstance(parent, HttpLayer)
        return parent

    def state_wait_for_response_headers(self, event: HttpEvent) -> Commands:
        driver = self.driver
        assert isinstance(event, ResponseHeaders)
        if driver is None:
            yield from super().state_wait_for_response_headers(event)
            return
        self.flow.response = event.response
        if (yield from self.check_invalid(False)):
            return
        self._deadline = time.monotonic() + driver.hold_seconds
        self.server_state = self.state_hold_response
        ended = Ended.COMPLETE if event.end_stream else Ended.OPEN
        yield from self._settle(ended)
        if self.server_state == self.state_hold_response and driver.hold_seconds < TICK:
            yield commands.RequestWakeup(driver.hold_seconds)

    def state_hold_response(self, event: HttpEvent) -> Commands:
        """Before commit: the answer's bytes are kept until there is a verdict."""
        self._held.append(event)
        if isinstance(event, ResponseEndOfMessage):
            yield from self._settle(Ended.COMPLETE)
        elif isinstance(event, ResponseData):
            self._held_bytes += len(event.data)
            driver = self.driver
            full = driver is not None and self._held_bytes >= driver.hold_bytes
            yield from self._settle(Ended.WAITED if full else Ended.OPEN)

    def _body(self) -> list[bytes]:
        return [event.data for event in self._held if isinstance(event, ResponseData)]

    def _settle(self, ended: Ended, error: str = "") -> Commands:
        driver = self.driver
        assert driver is not None
        match driver.judge(ended, self._body(), error):
            case Step.HOLD if ended is Ended.OPEN:
                return
            case Step.REPLAN:
                yield from self._replan(driver, ended, error)
            case _:
                yield from self._commit(ended, error)

    def _commit(self, ended: Ended, error: str) -> Commands:
        self._committed = True
        held, self._held = self._held, []
        headers_only = ended is Ended.COMPLETE and not held
        assert self.flow.response
        yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        if self.flow.response.stream and not headers_only:
            yield from self.start_response_stream()
            self._headers_sent = True
        else:
            self.server_state = self.state_consume_response_body
        for event in held:
            yield from self.server_state(event)
        if ended is Ended.BROKEN:
            yield from self.handle_protocol_error(
                ResponseProtocolError(self.stream_id, error, ErrorCode.GENERIC_SERVER_ERROR)
            )

    def _replan(self, driver: Driver, ended: Ended, error: str) -> Commands:
        """Give this answer up and let the driver say what comes next."""
        body = b"".join(self._body())
        self._held, self._held_bytes = [], 0
        self._discarding = True
        self.server_state = self.state_errored
        yield from self._abandon(cancel=ended in (Ended.OPEN, Ended.WAITED))
        replan = self._waiting = Replan(self.flow, driver, body, ended, error)
        yield FlowayReplanHook(replan)
        self._waiting = None
        if (yield from self.check_killed(True)):
            return
        self.flow.error = None
        if self.flow.response is not None:
            yield from self._give_response()
            return
        if not (yield from self.make_server_connection()):
            return
        self._discarding = False
        self.server_state = self.state_wait_for_response_headers
        request = self.flow.request
        content = request.raw_content
        yield SendHttp(
            RequestHeaders(self.stream_id, request, end_stream=not content), self.context.server
        )
        if content:
            yield SendHttp(RequestData(self.stream_id, content), self.context.server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)

    def _give_response(self) -> Commands:
        """Send ``flow.response``, which the driver has set, as mitmproxy does for addons."""
        assert self.flow.response
        self._committed = True
        self.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        yield from self.send_response()

    def _abandon(self, *, cancel: bool) -> Commands:
        """Cut this stream off from the upstream connection that it was sent on.

        ``cancel``: the answer has not ended, so the upstream is told to stop (HTTP/2: a reset,
        HTTP/1: the connection is closed).
        """
        server, self._sent_on = self._sent_on, None
        if server is None:
            return
        client = self._client_of(server)
        if client is not None and cancel:
            yield SendHttp(
                RequestProtocolError(self.stream_id, "given up", ErrorCode.CANCEL), server
            )
        if isinstance(client, Http2Client):
            ours = client.our_stream_id.pop(self.stream_id, None)
            client.stream_queue.pop(self.stream_id, None)
            if cancel and ours is not None:
                client.streams.pop(ours, None)  # `their_stream_id` stays: late frames may come
        elif isinstance(client, Http1Client) and cancel:
            client.state = client.done

    def _client_of(self, server: Connection) -> Http1Client | Http2Client | None:
        """The HTTP side of an upstream connection's stack of layers."""
        found: Any = self._http_layer.connections.get(server)
        while found is not None and not isinstance(found, (Http1Client, Http2Client)):
            found = getattr(found, "child_layer", None)
        return found

    # --- time --------------------------------------------------------------------------------

    def _arm(self, seconds: float) -> Commands:
        if not self._ticking:
            self._ticking = True
            yield commands.RequestWakeup(min(seconds, TICK))

    def _tick(self) -> Commands:
        self._ticking = False
        driver = self.driver
        waits = (self.state_wait_for_response_headers, self.state_hold_response)
        if driver is None or self._committed or self.server_state not in waits:
            return
        left = self._deadline - time.monotonic()
        if left > 0.001:
            yield from self._arm(left)
        elif self.server_state == self.state_hold_response:
            yield from self._settle(Ended.WAITED)
        else:
            yield from self._abandon(cancel=True)
            self.flow.response = None
            message = f"no response headers within {driver.header_seconds:g} s"
            yield from self._settle(Ended.BROKEN, message)

    # --- endings -----------------------------------------------------------------------------

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> Commands:
        driver = self.driver
        if driver is None or not isinstance(event, ResponseProtocolError):
            yield from super().handle_protocol_error(event)
            return
        over = (self.state_done, self.state_errored)
        unseen = not self._headers_sent and self.client_state == self.state_done
        if unseen and (self.server_state not in over or not self._committed):
            if self._committed:  # an answer that is collected whole: the client has nothing yet
                yield from self._replan(driver, Ended.BROKEN, event.message)
            else:
                if self.server_state != self.state_hold_response:
                    self.flow.response = None
                yield from self._settle(Ended.BROKEN, event.message)
            return
        if self._headers_sent and self.server_state not in over:
            last_words = driver.cut_short(event.message)
            if last_words:
                yield SendHttp(ResponseData(self.stream_id, last_words), self.context.client)
        yield from super().handle_protocol_error(event)

    def send_response(self, already_streamed: bool = False) -> Commands:
        driver = self.driver
        production = driver.production if driver is not None else None
        if driver is None or production is None or already_streamed:
            yield from super().send_response(already_streamed)
            return
        driver.production = None
        assert self.flow.response
        self._committed = self._headers_sent = True
        yield SendHttp(
            ResponseHeaders(self.stream_id, self.flow.response, end_stream=False),
            self.context.client,
        )
        while not production.ended:
            self._waiting = production
            yield FlowayPullHook(production)
            self._waiting = None
            if (yield from self.check_killed(True)):
                production.cancel()
                return
            if production.ready:
                yield SendHttp(ResponseData(self.stream_id, production.take()), self.context.client)
        if production.error is not None:
            yield from self._break(driver, production.error)
            return
        yield from super().send_response(already_streamed=True)

    def _break(self, driver: Driver, error: BaseException) -> Commands:
        message = f"the answer could not be completed: {type(error).__name__}"
        last_words = driver.cut_short(message)
        if last_words:
            yield SendHttp(ResponseData(self.stream_id, last_words), self.context.client)
        self.flow.error = mflow.Error(message)
        yield HttpErrorHook(self.flow)
        yield SendHttp(
            ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR),
            self.context.client,
        )
        self.server_state = self.client_state = self.state_errored
        self.flow.live = False
        yield layers.DropStream(self.stream_id)

    def flow_done(self) -> Commands:
        driver = self.driver
        if driver is None or not self.flow.websocket:
            yield from super().flow_done()
            return
        client, server = driver.extensions
        self.child_layer = ClosingWebsocketLayer(
            self.context, self.flow, client=client, server=server
        )
        self._handle_event = self.passthrough  # type: ignore[method-assign]
        yield from self.child_layer.handle_event(events.Start())
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)


def install(oversized_head: bytes) -> Callable[[], None]:
    """Put :class:`AttemptStream` in the place of mitmproxy's stream; the result undoes it.

    ``oversized_head`` is the raw HTTP/1.1 answer to a client whose header section does not end
    within :data:`HEAD_BYTES`; mitmproxy itself has no limit. (HTTP/2 has one in its library.)
    """
    make_stream, read_headers = HttpLayer.make_stream, Http1Server.read_headers
    fragment_size = websocket.Fragmentizer.FRAGMENT_SIZE

    def make_attempt_stream(self: HttpLayer, stream_id: int) -> Commands:
        self.streams[stream_id] = AttemptStream(self.context.fork(), stream_id)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    def read_bounded_headers(self: Http1Server, event: events.ConnectionEvent) -> Commands:
        yield from read_headers(self, event)
        if self.state == self.read_headers and len(self.buf) > HEAD_BYTES:
            self.buf.maybe_extract_at_most(len(self.buf))
            yield commands.SendData(self.conn, oversized_head)
            yield commands.CloseConnection(self.conn)
            self.state = self.done

    HttpLayer.make_stream = make_attempt_stream  # type: ignore[method-assign]
    Http1Server.read_headers = read_bounded_headers  # type: ignore[method-assign]
    websocket.Fragmentizer.FRAGMENT_SIZE = FRAME_BYTES  # a changed message leaves in one frame

    def uninstall() -> None:
        HttpLayer.make_stream = make_stream  # type: ignore[method-assign]
        Http1Server.read_headers = read_headers  # type: ignore[method-assign]
        websocket.Fragmentizer.FRAGMENT_SIZE = fragment_size

    return uninstall
