"""Accounts through the control API and without it: one answer, one error."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from addons.accounts.authority import Prompt
from addons.errors import FlowayError
from addons.operate.errors import ControlError, explained
from addons.operate.running import Running
from addons.operate.token import Token
from replay.cli.account_desk import Accounts, KeptAccounts
from replay.cli.account_remote import RunningAccounts
from tests.accounts.authorities import PROVIDER, secret
from tests.operate.places import TOKEN, Place, place

type Ask = Callable[[Accounts], Awaitable[Any]]

KEY = Token(TOKEN, Path("control.token"))
HERE = Running("http://127.0.0.1:8080", os.getpid(), 0.0)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    async with place(tmp_path / "home") as made:
        await made.add("ada", "work")
        await made.add("ben", "home")
        yield made


@pytest.fixture
async def by_api(here: Place) -> AsyncIterator[RunningAccounts]:
    here.client()  # the plane that the application answers for
    transport = httpx.ASGITransport(here.app)
    async with RunningAccounts(HERE, KEY, transport) as opened:
        yield opened


@pytest.fixture
async def kept(here: Place) -> AsyncIterator[KeptAccounts]:
    makers = {PROVIDER: lambda _: here.authority}
    opened = KeptAccounts(here.settings, here.store, makers, clock=here.clock)
    yield opened
    await opened.close()


async def said(ask: Ask, accounts: Accounts) -> Any:
    """The answer, or what the command line makes of the error."""
    try:
        return await ask(accounts)
    except FlowayError as error:
        told = explained(error)
        return (told.status in (404, 422) or told.code == "ambiguous", str(error))


@pytest.mark.parametrize(
    "ask",
    [
        lambda accounts: accounts.views(),
        lambda accounts: accounts.named("work"),
        lambda accounts: accounts.named(f"{PROVIDER}:HOME"),
        lambda accounts: accounts.named("a/b?c#d e"),
        lambda accounts: accounts.named(""),
        lambda accounts: accounts.named("no:body"),
        lambda accounts: accounts.switch("work", False),
        lambda accounts: accounts.switch("nobody", True),
        lambda accounts: accounts.prefer("work", weight=2.0),
        lambda accounts: accounts.prefer("work", priority=-7),
        lambda accounts: accounts.pin("work"),
        lambda accounts: accounts.unpin(),
        lambda accounts: accounts.relabel("work", "home"),
        lambda accounts: accounts.relabel("nobody", "x"),
        lambda accounts: accounts.keep(PROVIDER, "HOME", secret("cleo"), imported=True),
        lambda accounts: accounts.keep("none", "x", secret("cleo")),
        lambda accounts: accounts.keep(PROVIDER, "x", {}),
        lambda accounts: accounts.cooldowns(),
        lambda accounts: accounts.clear_cooldowns(),
        lambda accounts: accounts.clear_cooldowns("nobody"),
        lambda accounts: accounts.remove("nobody"),
    ],
)
async def test_the_answers_are_the_same(
    by_api: RunningAccounts, kept: KeptAccounts, ask: Ask
) -> None:
    assert await said(ask, by_api) == await said(ask, kept)


async def test_what_ends_an_account(by_api: RunningAccounts, kept: KeptAccounts) -> None:
    before = await kept.views()
    added = await by_api.keep(PROVIDER, "new", secret("cleo"))
    assert (added.updated, added.account) == (False, await kept.named("new"))
    assert await kept.remove("new") == added.account
    assert await by_api.views() == before
    assert await by_api.relabel("work", "office") == await kept.named("office")


async def test_a_refresh(here: Place, by_api: RunningAccounts, kept: KeptAccounts) -> None:
    assert await by_api.refresh("work") == await kept.refresh("work")
    for failure in ("later", "over"):
        told = []
        for accounts in (by_api, kept):
            here.authority.fails = [failure]
            told.append(await said(lambda accounts: accounts.refresh("work"), accounts))
        assert told[0] == told[1]


@pytest.mark.parametrize("device", [False, True])
async def test_signing_in(here: Place, by_api: RunningAccounts, device: bool) -> None:
    shown: list[Prompt] = []

    def show(prompt: Prompt) -> None:
        shown.append(prompt)
        here.authority.person.set()

    here.authority.subject = "cleo"
    added = await by_api.sign_in(PROVIDER, "new", show, device=device)
    assert (added.account.label, added.account.state) == ("new", "ready")
    assert bool(shown[0].code) is device
    here.authority.busy, here.authority.declined = "the port is taken", True
    again = await said(lambda accounts: accounts.sign_in(PROVIDER, "", show, device=False), by_api)
    assert again == (False, "the port is taken")
    here.authority.busy = ""
    again = await said(lambda accounts: accounts.sign_in(PROVIDER, "", show, device=False), by_api)
    assert again == (False, "the sign-in was not allowed; begin again")


async def test_who_gives_up_leaves_nothing_behind(here: Place, by_api: RunningAccounts) -> None:
    shown: asyncio.Future[Prompt] = asyncio.get_running_loop().create_future()
    signing = asyncio.create_task(by_api.sign_in(PROVIDER, "", shown.set_result, device=False))
    await shown
    signing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await signing
    assert not [task for task in asyncio.all_tasks() if "sign-in" in task.get_name()]


# --- who does not answer -------------------------------------------------------------------------


def answering(status: int, content: str) -> RunningAccounts:
    answer = httpx.MockTransport(lambda _: httpx.Response(status, text=content))
    return RunningAccounts(HERE, KEY, answer)


@pytest.mark.parametrize(
    ("status", "content", "problem"),
    [
        (200, "{}", "the answer (HTTP 200) is not floway's"),
        (404, "<html>", "the answer (HTTP 404) is not floway's"),
        (401, '{"error": {"code": "c", "message": "no"}}', "can't be asked (no)"),
    ],
)
async def test_what_is_no_floway_is_noticed(status: int, content: str, problem: str) -> None:
    assert problem in await answering(status, content).problem()


async def test_another_floway_is_noticed(here: Place) -> None:
    here.client()
    other = Running(HERE.url, HERE.pid + 1, 0.0)
    asked = RunningAccounts(other, KEY, httpx.ASGITransport(here.app))
    assert await asked.problem() == f"the floway of process {other.pid} is not at {HERE.url}"
    assert await RunningAccounts(HERE, KEY, httpx.ASGITransport(here.app)).problem() == ""


async def test_nobody_there() -> None:
    def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    asked = RunningAccounts(HERE, KEY, httpx.MockTransport(refused))
    assert "no answer (ConnectError)" in await asked.problem()
    with pytest.raises(ControlError, match="no answer"):
        await asked.views()
