"""Runs against a sandbox, over both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from replay.sandbox import Sandbox
from replay.sandbox.cursor.accounts import CursorAccount
from tests.sandbox.cursor.wire import Appended, Stream, headers_of

type Opened = Callable[..., Awaitable[Any]]


def token(sandbox: Sandbox, account: CursorAccount | None = None) -> str:
    return sandbox.cursor_accounts.access_token(account or sandbox.cursor_accounts[0])


@pytest.fixture
async def stream(sandbox: Sandbox) -> AsyncIterator[Opened]:
    """Opens runs over HTTP/2."""
    opened: list[Stream] = []

    async def run(
        account: CursorAccount | None = None, *, on: Sandbox | None = None, **more: str
    ) -> Stream:
        chosen = on or sandbox
        made = Stream(chosen, headers_of(token(chosen, account), **more))
        opened.append(made)
        await made.open()
        return made

    yield run
    for each in opened:
        await each.close()


@pytest.fixture
async def appended(sandbox: Sandbox, http: httpx.AsyncClient) -> AsyncIterator[Opened]:
    """Opens runs by RunSSE."""
    opened: list[Appended] = []

    async def run(
        account: CursorAccount | None = None,
        *,
        client: httpx.AsyncClient = http,
        **more: str,
    ) -> Appended:
        name = f"request-{len(opened)}"
        made = Appended(sandbox, client, headers_of(token(sandbox, account), **more), name)
        opened.append(made)
        await made.open()
        return made

    yield run
    for each in opened:
        await each.close()


@pytest.fixture
def appended2(appended: Opened, http2: httpx.AsyncClient) -> Opened:
    """The same over HTTP/2."""

    async def run(**more: Any) -> Appended:
        made: Appended = await appended(client=http2, **more)
        return made

    return run


@pytest.fixture(params=["stream", "appended"])
def each_run(request: pytest.FixtureRequest) -> Opened:
    """The test is run over both transports."""
    found: Opened = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def fault(http: httpx.AsyncClient) -> Callable[..., Awaitable[None]]:
    """Orders a fault of runs."""

    async def order(how: str = "error", *, account: str = "", **members: Any) -> None:
        match = {"account": account} if account else {}
        rule = {"match": match, "fault": {"kind": "agent", "how": how, **members}}
        answer = await http.post("/_sandbox/faults", json=rule)
        assert answer.status_code == 200, answer.text

    return order


@pytest.fixture
def recorded(http: httpx.AsyncClient) -> Callable[..., Awaitable[list[dict[str, Any]]]]:
    """What the sandbox received."""

    async def ask(**query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await http.get("/_sandbox/requests", params=query)).json()[
            "requests"
        ]
        return found

    return ask
