"""A driver of one exchange, and what the stream would do with it."""

from __future__ import annotations

import json
from typing import Any

from mitmproxy import http
from mitmproxy.test import tflow

from addons.attempts import ExchangeDriver
from addons.driver import Replan, Step
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.routes import Route
from addons.providers.contract import Ended, NextAccount
from addons.settings import Settings
from tests.fakes import MODEL_ROUTE, FakeProvider, Mishap, exchange_of

BUSY = ClientError(429, "usage_limit_reached", "The limit is reached.", retry_after=60)
NEXT = NextAccount("limit", 60.0, BUSY)


class Case:
    """A driver whose client has sent its request, and what the stream would do with it."""

    def __init__(
        self,
        *plans: Any,
        verdicts: list[Any] | None = None,
        route: Route = MODEL_ROUTE,
        stream: bool = True,
        http2: bool = False,
        provider: FakeProvider | None = None,
        **settings: Any,
    ) -> None:
        self.provider = provider or FakeProvider()
        self.provider.plans, self.provider.verdicts = list(plans), verdicts or []
        whole = exchange_of(self.provider, route, stream=stream)
        self.exchange: Exchange = exchange_of(self.provider, route)
        self.exchange.turn = self.exchange.renderer = None
        self.exchange.body, self.exchange.request = b"", {}
        self.flow = tflow.tflow()
        self.flow.request = self.client = http.Request.make(
            route.method,
            "http://floway.test" + route.path,
            whole.body,
            {"authorization": "Bearer client-key", "cookie": "own=1"},
        )
        if http2:
            self.client.http_version = "HTTP/2.0"
        self.witnessed: list[tuple[int, str]] = []
        self.witness_fails = False
        self.driver = ExchangeDriver(self.flow, self.exchange, Settings(**settings), self._witness)

    async def _witness(self, flow: http.HTTPFlow, replan: Replan, exchange: Exchange) -> None:
        self.witnessed.append((len(exchange.attempts), exchange.attempts[-1].reason))
        if self.witness_fails:
            raise Mishap("no one is watching")

    def answered(
        self,
        status: int | None = 429,
        body: bytes = b"no",
        *,
        ended: Ended = Ended.COMPLETE,
        **headers: str,
    ) -> Step:
        """The upstream answers; the driver's step."""
        self.flow.response = None
        if status is not None:
            pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
            self.flow.response = http.Response.make(status)
            self.flow.response.headers = http.Headers(pairs)
        self.body, self.ended = body, ended
        error = "reset" if ended is Ended.BROKEN else ""
        return self.driver.judge(ended, [body] if body else [], error)

    async def replanned(self) -> None:
        error = "reset" if self.ended is Ended.BROKEN else ""
        await self.driver.replan(Replan(self.flow, self.driver, self.body, self.ended, error))

    async def refused(self, status: int | None = 429, body: bytes = b"no", **more: Any) -> None:
        assert self.answered(status, body, **more) is Step.REPLAN
        await self.replanned()

    @property
    def sent(self) -> str | None:
        """Account of the request that goes out; None when an answer is given instead."""
        if self.flow.response is not None:
            return None
        assert self.flow.request is not self.client, "the client's own request would go out"
        return self.flow.request.headers["x-account"]

    @property
    def told(self) -> tuple[int, str]:
        """Status and code of the client's answer."""
        assert self.flow.response is not None
        return self.flow.response.status_code, self.error["code"]

    @property
    def error(self) -> dict[str, Any]:
        assert self.flow.response is not None
        found: dict[str, Any] = json.loads(self.flow.response.raw_content or b"")["error"]
        return found
