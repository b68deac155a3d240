"""Traces of a floway that rewrites: each request as the client sent it, and each attempt upstream.

The client's exchange has ``side="client"``; what left the proxy for it has ``side="upstream"``,
``of`` its number and ``attempt`` from 1. What floway leaves alone has one side.

One addon in two places, since hooks are called in the order of the addons: ``before`` the gateway
a flow holds what has come in (the client's request, the upstream's answer), after it what goes
out. Attempts that the client does not see come as marked copies from
:mod:`addons.debug.witness`, through the same hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mitmproxy import http
from mitmproxy.addonmanager import Loader
from mitmproxy.websocket import WebSocketMessage

from addons.attempts import ExchangeDriver
from addons.debug import flow_recording
from addons.debug.capture import CaptureSettings, TraceCapture
from addons.debug.description import METADATA
from addons.driver import driver_of
from addons.exchange import Exchange
from addons.settings import Settings
from fingerprints.capture import RawAnswer, RawMessage, Recording

MAX_OPEN = 4096
"""Flows that are followed at one time; more would be a leak."""


@dataclass(slots=True)
class _Pair:
    """One client request and what has been sent for it."""

    flow: http.HTTPFlow
    client: Recording
    upstream: Recording | None = None
    refused: list[Recording] = field(default_factory=list)
    """Attempts that were not given to the client."""
    tap: flow_recording.Tap | None = None
    matched: bool = False


class SideCapture(TraceCapture):
    """Stands behind the gateway; :attr:`before` in front of it."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        super().__init__()
        self.before = Before(self)
        self._source = settings
        self._pairs: dict[str, _Pair] = {}

    def load(self, loader: Loader) -> None:
        """The options are those of floway's settings."""

    def settings(self) -> CaptureSettings:
        source = self._source()
        return CaptureSettings(
            source.capture, source.capture_match, source.capture_limit_mb, source.capture_trace
        )

    def configure(self, updated: set[str]) -> None:
        self.use(self.settings())

    # --- in front of the gateway ---

    def came(self, flow: http.HTTPFlow) -> None:
        """A client's request, as it came."""
        if self._writer is None or not flow.live or flow.is_replay:
            return
        if driver_of(flow) is not None:  # the control API's: no client of a model
            return
        if len(self._pairs) >= MAX_OPEN:
            self._pairs.pop(next(iter(self._pairs)))
        client = flow_recording.of_request(flow)
        client.side = "client"
        self._pairs[flow.id] = _Pair(flow, client)

    def body_came(self, flow: http.HTTPFlow) -> None:
        """The client's body, as it came."""
        pair = self._pairs.get(flow.id)
        if pair is not None:
            pair.client.body = flow.request.raw_content
            pair.matched = self.matches(flow)

    def answered(self, flow: http.HTTPFlow) -> None:
        """The head of an upstream's answer that goes to the client."""
        pair, exchange = self._pairs.get(flow.id), _exchange(flow)
        if pair is None or exchange is None or flow.response is None:
            return
        if exchange.committed and pair.upstream is None:
            pair.upstream = _sent(pair, flow, exchange, len(exchange.attempts))
            pair.upstream.answer = flow_recording.of_response(flow.response, [])

    def body_answered(self, flow: http.HTTPFlow) -> None:
        """An upstream's whole answer, before it is made the client's."""
        pair, response = self._pairs.get(flow.id), flow.response
        answer = pair.upstream.answer if pair is not None and pair.upstream else None
        if answer is not None and pair is not None and pair.tap is None and response is not None:
            answer.chunks = flow_recording.of_response(response).chunks

    def message_came(self, flow: http.HTTPFlow) -> None:
        """A message, as its sender sent it."""
        pair, message = self._pairs.get(flow.id), _last_message(flow)
        if pair is None or message is None:
            return
        if message.injected or message.from_client:
            pair.client.say(flow_recording.of_message(message))
        elif pair.upstream is not None:
            pair.upstream.say(flow_recording.of_message(message))

    # --- behind it ---

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self._guard(self._decided, flow)

    def _decided(self, flow: http.HTTPFlow) -> None:
        if _exchange(flow) is not None or _continued(flow):
            return
        pair = self._pairs.pop(flow.id, None)
        if pair is not None:  # left alone, or refused at the door
            self._begin(flow)

    def _tap(self, flow: http.HTTPFlow) -> None:
        pair, response = self._pairs.get(flow.id), flow.response
        if pair is None:
            super()._tap(flow)
        elif response is not None and response.stream and pair.upstream is not None:
            answer = pair.upstream.answer
            assert answer is not None
            pair.tap = response.stream = flow_recording.Tap(response.stream)
            answer.chunks = pair.tap.taken

    def _message(self, flow: http.HTTPFlow) -> None:
        pair, message = self._pairs.get(flow.id), _last_message(flow)
        if pair is None:
            super()._message(flow)
        elif message is not None and not message.dropped and not message.injected:
            sent: RawMessage = flow_recording.of_message(message)
            if not message.from_client:
                pair.client.say(sent)
            elif pair.upstream is not None:
                pair.upstream.say(sent)

    def _end(self, flow: http.HTTPFlow) -> None:
        original = _continued(flow)
        if original:
            self._refused(self._pairs.get(original), flow)
            return
        pair = self._pairs.pop(flow.id, None)
        if pair is None:
            super()._end(flow)
        elif pair.matched or self.matches(flow):
            self.keep(flow, *_both(pair))

    def _refused(self, pair: _Pair | None, copy: http.HTTPFlow) -> None:
        """An attempt whose answer is not given."""
        exchange = None if pair is None else _exchange(pair.flow)
        if pair is None or exchange is None:
            return
        recording = _sent(pair, copy, exchange, copy.metadata[METADATA]["attempt"])
        if copy.response is not None:
            recording.answer = flow_recording.of_response(copy.response)
            recording.answer.ended = "complete" if copy.error is None else "cut"
        recording.notes.append(copy.comment)
        pair.refused.append(recording)

    def _unfinished(self) -> Iterator[tuple[http.HTTPFlow, list[Recording]]]:
        yield from super()._unfinished()
        for pair in self._pairs.values():
            if pair.matched or self.matches(pair.flow):
                yield pair.flow, _both(pair, cut=True)
        self._pairs.clear()


class Before:
    """Shows a :class:`SideCapture` what the gateway has not touched."""

    name = "floway-capture-before"

    def __init__(self, capture: SideCapture) -> None:
        self._capture = capture

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self._capture._guard(self._capture.came, flow)

    def request(self, flow: http.HTTPFlow) -> None:
        self._capture._guard(self._capture.body_came, flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._capture._guard(self._capture.answered, flow)

    def response(self, flow: http.HTTPFlow) -> None:
        self._capture._guard(self._capture.body_answered, flow)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        self._capture._guard(self._capture.message_came, flow)


def _sent(pair: _Pair, flow: http.HTTPFlow, exchange: Exchange, attempt: int) -> Recording:
    """The request of an attempt, in the form in which mitmproxy puts it on the wire."""
    recording = flow_recording.of_request(flow)
    request = flow.request
    recording.id = f"{pair.client.id}/{attempt}"
    recording.side, recording.of, recording.attempt = "upstream", pair.client.id, attempt
    recording.body = request.raw_content
    recording.connection = flow.server_conn.id
    started = exchange.attempts[attempt - 1].started - exchange.started
    recording.at = pair.client.at + max(started, 0.0)
    recording.http_version, recording.headers = flow_recording.as_sent(flow)
    return recording


def _both(pair: _Pair, *, cut: bool = False) -> list[Recording]:
    """The client's exchange, and all that was sent for it."""
    flow, client, exchange = pair.flow, pair.client, _exchange(pair.flow)
    response, error = flow.response, flow.error
    driver = driver_of(flow)
    waiting = exchange is not None and len(exchange.attempts) > len(pair.refused)
    if waiting and pair.upstream is None and response is None and exchange is not None:
        pair.upstream = _sent(pair, flow, exchange, len(exchange.attempts))
    if response is not None:
        chunks = None if pair.tap is None else pair.tap.given
        client.answer = flow_recording.of_response(response, chunks)
        if driver is not None and driver.production is not None:
            client.notes.append("the answer was made by floway while it was sent; not kept")
    for recording in (client, pair.upstream):
        answer: RawAnswer | None = None if recording is None else recording.answer
        if answer is None:
            continue
        if flow.websocket is not None and not cut:
            flow_recording.closed(answer, flow.websocket)
        elif error is not None or cut:
            answer.ended = "cut"
    if error is not None:
        client.notes.append(f"broke off: {error.msg}")
    if pair.tap is not None and pair.tap.full:
        client.notes.append("the answer was too large to be kept whole")
    upstream = [] if pair.upstream is None else [pair.upstream]
    return [client, *pair.refused, *upstream]


def _exchange(flow: http.HTTPFlow) -> Exchange | None:
    driver = driver_of(flow)
    return driver.exchange if isinstance(driver, ExchangeDriver) else None


def _continued(flow: http.HTTPFlow) -> str:
    """Of a copy that shows a failed attempt: the id of the flow that went on; else ""."""
    described = flow.metadata.get(METADATA)
    return described.get("continued_in", "") if isinstance(described, dict) else ""


def _last_message(flow: http.HTTPFlow) -> WebSocketMessage | None:
    messages = flow.websocket.messages if flow.websocket is not None else []
    return messages[-1] if messages else None
