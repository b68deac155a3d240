from __future__ import annotations

import asyncio

import httpx
import pytest

from addons.errors import FlowayError
from addons.providers.cursor.proto import aiserver_pb2 as aiserver
from addons.providers.cursor.wire.discovery import RETRY, TTL, Discovery, Policy, hosts_of, trusted
from addons.providers.cursor.wire.endpoint import BACKEND, Endpoint, Hosts
from addons.providers.cursor.wire.unary import Unary
from tests.providers.cursor.wire.test_unary import Faked

REAL = Endpoint.parse(BACKEND)
POLICY = Policy(REAL)
PRIVATE, OPEN = "https://agent.api5.cursor.sh", "https://agentn.us.api5.cursor.sh"


def config(
    agent: str = PRIVATE, agentn: str = OPEN, http2: int = 0
) -> aiserver.GetServerConfigResponse:
    return aiserver.GetServerConfigResponse(
        http2_config=http2,  # type: ignore[arg-type]  # the number of an enum's value
        agent_url_config=aiserver.AgentUrlConfig(agent_url=agent, agentn_url=agentn),
    )


@pytest.mark.parametrize(
    ("found", "policy", "agent", "way"),
    [
        (config(), POLICY, PRIVATE, "auto"),
        (config(), Policy(REAL, ghost_mode=False), OPEN, "auto"),
        (config(agent=""), POLICY, BACKEND, "auto"),
        (config(agent="agent.api5.cursor.sh"), POLICY, PRIVATE, "auto"),
        (config(http2=aiserver.HTTP2_CONFIG_FORCE_ALL_DISABLED), POLICY, PRIVATE, "http1"),
        (config(http2=aiserver.HTTP2_CONFIG_FORCE_BIDI_DISABLED), POLICY, PRIVATE, "http1"),
        (config(http2=1), Policy(REAL, way="http2"), PRIVATE, "http2"),
        # never to a host that is not of the backend's own domain, nor in the clear
        (config(agent="https://agent.example.com"), POLICY, BACKEND, "auto"),
        (config(agent="https://cursor.sh.example.com"), POLICY, BACKEND, "auto"),
        (config(agent="http://agent.api5.cursor.sh"), POLICY, BACKEND, "auto"),
        (config(agent="ftp://x"), POLICY, BACKEND, "auto"),
    ],
)
def test_what_a_configuration_means(
    found: aiserver.GetServerConfigResponse, policy: Policy, agent: str, way: str
) -> None:
    assert hosts_of(found, policy) == Hosts(policy.backend, Endpoint.parse(agent), way)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("agent", "backend", "may"),
    [
        ("https://127.0.0.1:9", "https://127.0.0.1:8", True),
        ("http://127.0.0.1:9", "http://127.0.0.1:8", True),
        ("https://10.1.0.1", "https://127.2.0.1", False),
        ("https://a.test", "http://b.test", False),
    ],
)
def test_whom_to_trust(agent: str, backend: str, may: bool) -> None:
    assert trusted(Endpoint.parse(agent), Endpoint.parse(backend)) is may


class Asked:
    """A backend that counts its questions, and a clock."""

    def __init__(self) -> None:
        self.count = 0
        self.answer: httpx.Response | None = httpx.Response(
            200, content=config().SerializeToString()
        )
        self.release = asyncio.Event()
        self.release.set()
        self.now = 1000.0
        self.discovery = Discovery(Unary(Faked(self.ask)), clock=lambda: self.now)

    async def ask(self, _: httpx.Request) -> httpx.Response:
        self.count += 1
        await self.release.wait()
        if self.answer is None:
            raise httpx.ConnectError("no")
        return httpx.Response(self.answer.status_code, content=self.answer.content)

    async def hosts(self, account: str = "a", policy: Policy = POLICY) -> Hosts:
        return await self.discovery.hosts(policy, account, lambda: [("authorization", "x")])


async def test_it_is_asked_once_for_each_account_until_the_answer_is_old() -> None:
    asked = Asked()
    asked.release.clear()
    waiting = [asyncio.create_task(asked.hosts()) for _ in range(5)]
    await asyncio.sleep(0)
    asked.release.set()
    assert {each.agent.url for each in await asyncio.gather(*waiting)} == {PRIVATE}
    assert asked.count == 1
    await asked.hosts("b")
    assert asked.count == 2
    asked.now += TTL + 1
    await asked.hosts()
    assert asked.count == 3
    asked.discovery.forget("a")
    await asked.hosts()
    assert asked.count == 4


async def test_the_last_good_answer_holds_while_none_can_be_had() -> None:
    asked = Asked()
    await asked.hosts()
    asked.answer = None
    asked.now += TTL + 1
    assert (await asked.hosts()).agent.url == PRIVATE
    count = asked.count
    assert (await asked.hosts()).agent.url == PRIVATE
    assert asked.count == count  # not asked again at once
    asked.now += RETRY + 1
    await asked.hosts()
    assert asked.count > count


async def test_without_any_answer_runs_go_to_the_backend() -> None:
    asked = Asked()
    asked.answer = httpx.Response(500)
    assert (await asked.hosts()).agent == REAL


async def test_an_account_without_a_token_gets_hosts_all_the_same() -> None:
    asked = Asked()

    def no_headers() -> list[tuple[str, str]]:
        raise FlowayError("no token")

    assert (await asked.discovery.hosts(POLICY, "a", no_headers)).agent == REAL
    assert asked.count == 0


async def test_a_host_that_is_set_is_not_asked_for() -> None:
    asked = Asked()
    own = Endpoint.parse("https://own.test")
    assert (await asked.hosts(policy=Policy(REAL, own))).agent == own
    assert asked.count == 0
