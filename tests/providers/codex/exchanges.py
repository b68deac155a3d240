"""Exchanges with a Codex provider, as the gateway would lead them, and what goes upstream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from addons.accounts.model import Account
from addons.exchange import Attempt, Exchange
from addons.front import protocols
from addons.front.bodies import decode
from addons.front.earlier import EarlierBodies
from addons.front.routes import RouteTable
from addons.providers.codex import roster
from addons.providers.codex.models import ModelList
from addons.providers.codex.provider import CodexProvider
from addons.providers.codex.upstream import Upstream
from addons.providers.contract import (
    Answer,
    Ended,
    Forward,
    Generated,
    Outcome,
    Refuse,
    UpstreamRequest,
    Verdict,
)
from addons.settings import Settings
from addons.store.contract import Store
from fingerprints.check import Difference, Observed, check_frame, check_request
from fingerprints.library import load

RELEASES = ("codex@0.169.0", "codex@0.142.0")
FULL, LITE = "gpt-5.5", "gpt-5.6-terra"
RESPONSES = "/backend-api/codex/responses"
SAID = {"role": "user", "content": "Hi"}
MODELS = {
    "models": [
        {"slug": FULL, "display_name": "Full", "use_responses_lite": False, "visibility": "list"},
        {"slug": LITE, "display_name": "Lite", "use_responses_lite": True, "visibility": "list"},
        {"slug": "hidden", "visibility": "hide"},
    ]
}


class Clock:
    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def sign_in(label: str, token: str = "") -> dict[str, Any]:
    """An ``auth.json``."""
    number = sum(label.encode()) % 1000
    account = f"{number:08d}-0000-4000-8000-000000000000"
    return {"tokens": {"access_token": token or f"token-of-{label}", "account_id": account}}


def accounts(*labels: str) -> list[Account]:
    return roster.made_up([(label, sign_in(label)) for label in labels])


def key_accounts(*labels: str) -> list[Account]:
    return roster.made_up([(label, {"OPENAI_API_KEY": f"sk-key-of-{label}"}) for label in labels])


@dataclass
class Side:
    """A provider, and what its clients do.

    Attributes:
        url: of an upstream that serves the model list; the requests themselves go nowhere.
        earlier: bodies that its clients sent before, where those are kept.
    """

    url: str = "http://127.0.0.1:9"
    profile: str = ""
    store: Store | None = None
    clock: Clock = field(default_factory=Clock)
    own: list[Account] = field(default_factory=lambda: accounts("ada", "ben"))
    forward_hosts: Sequence[str] = ()
    earlier: EarlierBodies | None = None

    def __post_init__(self) -> None:
        settings = Settings(profile=self.profile, forward_hosts=list(self.forward_hosts))
        self.provider = CodexProvider(
            settings, self.store, Upstream.parse(self.url), self.own, clock=self.clock
        )
        self.routes = RouteTable(list(self.provider.routes()))

    def with_models(self) -> Side:
        """The upstream's list is known."""
        self.provider._catalogue._list = ModelList().fetched(MODELS, "e", self.clock())
        return self

    def exchange(
        self,
        path: str = "/v1/responses",
        body: bytes | dict[str, Any] | None = None,
        *,
        method: str = "POST",
        host: str | None = None,
        upgrade: bool = False,
        principal: str = "local",
        headers: Sequence[tuple[str, str]] = (),
    ) -> Exchange:
        """A client's request, routed and read."""
        route = self.routes.match(host, method, path, upgrade=upgrade)
        assert route is not None, path
        if body is None and route.kind == "model":
            body = {"model": FULL, "input": [SAID], "stream": True}
        raw = json.dumps(body).encode() if isinstance(body, dict) else body or b""
        exchange = Exchange(
            "e1e1e1e1",
            route,
            self.provider,
            protocols.get(route.protocol),
            principal,
            method,
            path,
            [(name.encode(), value.encode()) for name, value in headers],
            earlier=self.earlier,
        )
        exchange.read(raw, exchange.header("content-encoding"), limit=1 << 26)
        return exchange

    def socket(self, *headers: tuple[str, str], path: str = "/v1/responses") -> Exchange:
        """A WebSocket handshake."""
        own = [("sec-websocket-key", "kJKYjFSFJAcFy82rHKATUg=="), *headers]
        return self.exchange(path, method="GET", upgrade=True, headers=own)

    async def sent(self, exchange: Exchange) -> UpstreamRequest:
        """Plan the next attempt; it must be one that goes upstream."""
        plan = await self.provider.plan(exchange)
        assert isinstance(plan, Forward), plan
        exchange.attempts.append(Attempt(plan.account))
        exchange.summary |= plan.summary
        return plan.request

    async def refused(self, exchange: Exchange) -> Refuse:
        plan = await self.provider.plan(exchange)
        assert isinstance(plan, Refuse), plan
        return plan

    async def generated(self, exchange: Exchange) -> tuple[Generated, Any]:
        """A produced answer, and its body as JSON."""
        plan = await self.provider.plan(exchange)
        assert isinstance(plan, Generated), plan
        return plan, json.loads(b"".join([chunk async for chunk in plan.body]))

    def answered(
        self,
        exchange: Exchange,
        status: int | None = 200,
        body: bytes | dict[str, Any] = b"",
        headers: Sequence[tuple[str, str]] = (),
        ended: Ended = Ended.COMPLETE,
    ) -> Verdict:
        """The upstream answers the last attempt; the verdict on it."""
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        pairs = [(name.encode(), value.encode()) for name, value in headers]
        error = "reset" if status is None else ""
        verdict = self.provider.judge(exchange, Answer(status, pairs, raw, ended, error))
        exchange.attempts[-1].status, exchange.attempts[-1].verdict = status, verdict
        return verdict

    async def over(self, exchange: Exchange, outcome: Outcome = Outcome.COMPLETED) -> None:
        exchange.outcome = outcome
        await self.provider.after(exchange, outcome)

    async def served_by(self, exchange: Exchange) -> str:
        """Label of the account that an exchange which goes well has."""
        await self.sent(exchange)
        self.answered(exchange, 200, OUTPUT)
        await self.over(exchange)
        return exchange.attempts[-1].account


OUTPUT = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta"}\n\n'
LIMIT: dict[str, Any] = {"error": {"type": "usage_limit_reached", "resets_in_seconds": 600}}


def header(request: UpstreamRequest, name: str) -> str | None:
    found = [value for key, value in request.headers if key.lower() == name.encode()]
    assert len(found) <= 1, f"{name} is there {len(found)} times"
    return found[0].decode() if found else None


def body_of(request: UpstreamRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(decode(request.body, header(request, "content-encoding")))
    return found


def everything(request: UpstreamRequest) -> str:
    """All that is sent, as one text."""
    lines = [request.path, *(f"{k.decode()}: {v.decode('latin-1')}" for k, v in request.headers)]
    raw = decode(request.body, header(request, "content-encoding"))
    return "\n".join([*lines, raw.decode("utf-8", "replace")])


def differences(profile: str, request: UpstreamRequest, **known: Any) -> list[Difference]:
    """From what the release would send; the authority aside, which is the test's own."""
    headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers]
    observed = Observed(request.method, request.path, headers, request.body, "HTTP/1.1")
    return check_request(load(profile), observed, **known)


def frame_differences(profile: str, text: bytes, **known: Any) -> list[Difference]:
    return check_frame(load(profile), text, **known)


async def produced(body: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in body])
