"""Signing in at the sandbox: in a browser, and by device code."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from addons.accounts.authority import Prompt
from addons.accounts.errors import AccountError
from addons.providers.codex import oauth
from addons.providers.codex.login import SLOWER, Login
from replay.sandbox import Sandbox
from tests.providers.codex import sign_ins
from tests.providers.codex.sign_ins import Clock, Person, authority


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Sandbox]:
    started = await sign_ins.sandbox(tmp_path)
    yield started
    await started.stop()


def login(issuer: str, **more: Any) -> Login:
    async def post(url: str, body: bytes, kind: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(url, content=body, headers={"content-type": kind})

    return Login(issuer, post, (0,), **more)


async def test_a_browser_s_way(server: Sandbox) -> None:
    own, person = authority(server), Person("ben")
    secret = await own.browser_login(person)
    await person.done()
    await own.close()
    described = own.describe(secret)
    assert (described.who, described.plan, described.kind) == ("ben@example.com", "pro", "chatgpt")
    assert server.accounts.bearer(described.token).label == "ben"
    assert "Go back to your terminal" in person.pages[0]
    assert set(secret) == {"auth_mode", "OPENAI_API_KEY", "tokens", "last_refresh"}
    tokens = secret["tokens"]
    assert not [t for t in tokens.values() if t in repr(described) + repr(person.prompts)]


async def test_a_device_s_way(server: Sandbox) -> None:
    own, person = authority(server), Person("cleo")
    secret = await own.device_login(person)
    await person.done()
    await own.close()
    assert own.describe(secret).who == "cleo@example.com"
    assert person.prompts[0].url == f"{server.http_url}/codex/device"


@pytest.mark.parametrize("way", ["browser_login", "device_login"])
async def test_who_declines_is_not_signed_in(server: Sandbox, way: str) -> None:
    own, person = authority(server), Person("(deny)")
    with pytest.raises(AccountError, match=r"access_denied|declined"):
        await getattr(own, way)(person)
    await person.done()
    await own.close()


async def test_another_one_s_callback_is_not_taken(server: Sandbox) -> None:
    """The state is checked, and a wrong one does not end the waiting for the right one."""

    def forged(prompt: Prompt) -> None:
        async def act() -> None:
            back = httpx.URL(prompt.url).params["redirect_uri"]
            async with httpx.AsyncClient(trust_env=False) as client:
                forgeries = ("?code=evil&state=guess", "?code=evil", "", "/../x?state=guess")
                answers.extend([(await client.get(back + each)).status_code for each in forgeries])
            person(prompt)

        acting.append(asyncio.create_task(act()))

    answers: list[int] = []
    acting: list[asyncio.Task[None]] = []
    person, own = Person("ada"), authority(server)
    secret = await own.browser_login(forged)
    await asyncio.gather(*acting)
    await person.done()
    await own.close()
    assert answers == [400, 400, 400, 404]
    assert own.describe(secret).who == "ada@example.com"


async def test_nobody_comes(server: Sandbox) -> None:
    with pytest.raises(AccountError, match="nobody signed in"):
        await login(server.http_url, browser_seconds=0.01).in_browser(lambda prompt: None)


async def test_every_port_is_taken(server: Sandbox) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        own = login(server.http_url)
        own.ports = (taken.getsockname()[1],)
        with pytest.raises(AccountError, match="--device"):
            await own.in_browser(lambda prompt: None)


def answers(*given: tuple[int, Any]) -> Any:
    """A server that says these, one after the other."""
    left = list(given)

    async def post(url: str, body: bytes, kind: str) -> httpx.Response:
        status, content = left.pop(0)
        if isinstance(content, Exception):
            raise content
        return httpx.Response(status, json=content)

    return post


BEGUN = (200, {"device_auth_id": "d", "user_code": "AB-12", "interval": "5"})
PENDING = (403, {"error": {"code": "deviceauth_authorization_unknown"}})
SLOW = (403, {"error": "slow_down"})
OVER = (400, {"error": "expired_token"})


@pytest.mark.parametrize(
    ("given", "waits", "message"),
    [
        ([PENDING, PENDING, OVER], [5, 5], "expired"),
        ([PENDING, SLOW, PENDING, OVER], [5, 5 + SLOWER, 5 + SLOWER], "expired"),
        ([(404, {}), (429, {}), OVER], [5, 5 + SLOWER], "expired"),
        ([(0, httpx.ConnectError("x")), OVER], [5 + SLOWER], "expired"),
        ([(500, {"error": "boom"})], [], r"HTTP 500 \(boom\)"),
        ([(200, {})], [], "no code"),
    ],
)
async def test_polling(given: list[Any], waits: list[float], message: str) -> None:
    clock, slept = Clock(), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    own = Login("https://x.test", answers(BEGUN, *given), (0,), clock, sleep)
    with pytest.raises(AccountError, match=message):
        await own.by_device(lambda prompt: None)
    assert slept == waits


async def test_polling_ends() -> None:
    clock, polls = Clock(), 0

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    async def post(url: str, body: bytes, kind: str) -> httpx.Response:
        nonlocal polls
        polls += 1
        status, content = BEGUN if url.endswith("usercode") else PENDING
        return httpx.Response(status, json=content)

    own = Login("https://x.test", post, (0,), clock, sleep)
    with pytest.raises(AccountError, match="in time"):
        await own.by_device(lambda prompt: None)
    assert polls == 1 + oauth.DEVICE_SECONDS / 5


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, {}), "leave --device out"),
        ((200, {}), "HTTP 200"),
        ((401, {"error": {"code": "invalid_client"}}), r"HTTP 401 \(invalid_client\)"),
        ((0, httpx.ConnectError("x")), r"x\.test can't be reached \(ConnectError\)"),
    ],
)
async def test_a_device_that_can_t_begin(answer: Any, message: str) -> None:
    with pytest.raises(AccountError, match=message):
        await Login("https://x.test", answers(answer), (0,)).by_device(lambda prompt: None)
