"""Stand-ins for what the glue is between: a provider that does as the test says, and its events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front import protocols
from addons.front.models import ModelEntry
from addons.front.routes import Route
from addons.front.sse import encode
from addons.providers.contract import (
    Answer,
    Commit,
    Ended,
    Forward,
    Generated,
    HeaderList,
    Hold,
    Outcome,
    Plan,
    UpstreamRequest,
    Verdict,
)

type Event = dict[str, Any]

MODEL_ROUTE = Route(None, "POST", "/v1/responses", "model", "responses", "fake")
CHAT_ROUTE = Route(None, "POST", "/v1/chat/completions", "model", "chat", "fake")
COMPACT_ROUTE = Route(None, "POST", "/v1/responses/compact", "model", "compaction", "fake")
NATIVE_ROUTE = Route(None, "POST", "/native/responses", "model", "responses", "fake", native=True)
SIDE_ROUTE = Route(None, "*", "/native/*", "passthrough", "responses", "fake", native=True)
SOCKET_ROUTE = Route(None, "GET", "/socket", "model_socket", "responses", "fake")
OTHER_SOCKET_ROUTE = Route(None, "GET", "/v1/responses", "model_socket", "responses", "fake")
MODELS_ROUTE = Route(None, "GET", "/v1/models", "models", "responses", "fake")
FORWARD_ROUTE = Route("model.test", "POST", "/v1/responses", "model", "responses", "fake")
FORWARD_SIDE_ROUTE = Route("model.test", "*", "/native/*", "passthrough", "responses", "fake")
ROUTES = [
    MODEL_ROUTE,
    CHAT_ROUTE,
    COMPACT_ROUTE,
    NATIVE_ROUTE,
    SIDE_ROUTE,
    SOCKET_ROUTE,
    OTHER_SOCKET_ROUTE,
    MODELS_ROUTE,
    FORWARD_ROUTE,
    FORWARD_SIDE_ROUTE,
]


class Mishap(Exception):
    """Something that nobody expects."""


@dataclass
class FakeProvider:
    """Implements :class:`addons.providers.contract.Provider` by the test's script.

    Attributes:
        plans: what ``plan`` gives, one after the other, the last one again and again. An exception
            is raised, a callable is awaited with the exchange.
        verdicts: the same for answers that are judged, in the place of the rule in :meth:`judge`.
        looks: called with each event in ``observe``.
        calls: the names of the methods that were called, ``after`` with its outcome.
    """

    plans: list[Any] = field(default_factory=list)
    verdicts: list[Any] = field(default_factory=list)
    explained: ClientError | Mishap | None = None
    looks: Callable[[Event], None] = lambda event: None
    frames: Callable[[bytes], bytes] = lambda text: text
    upstream: tuple[str, int] = ("127.0.0.1", 1)
    name: str = "fake"
    observed_events: frozenset[str] = frozenset({"response.created", "response.completed"})
    seen: list[Event] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    before: Exception | None = None
    afterwards: Exception | None = None
    served: Sequence[Route] = tuple(ROUTES)
    listed: Sequence[str] | Exception = ()
    idle: bool = False

    def routes(self) -> Sequence[Route]:
        return self.served

    def claims(self, model: str) -> bool:
        return model.startswith(f"{self.name}/")

    def knows(self, exchange: Exchange) -> bool:
        return exchange.header("x-official") == self.name

    async def models(self) -> Sequence[ModelEntry]:
        if isinstance(self.listed, Exception):
            raise self.listed
        return [ModelEntry(name) for name in self.listed]

    async def start(self) -> None:
        self.calls.append("start")

    async def stop(self) -> None:
        self.calls.append("stop")

    async def plan(self, exchange: Exchange) -> Plan:
        self.calls.append("plan")
        if exchange not in self.exchanges:
            self.exchanges.append(exchange)
        if not self.plans:
            return self.forward(exchange)
        step = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        if isinstance(step, BaseException):
            raise step
        plan: Plan | Awaitable[Plan] = step(exchange) if callable(step) else step
        return await plan if isinstance(plan, Awaitable) else plan

    def forward(self, exchange: Exchange, account: str = "", **changes: Any) -> Forward:
        """The client's body, to the test's upstream, for account ``a``, ``b``, … by attempt."""
        account = account or "abcdefgh"[len(exchange.attempts)]
        headers: HeaderList = [(b"Host", b""), (b"x-account", account.encode())]
        if exchange.websocket:
            headers += [
                (b"connection", b"Upgrade"),
                (b"upgrade", b"websocket"),
                (b"sec-websocket-version", b"13"),
                (b"sec-websocket-key", (exchange.header("sec-websocket-key") or "").encode()),
            ]
        elif exchange.body or exchange.method in ("POST", "PUT"):
            headers.append((b"content-length", str(len(exchange.body)).encode()))
        host, port = self.upstream
        parts = {"method": exchange.method, "path": exchange.path, "headers": headers, **changes}
        request = UpstreamRequest(
            scheme="http",
            host=host,
            port=port,
            authority=f"{host}:{port}",
            body=parts.pop("body", exchange.body),
            http2=False,
            lane=account,
            **parts,
        )
        return Forward(request, account, {"profile": "made-up"})

    def judge(self, exchange: Exchange, answer: Answer) -> Verdict:
        self.answers.append(answer)
        if self.verdicts:
            step = self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]
            if isinstance(step, BaseException):
                raise step
            verdict: Verdict = step(answer) if callable(step) else step
            return verdict
        return Commit() if answer.ended is not Ended.OPEN or answer.body else Hold()

    def explain(
        self,
        exchange: Exchange,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> ClientError | None:
        self.calls.append(f"explain {status} {body.decode()}")
        if isinstance(self.explained, Mishap):
            raise self.explained
        if exchange.route.native:
            return None
        return self.explained or ClientError(status, "explained", "The upstream refused.")

    async def before_commit(self, exchange: Exchange) -> None:
        self.calls.append("before_commit")
        if self.before is not None:
            raise self.before

    def observe(self, exchange: Exchange, event: Event) -> None:
        self.seen.append(event)
        self.looks(event)

    def restore(self, exchange: Exchange, event: Event) -> bool:
        response = event.get("response")
        if not isinstance(response, dict) or "moved" not in response:
            return False
        response["own"] = response.pop("moved")
        return True

    def client_frame(self, exchange: Exchange, text: bytes) -> bytes:
        return self.frames(text)

    def server_frame(self, exchange: Exchange, text: bytes) -> bytes:
        return self.frames(text)

    def error_frame(self, exchange: Exchange, error: ClientError) -> bytes:
        return orjson.dumps({"type": "error", "status": error.status, "code": error.code})

    async def after(self, exchange: Exchange, outcome: Outcome) -> None:
        self.calls.append(f"after {outcome}")
        if self.afterwards is not None:
            raise self.afterwards

    @property
    def ends(self) -> list[str]:
        """Outcomes that ``after`` was told."""
        return [call.removeprefix("after ") for call in self.calls if call.startswith("after")]


def exchange_of(
    provider: FakeProvider, route: Route = MODEL_ROUTE, *, stream: bool = True, **body: Any
) -> Exchange:
    """An exchange whose request has been read, as the gateway does it."""
    protocol = protocols.get(route.protocol)
    exchange = Exchange(
        "e0e0e0e0", route, provider, protocol, "local", route.method, route.path, []
    )
    if route.kind == "model":
        said = {"messages" if route.protocol == "chat" else "input": [_SAID]}
        exchange.request = {"model": "m", **said, "stream": stream, **body}
        if route.protocol == "compaction":
            del exchange.request["stream"]
        exchange.body = orjson.dumps(exchange.request)
        exchange.turn = protocol.parse(exchange.request)
        exchange.renderer = protocol.renderer(exchange.turn, exchange.request)
    return exchange


_SAID = {"role": "user", "content": "Hi"}


def answer_events(*words: str, end: str = "completed", **response: Any) -> list[Event]:
    """The events of an answer, from ``response.created`` to its end; ``end`` "" leaves that out."""
    shared = {"id": "resp_1", "object": "response", "model": "m", "created_at": 7, **response}
    text = "".join(words)
    item = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[Event] = [
        {"type": "response.created", "response": {**shared, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *({"type": "response.output_text.delta", **place, "delta": word} for word in words),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]
    if end:
        usage = {"input_tokens": 3, "output_tokens": len(words), "total_tokens": 3 + len(words)}
        last = {**shared, "status": end, "output": [item], "usage": usage}
        if end == "failed":
            last["error"] = {"code": "server_error", "message": "It broke."}
        events.append({"type": f"response.{end}", "response": last})
    for number, event in enumerate(events):
        event["sequence_number"] = number
    return events


def wire(events: Sequence[Event]) -> bytes:
    """Events as the upstream sends them."""
    return b"".join(encode(event["type"], orjson.dumps(event)) for event in events)


def events_of(
    events: Sequence[Event | Exception], closed: list[str] | None = None
) -> AsyncIterator[Event]:
    """A source of events; an exception is raised in its turn. Its end is noted in ``closed``."""

    async def source() -> AsyncIterator[Event]:
        try:
            for event in events:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            if closed is not None:
                closed.append("closed")

    return source()


def generated(*chunks: bytes | Exception, status: int = 200) -> Generated:
    """A produced answer."""

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    return Generated(status, [(b"content-type", b"text/plain")], body(), "made")
