"""The one place that knows mitmproxy's HTTP layer: attempts before commit, and produced bodies.

mitmproxy can neither send a request again before the client has seen anything, nor stream a body
that an addon makes. Both are a matter of one :class:`~mitmproxy.proxy.layers.http.HttpStream`
subclass, which :func:`install` puts in the place of the original. A flow without a
:class:`Driver` behaves as in mitmproxy.

Facts that the code rests on (mitmproxy 12.2.3; ``tests/stream`` is the contract test):

- a hook has exactly one argument, or its layer waits for ever;
- events that arrive while a hook runs, or a connection is opened, are queued in the layer, a
  client's departure among them; only ``handle_event`` sees them at once;
- the HTTP layer finds the stream of an event by its stream id, and ignores events with an id that
  it does not know. Each attempt has an id of its own (see ``sending.py``), so nothing that
  belongs to one attempt can reach the next;
- a timer's event travels through all layers that its command went through: in a CONNECT tunnel
  through the stream of the CONNECT as well;
- upstream connections are reused when their *addresses are equal*, which
  :class:`~addons.driver.Origin` uses to keep accounts, and WebSocket upgrades (no HTTP/2), on
  connections of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

from mitmproxy import flow as mflow
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers import websocket
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    Http1Server,
    HttpEvent,
    HttpLayer,
    HTTPMode,
    HttpStream,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
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
from addons.sending import Sending, forgive, opening_connection, unsent_bytes
from addons.tunnel import FRAME_BYTES, ClosingWebsocketLayer

TICK = 5.0
"""Most seconds between looks at a waiting attempt's deadline."""

HEAD_BYTES = 256 * 1024
"""Limit of an HTTP/1 request head."""

DISCARD_BYTES = 16 * HEAD_BYTES
"""What is read and thrown away of an endless head, so that the client comes to read its answer."""

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
        self._sending: Sending | None = None
        self._opening: layers.GetHttpConnection | None = None
        self._waiting: Replan | Production | None = None
        self._deadline = 0.0
        self._timers: dict[commands.RequestWakeup, float] = {}
        self._method = ""

    @property
    def driver(self) -> Driver | None:
        flow = getattr(self, "flow", None)
        return None if flow is None else driver_of(flow)

    @cached_property
    def _http(self) -> HttpLayer:
        parent = self.context.layers[self.context.layers.index(self) - 1]
        assert isinstance(parent, HttpLayer)
        return parent

    # --- events in, commands out ---------------------------------------------------------------

    def handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, HttpEvent) and event.stream_id < 0:
            if self._sending is None or not self._sending.takes(event):
                return
            event.stream_id = self.stream_id
        elif isinstance(event, RequestProtocolError):
            self._client_left()
        elif isinstance(event, events.Wakeup) and event.command in self._timers:
            del self._timers[event.command]
            if not (yield from self._is_due()):
                return
        yield from self._addressed(super().handle_event(event))

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup):
            yield from self._is_late()
        else:
            yield from super()._handle_event(event)

    def _addressed(self, outgoing: Commands) -> Commands:
        """Put the sending's own id on what goes to the upstream."""
        for command in outgoing:
            if isinstance(command, SendHttp) and self.driver is not None:
                if command.connection is self.context.client:
                    if isinstance(command.event, ResponseTrailers) and not self._client_http2:
                        continue  # mitmproxy's HTTP/1 server fails at them
                elif self._sending is None:
                    continue  # a cancellation of what has been given up already
                else:
                    command.event.stream_id = self._sending.id
            elif isinstance(command, layers.DropStream) and self._sending is not None:
                self._sending.forget()
            yield command

    @property
    def _client_http2(self) -> bool:
        return self.context.client.alpn == b"h2"

    def _client_left(self) -> None:
        """The layer only queues this while a hook runs; the work for that client ends now."""
        if isinstance(self._waiting, Production):
            self._waiting.cancel()
        elif self._waiting is not None and self._waiting.left is not None:
            self._waiting.left()

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        killed = yield from super().check_killed(emit_error_hook)
        driver = self.driver
        if killed and driver is not None:
            yield from self._abandon()
            if driver.production is not None:
                driver.production.cancel()
            yield layers.DropStream(self.stream_id)
        return killed

    # --- the request -------------------------------------------------------------------------

    def state_wait_for_request_headers(self, event: HttpEvent) -> Commands:
        # Only here can a base-URL request be told from a forward-proxied one: mitmproxy then
        # takes the destination from the Host header and forgets that there was none.
        assert isinstance(event, RequestHeaders)
        origin_form = self.mode is HTTPMode.regular and not event.request.host
        self._method = event.request.method
        generator = super().state_wait_for_request_headers(event)
        reply = None
        while True:
            try:
                command = generator.send(reply)
            except StopIteration:
                return
            hook = isinstance(command, HttpRequestHeadersHook)
            if hook and origin_form:
                mark_origin_form(self.flow)
            reply = yield command
            if hook and (yield from self._announced()):
                return

    def _announced(self) -> layer.CommandGenerator[bool]:
        """Whether the announced body is too large; refused before ``100 Continue`` then."""
        driver = self.driver
        announced = self.flow.request.headers.get("content-length", "")
        if driver is None or not announced.isdecimal():
            return False
        if int(announced) <= driver.max_request_bytes:
            return False
        yield from self._refuse_body(driver)
        return True

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        driver = self.driver
        if not request or driver is None:
            return (yield from super().check_body_size(request))
        if len(self.request_body_buf) <= driver.max_request_bytes:
            return False
        self.request_body_buf.clear()
        yield from self._refuse_body(driver)
        return True

    def _refuse_body(self, driver: Driver) -> Commands:
        driver.refuse_body()
        response = self.flow.response
        assert response
        self._committed = True
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        if not self._client_http2:
            # The rest of the body is read and thrown away; then the connection ends.
            response.headers["connection"] = "close"
        yield HttpResponseHeadersHook(self.flow)
        yield HttpResponseHook(self.flow)
        client = self.context.client
        yield SendHttp(ResponseHeaders(self.stream_id, response, end_stream=False), client)
        if response.raw_content:
            yield SendHttp(ResponseData(self.stream_id, response.raw_content), client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), client)
        if not self._client_http2:
            yield commands.CloseTcpConnection(client, half_close=True)
        yield layers.DropStream(self.stream_id)

    # --- sending -----------------------------------------------------------------------------

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        driver = self.driver
        if driver is None:
            return (yield from super().make_server_connection())
        error = yield from self._connect(driver)
        if (yield from self.check_killed(True)):
            return False
        if error:
            yield from self.handle_protocol_error(
                ResponseProtocolError(self.stream_id, error, ErrorCode.CONNECT_FAILED)
            )
        return not error

    def _connect(self, driver: Driver) -> layer.CommandGenerator[str]:
        """Get a connection for the next sending; the result says what went wrong, if anything."""
        request, server = self.flow.request, self.flow.server_conn
        origin = Origin(request.host, request.port, driver.lane, http2=driver.http2)
        opening = self._opening = layers.GetHttpConnection(
            origin, request.scheme == "https", server.via, server.transport_protocol
        )
        yield from self._arm(driver.header_seconds)
        connection, error = yield opening
        late, self._opening = self._opening is None, None
        if error:
            forgive(self._http, opening)
            return f"no connection within {driver.header_seconds:g} s" if late else str(error)
        self.context.server = self.flow.server_conn = connection
        self._sending = Sending(self._http, self, connection)
        yield from self._arm(driver.header_seconds)
        return ""

    def _abandon(self) -> Commands:
        """Give the current sending up: the upstream is told to stop (HTTP/2: a reset, HTTP/1: the
        connection is closed) if it has not ended, and what still comes is ignored."""
        sending = self._sending
        if sending is None:
            return
        if not sending.ended and not sending.unqueue():
            cancel = RequestProtocolError(self.stream_id, "given up", ErrorCode.CANCEL)
            yield SendHttp(cancel, sending.connection)
        sending.forget()
        self._sending = None

    # --- the answer, before commit -----------------------------------------------------------

    def state_wait_for_response_headers(self, event: HttpEvent) -> Commands:
        driver = self.driver
        assert isinstance(event, ResponseHeaders)
        if driver is None:
            yield from super().state_wait_for_response_headers(event)
            return
        if self.context.options.validate_inbound_headers:
            try:
                validate_headers(event.response)
            except ValueError as error:
                assert self._sending is not None
                self._sending.ended = False  # whatever it seems to be: this connection is done
                yield from self._broken(f"invalid response headers: {error}")
                return
        self.flow.response = event.response
        self.server_state = self.state_hold_response
        yield from self._settle(Ended.COMPLETE if event.end_stream else Ended.OPEN)
        if self.server_state == self.state_hold_response:
            yield from self._arm(driver.hold_seconds)

    def state_hold_response(self, event: HttpEvent) -> Commands:
        """The answer's bytes are kept until there is a verdict."""
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
        step = driver.judge(ended, self._body(), error)
        if step is Step.HOLD and ended is Ended.OPEN:
            return
        if step is Step.REPLAN or self.flow.response is None:
            yield from self._replan(driver, ended, error)
        else:
            yield from self._commit(ended, error)

    def _broken(self, message: str) -> Commands:
        """The attempt has failed and there is no answer of it that counts."""
        yield from self._abandon()
        self.flow.response = None
        yield from self._settle(Ended.BROKEN, message)

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
        for event in _joined(held):
            yield from self.server_state(event)
        if ended is Ended.BROKEN:
            yield from self.handle_protocol_error(
                ResponseProtocolError(self.stream_id, error, ErrorCode.GENERIC_SERVER_ERROR)
            )

    def _replan(self, driver: Driver, ended: Ended, error: str) -> Commands:
        """Give the answer up; then do what the driver says, until something is sent or given."""
        body = b"".join(self._body()) or bytes(self.response_body_buf)
        self._held, self._held_bytes, self._committed = [], 0, False
        self.response_body_buf.clear()
        self.server_state = self.state_errored
        yield from self._abandon()
        while True:
            replan = self._waiting = Replan(self.flow, driver, body, ended, error)
            yield FlowayReplanHook(replan)
            self._waiting = None
            if (yield from self.check_killed(True)):
                return
            self.flow.error = None
            if self.flow.response is not None:
                yield from self._give_response()
                return
            error = yield from self._connect(driver)
            if (yield from self.check_killed(True)):
                return
            if not error:
                break
            ended, body = Ended.BROKEN, b""
            driver.judge(ended, [], error)  # without an answer there is nothing to commit
        self.server_state = self.state_wait_for_response_headers
        request, server = self.flow.request, self.context.server
        content, trailers = request.raw_content, request.trailers
        headers_only = not (content or trailers)
        yield SendHttp(RequestHeaders(self.stream_id, request, headers_only), server)
        if content:
            yield SendHttp(RequestData(self.stream_id, content), server)
        if trailers:
            yield SendHttp(RequestTrailers(self.stream_id, trailers), server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), server)

    def _give_response(self) -> Commands:
        """Send ``flow.response``, which the driver has set, as mitmproxy does for addons."""
        assert self.flow.response
        self._committed = True
        self.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        yield from self.send_response()

    # --- time --------------------------------------------------------------------------------

    def _arm(self, seconds: float) -> Commands:
        """The wait that begins now may last this long."""
        self._deadline = time.monotonic() + seconds
        yield from self._wake()

    def _wake(self) -> Commands:
        """Have a timer that fires at the deadline, or at the next tick if that is earlier."""
        now = time.monotonic()
        at = min(self._deadline, now + TICK)
        if all(other > at + 0.01 for other in self._timers.values()):
            timer = commands.RequestWakeup(max(at - now, 0.0))
            self._timers[timer] = at
            yield timer

    def _is_due(self) -> layer.CommandGenerator[bool]:
        """A timer has fired: whether an answer is late that nothing but time can end."""
        driver = self.driver
        states = (self.state_wait_for_response_headers, self.state_hold_response)
        opening = self._opening
        if driver is None or self._committed or not (opening or self.server_state in states):
            return False
        if time.monotonic() < self._deadline:
            yield from self._wake()
            return False
        if opening is None:
            return self._paused is None  # a hook that runs now decides what is waited for next
        connection = opening_connection(self._http, opening)
        if connection is None:
            yield from self._arm(driver.header_seconds)
        else:
            self._opening = None
            yield commands.CloseConnection(connection)
        return False

    def _is_late(self) -> Commands:
        driver = self.driver
        assert driver is not None
        if self.server_state == self.state_hold_response:
            yield from self._settle(Ended.WAITED)
        elif self._sending is not None and self._sending.queued:
            yield from self._arm(driver.header_seconds)
        else:
            yield from self._broken(f"no response headers within {driver.header_seconds:g} s")

    # --- endings -----------------------------------------------------------------------------

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> Commands:
        driver = self.driver
        if driver is None:
            yield from super().handle_protocol_error(event)
            return
        if isinstance(event, RequestProtocolError):
            yield from self._abandon()
        elif self.server_state not in (self.state_done, self.state_errored):
            if not self._headers_sent and self.client_state == self.state_done:
                if (yield from self.check_killed(True)):
                    return  # a connection that ends with its client says nothing of the upstream
                if self._committed:  # an answer that is collected whole
                    yield from self._replan(driver, Ended.BROKEN, event.message)
                elif self.server_state == self.state_hold_response:
                    yield from self._settle(Ended.BROKEN, event.message)
                else:
                    yield from self._broken(event.message)
                return
            if self._headers_sent:
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
        if self._method == "HEAD":
            production.cancel()
            yield from super().send_response()
            return
        assert self.flow.response
        self._committed = self._headers_sent = True
        production.unsent = lambda: unsent_bytes(self._http, self.stream_id)
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

    def _break(self, driver: Driver, error: Exception) -> Commands:
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


def _joined(held: list[HttpEvent]) -> list[HttpEvent]:
    """Held events with their data in one piece: one write to the client instead of many."""
    data = [event for event in held if isinstance(event, ResponseData)]
    if len(data) < 2:
        return held
    first = ResponseData(data[0].stream_id, b"".join([event.data for event in data]))
    return [first, *(event for event in held if not isinstance(event, ResponseData))]


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
            yield commands.SendData(self.conn, oversized_head)
            yield commands.CloseTcpConnection(self.conn, half_close=True)
            self.state = partial(_discard, self, [0])

    HttpLayer.make_stream = make_attempt_stream  # type: ignore[method-assign]
    Http1Server.read_headers = read_bounded_headers  # type: ignore[method-assign]
    websocket.Fragmentizer.FRAGMENT_SIZE = FRAME_BYTES  # a changed message leaves in one frame

    def uninstall() -> None:
        HttpLayer.make_stream = make_stream  # type: ignore[method-assign]
        Http1Server.read_headers = read_headers  # type: ignore[method-assign]
        websocket.Fragmentizer.FRAGMENT_SIZE = fragment_size

    return uninstall


def _discard(side: Http1Server, size: list[int], event: events.Event) -> Commands:
    """Read on for a while: closed with unread bytes, TCP would throw away our answer as well."""
    size[0] += len(side.buf)
    side.buf.maybe_extract_at_most(len(side.buf))
    if size[0] > DISCARD_BYTES or isinstance(event, events.ConnectionClosed):
        yield commands.CloseConnection(side.conn)
