"""The provider with an upstream that is the test, and its exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from addons.accounts.model import Account
from addons.accounts.quota import Quota, Window
from addons.exchange import Exchange
from addons.front import protocols
from addons.front.contract import Json
from addons.front.routes import Route
from addons.providers.contract import Generated, Plan
from addons.providers.cursor.models import Model
from addons.providers.cursor.provider import CursorProvider
from addons.providers.cursor.sign_in.authority import CursorAuthority
from addons.providers.cursor.sign_in.roster import credential_of, made_up
from addons.providers.cursor.upstream import CursorUpstream
from addons.providers.cursor.wire.channel import Channel, Opening
from addons.providers.cursor.wire.endpoint import Endpoint, Hosts
from addons.settings import Settings
from addons.store.contract import Store
from tests.providers.cursor import server_messages as server
from tests.providers.cursor.fake_channel import FakeChannel
from tests.providers.cursor.sign_in.test_sign_ins import jwt

ROUTE = Route(None, "POST", "/v1/responses", "model", "responses", "cursor")
MODEL = "cursor/composer-2"
TOOLS = [{"type": "function", "name": "read", "parameters": {"type": "object"}}]
HOST = Endpoint.parse("https://api.test")


class Upstream(CursorUpstream):
    """Gives channels that the test plays the server of.

    Attributes:
        channels: all that were opened, each with its account's label.
        refusals: raised when the next ones are opened.
        quotas: how often it was asked what an account has used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.channels: list[tuple[str, FakeChannel]] = []
        self.refusals: list[Exception] = []
        self.quotas = 0
        self._news = asyncio.Condition()

    async def hosts(self, account: Account) -> Hosts:
        return Hosts(HOST, HOST)

    async def models(self, account: Account) -> Sequence[Model]:
        return (Model("composer-2", "Composer", window=200_000),)

    async def all_models(self, accounts: Sequence[Account]) -> list[Model]:
        return [Model("composer-2", "Composer", window=200_000)]

    async def quota(self, account: Account) -> Quota | None:
        self.quotas += 1
        return Quota(0.0, (Window("plan", "cycle", 41.0),))

    async def open(self, hosts: Hosts, opening: Opening, *, lane: str) -> Channel:
        if self.refusals:
            raise self.refusals.pop(0)
        channel = FakeChannel()
        self.channels.append((lane, channel))
        async with self._news:
            self._news.notify_all()
        return channel

    async def channel(self, number: int) -> FakeChannel:
        """Wait until so many channels were opened; the last of them."""
        async with asyncio.timeout(5), self._news:
            await self._news.wait_for(lambda: len(self.channels) >= number)
        return self.channels[number - 1][1]


class Bench:
    """A provider with accounts ``a``, ``b``, …, and a clock that stands still."""

    def __init__(self, accounts: str = "ab", store: Store | None = None, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.upstream = Upstream(self.settings)
        self.now = 1_790_000_000.0
        sign_ins = [
            (label, {"accessToken": jwt(sub=f"auth0|{label}", exp=2_000_000_000)})
            for label in accounts
        ]
        self.provider = CursorProvider(
            self.settings,
            store,
            CursorAuthority(self.settings),
            self.upstream,
            made_up(sign_ins),
            clock=lambda: self.now,
        )

    def exchange(self, *items: Json, principal: str = "p", **body: Any) -> Exchange:
        """A request that was read."""
        protocol = protocols.get("responses")
        exchange = Exchange(
            "e0e0e0e0", ROUTE, self.provider, protocol, principal, "POST", ROUTE.path, []
        )
        exchange.request = {
            "model": MODEL,
            "input": list(items),
            "tools": TOOLS,
            "stream": True,
            **body,
        }
        exchange.turn = protocol.parse(exchange.request)
        exchange.renderer = protocol.renderer(exchange.turn, exchange.request)
        return exchange

    def planning(self, exchange: Exchange) -> asyncio.Task[Plan]:
        return asyncio.ensure_future(self.provider.plan(exchange))

    async def answered(self, exchange: Exchange, *messages: bytes) -> str:
        """Plan, play the server of the channel that is opened, and read the whole answer."""
        number = len(self.upstream.channels) + 1
        planning = self.planning(exchange)
        channel = await self.upstream.channel(number)
        channel.say(*messages)
        channel.end()
        return await self.read(await planning)

    async def read(self, plan: Plan) -> str:
        assert isinstance(plan, Generated)
        async with asyncio.timeout(5):
            return b"".join([chunk async for chunk in plan.body]).decode()

    def label(self, handle: str) -> str:
        account = self.provider._serving.pool.account(handle)
        assert account is not None
        return account.label

    @property
    def asked(self) -> list[str]:
        """Labels of the accounts whose channels were opened."""
        return [self.label(handle) for handle, _ in self.upstream.channels]

    def token(self, label: str) -> str:
        (found,) = [each for each in self.provider.accounts if each.label == label]
        return credential_of(found).access_token


def user(text: str) -> Json:
    return {"role": "user", "content": text}


ANSWER = (server.text("Hello"), server.turn_ended(input_tokens=7, output_tokens=2))
