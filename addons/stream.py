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
- a timer cannot be stopped, and its event travels through all layers that its command went
  through: in a CONNECT tunnel through the stream of the CONNECT as well (see ``deadlines.py``);
- upstream connections are reused when their *addresses are equal*, which
  :class:`~addons.driver.Origin` uses to keep accounts, and WebSocket upgrades (no HTTP/2), on
  connections of their own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from mitmproxy import flow as mflow
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers import websocket
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    Http1Client,
    Http1Server,
    HttpEvent,
    HttpLayer,
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
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHeadersHook

from addons.deadlines import Clock, Deadline, Tick
from addons.driver import Driver, Origin, Replan, Step
from addons.intake import IntakeStream, bounded
from addons.production import Production
from addons.providers.contract import Ended
from addons.sending import (
    Held,
    Sending,
    forget_dead,
    joined,
    opening_connection,
    unsent_bytes,
)
from addons.tunnel import FRAME_BYTES, ClosingWebsocketLayer

type Commands = layer.CommandGenerator[None]


@dataclass
class FlowayReplanHook(commands.StartHook):
    """An attempt was refused; the gateway plans what comes next."""

    replan: Replan


@dataclass
class FlowayPullHook(commands.StartHook):
    """The next chunks of a produced body."""

    production: Production


class AttemptStream(IntakeStream):
    """An HTTP exchange that may be sent more than once, or answered by a produced body."""

    def __init__(self, context: Context, stream_id: int) -> None:
        super().__init__(context, stream_id)
        self._held = Held()
        self._committed = False
        self._headers_sent = False
        self._sending: Sending | None = None
        self._opening: layers.GetHttpConnection | None = None
        self._waiting: Replan | Production | None = None
        self._relaying: Callable[[HttpEvent], Commands] | None = None
        """``server_state`` while data may take the short way."""
        self._chunked = False

    @cached_property
    def _http(self) -> HttpLayer:
        parent = self.context.layers[self.context.layers.index(self) - 1]
        assert isinstance(parent, HttpLayer)
        return parent

    @cached_property
    def _deadline(self) -> Deadline:
        return Deadline(Clock.of(self._http))

    # --- events in, commands out ---------------------------------------------------------------

    def handle_event(self, event: events.Event) -> Commands:
        if self.server_state is self._relaying and type(event) is ResponseData and not self._paused:
            yield from self._relay(event)
            return
        if isinstance(event, HttpEvent) and event.stream_id < 0:
            if self._sending is None or not self._sending.takes(event):
                return
            event.stream_id = self.stream_id
        elif isinstance(event, RequestProtocolError):
            self._client_left()
        elif isinstance(event, Tick):
            late = yield from self._is_late()
            if not late:
                return
        for command in super().handle_event(event):
            if isinstance(command, SendHttp):
                if not self._address(command):
                    continue
            elif isinstance(command, layers.DropStream):
                for cancellation in self._abandon():
                    if not isinstance(cancellation, SendHttp) or self._address(cancellation):
                        yield cancellation
                self._deadline.forget(self)
                asyncio.get_running_loop().call_soon(self._let_go)  # there are last words to say
            yield command

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, Tick):
            yield from self._end_wait()
        else:
            yield from super()._handle_event(event)

    def _address(self, command: SendHttp) -> bool:
        """Put the sending's own id on what goes to the upstream; False: it must not be sent."""
        if self.driver is None:
            return True
        if command.connection is self.context.client:
            # mitmproxy's HTTP/1 server fails at trailers.
            return self.client_http2 or not isinstance(command.event, ResponseTrailers)
        if self._sending is None:
            return False  # a cancellation of what has been given up already
        command.event.stream_id = self._sending.id
        return True

    def _let_go(self) -> None:
        """Unmake the circles that a stream is part of, so that the flow and its bodies go at once
        and do not wait for the garbage collector."""
        self.context.layers.clear()
        self.client_state = self.server_state = _over
        self._relaying = None

    def _client_left(self) -> None:
        """The layer only queues this while a hook runs; the work for that client ends now."""
        if isinstance(self._waiting, Production):
            self._waiting.cancel()
        elif self.driver is not None:
            self.driver.leave()

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        killed = yield from super().check_killed(emit_error_hook)
        driver = self.driver
        if killed and driver is not None:
            if driver.production is not None:
                driver.production.cancel()
            yield layers.DropStream(self.stream_id)
        return killed

    # --- a committed answer ------------------------------------------------------------------

    def start_response_stream(self) -> Commands:
        """As mitmproxy does, but without a line in the log for each answer."""
        if self.driver is None:
            yield from super().start_response_stream()
            return
        response, client = self.flow.response, self.context.client
        assert response
        yield SendHttp(ResponseHeaders(self.stream_id, response, end_stream=False), client)
        self.server_state = self.state_stream_response_body
        if not self.context.options.store_streamed_bodies and not self.debug:
            self._relaying = self.server_state
            coding = response.headers.get("transfer-encoding", "").lower()
            self._chunked = not self.client_http2 and "chunked" in coding

    def _relay(self, event: ResponseData) -> Commands:
        """What ``state_stream_response_body`` and ``Http1Server`` do with data, on a short way:
        in a long stream of small events the way costs more than all else."""
        sending, response, client = self._sending, self.flow.response, self.context.client
        assert response
        if sending is None or not sending.takes(event):
            return
        chunks = response.stream(event.data) if callable(response.stream) else [event.data]
        for chunk in [chunks] if isinstance(chunks, bytes) else chunks:
            if self._chunked:
                yield commands.SendData(client, b"%x\r\n%b\r\n" % (len(chunk), chunk))
            else:
                yield SendHttp(ResponseData(self.stream_id, chunk), client)

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
        forget_dead(self._http)
        yield from self._deadline.start(self, driver.header_seconds)
        connection, error = yield opening
        late, self._opening = self._opening is None, None
        if error:
            return f"no connection within {driver.header_seconds:g} s" if late else str(error)
        self.context.server = self.flow.server_conn = connection
        self._sending = Sending(self._http, self, connection)
        yield from self._deadline.start(self, driver.header_seconds)
        return ""

    def _abandon(self) -> Commands:
        """Be done with the current sending: what still comes for it is ignored.

        If it has not ended, the upstream is told (HTTP/2: a reset, HTTP/1: a closed connection).
        """
        sending = self._sending
        if sending is None:
            return
        if sending.cancels():
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
            yield from self._deadline.start(self, driver.hold_seconds)

    def state_hold_response(self, event: HttpEvent) -> Commands:
        """The answer's bytes are kept until there is a verdict."""
        self._held.add(event)
        if isinstance(event, ResponseEndOfMessage):
            yield from self._settle(Ended.COMPLETE)
        elif isinstance(event, ResponseData):
            driver = self.driver
            full = driver is not None and self._held.size >= driver.hold_bytes
            yield from self._settle(Ended.WAITED if full else Ended.OPEN)

    def _settle(self, ended: Ended, error: str = "") -> Commands:
        driver = self.driver
        assert driver is not None
        step = driver.judge(ended, self._held.body(), error)
        if step is Step.HOLD and ended is Ended.OPEN:
            return
        if step is Step.REPLAN or self.flow.response is None:
            yield from self._replan(driver, ended, error)
        else:
            yield from self._commit(ended, error)

    def _broken(self, message: str) -> Commands:
        """The attempt has failed and there is no answer of it that counts."""
        self.flow.response = None
        yield from self._settle(Ended.BROKEN, message)

    def _commit(self, ended: Ended, error: str) -> Commands:
        self._committed = True
        held = self._held.release()
        assert self.flow.response
        yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        if self.flow.response.stream:
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
        """Give the answer up; then do what the driver says, until something is sent or given."""
        body = b"".join(self._held.body()) or bytes(self.response_body_buf)
        self._held, self._committed = Held(), False
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

    def _is_late(self) -> layer.CommandGenerator[bool]:
        """A timer has fired: whether something is late that only :meth:`_end_wait` can end."""
        driver = self.driver
        states = (self.state_wait_for_response_headers, self.state_hold_response)
        opening, sending = self._opening, self._sending
        if driver is None or self._committed or not (opening or self.server_state in states):
            return False
        if not self._deadline.over and not (sending is not None and sending.stranded):
            yield from self._deadline.wake(self)
            return False
        if opening is None:
            return self._paused is None  # a hook that runs now decides what is waited for next
        connection = opening_connection(self._http, opening)
        if connection is None:
            yield from self._deadline.start(self, driver.header_seconds)
        else:
            self._opening = None
            yield commands.CloseConnection(connection)
        return False

    def _end_wait(self) -> Commands:
        driver, sending = self.driver, self._sending
        assert driver is not None
        if self.server_state == self.state_hold_response:
            yield from self._settle(Ended.WAITED)
        elif sending is not None and sending.stranded:
            yield from self._broken("the connection was lost")
        elif sending is not None and sending.queued:
            yield from self._deadline.start(self, driver.header_seconds)
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
            if driver is not None and self.client_http2:
                yield from self._end_before_request()
            return
        driver.production = None
        if self.client_method == "HEAD":
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
        kept: list[bytes] | None = [] if self.context.options.store_streamed_bodies else None
        while not production.ended:
            self._waiting = production
            yield FlowayPullHook(production)
            self._waiting = None
            if (yield from self.check_killed(True)):
                production.cancel()
                return
            if production.ready:
                data = production.take()
                if kept is not None:
                    kept.append(data)
                yield SendHttp(ResponseData(self.stream_id, data), self.context.client)
        if kept is not None:
            self.flow.response.data.content = b"".join(kept)
        if production.error is not None:
            yield from self._break(driver, production.error)
            return
        yield from super().send_response(already_streamed=True)

    def _end_before_request(self) -> Commands:
        """The answer is over, and the request goes on: over HTTP/2 the client may be told at once.

        mitmproxy waits for the request's end, which a client of a two-way stream puts off until
        the answer has ended. What still comes of the request is ignored.
        """
        going_on = self.client_state == self.state_stream_request_body
        if going_on and self.server_state == self.state_done:
            if self._sending is not None:
                self._sending.ended = False  # half a request: this connection is done
            self.client_state = self.state_done
            yield from self.flow_done()

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


def _over(_: HttpEvent) -> Commands:
    """The state of a stream that nobody knows any more."""
    yield from ()


def install(oversized_head: bytes) -> Callable[[], None]:
    """Put :class:`AttemptStream` in the place of mitmproxy's stream; the result undoes it.

    ``oversized_head``: raw HTTP/1.1 answer to a client whose header section does not end (see
    ``intake.py``).
    """
    make_stream, read_headers = HttpLayer.make_stream, Http1Server.read_headers
    read_body = Http1Client.read_body
    fragment_size = websocket.Fragmentizer.FRAGMENT_SIZE

    def make_attempt_stream(self: HttpLayer, stream_id: int) -> Commands:
        self.streams[stream_id] = AttemptStream(self.context.fork(), stream_id)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    HttpLayer.make_stream = make_attempt_stream  # type: ignore[method-assign]
    Http1Server.read_headers = bounded(read_headers, oversized_head)  # type: ignore[assignment, method-assign]
    Http1Client.read_body = joined(read_body)  # type: ignore[assignment, method-assign]
    websocket.Fragmentizer.FRAGMENT_SIZE = FRAME_BYTES  # a changed message leaves in one frame

    def uninstall() -> None:
        HttpLayer.make_stream = make_stream  # type: ignore[method-assign]
        Http1Server.read_headers = read_headers  # type: ignore[method-assign]
        Http1Client.read_body = read_body  # type: ignore[method-assign]
        websocket.Fragmentizer.FRAGMENT_SIZE = fragment_size

    return uninstall
