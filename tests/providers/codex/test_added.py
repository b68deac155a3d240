"""A provider that serves added accounts: where they go, and what a refused sign-in leads to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from addons.accounts.credentials.document import Document
from addons.accounts.credentials.vault import Vault
from addons.accounts.errors import AccountError
from addons.accounts.model import AccountState
from addons.accounts.refresh import FIRST_PAUSE
from addons.front.routes import RouteTable
from addons.providers.codex.authority import CodexAuthority
from addons.providers.codex.provider import CodexProvider
from addons.providers.codex.upstream import REAL, REAL_API
from addons.settings import Settings
from addons.store.memory import MemoryStore
from replay.sandbox import Sandbox
from tests.providers.codex import sign_ins
from tests.providers.codex.exchanges import Side, header

STALE = {"error": {"code": "token_expired"}}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Sandbox]:
    started = await sign_ins.sandbox(tmp_path / "sandbox")
    yield started
    await started.stop()


def settings(home: Path, server: Sandbox | None = None, **more: Any) -> Settings:
    if server is not None:
        more |= {"issuers": {"codex": server.http_url}}
    return Settings(home=home, credential_store="file", **more)


def keep(home: Path, secret: dict[str, Any], label: str) -> Document:
    described = CodexAuthority(Settings()).describe(secret)
    document = Document("codex", label, described.handle, secret, kind=described.kind)
    return Vault(home / "credentials", "file").put(document, now=1.0)[0]


async def serving(given: Settings, store: MemoryStore) -> Side:
    """The provider of the settings, led as the gateway leads it."""
    side = Side()
    side.provider = CodexProvider.of_settings(given, store)
    side.routes = RouteTable(list(side.provider.routes()))
    await side.provider.start()
    return side.with_models()


def token(server: Sandbox, home: Path, label: str) -> str:
    kept = Vault(home / "credentials", "file").read(f"codex.{label}")
    assert kept is not None
    found: str = kept.secret["tokens"]["access_token"]
    return found


async def test_the_chain_after_a_401(server: Sandbox, tmp_path: Path) -> None:
    """Reload, try again, refresh, try again, give up."""
    account = server.accounts[0]
    keep(tmp_path, server.accounts.auth_json(account), "work")
    async with MemoryStore() as store:
        side = await serving(settings(tmp_path, server), store)
        exchange = side.exchange()
        first = await side.sent(exchange)
        keep(tmp_path, server.accounts.auth_json(account), "work")  # another process refreshed it
        side.answered(exchange, 401, STALE)
        second = await side.sent(exchange)
        assert header(second, "authorization") == f"Bearer {token(server, tmp_path, 'work')}"
        assert account.refreshes == 0
        side.answered(exchange, 401, STALE)
        third = await side.sent(exchange)
        assert account.refreshes == 1
        assert header(third, "authorization") == f"Bearer {token(server, tmp_path, 'work')}"
        side.answered(exchange, 401, STALE)
        refusal = await side.refused(exchange)
        assert account.refreshes == 1
        shown = {header(request, "authorization") for request in (first, second, third)}
        assert len(shown) == 3
        assert refusal.error.status == 502
        await side.provider.stop()


async def test_what_is_over_sends_the_request_elsewhere(server: Sandbox, tmp_path: Path) -> None:
    for account in (server.accounts[0], server.accounts[1]):
        keep(tmp_path, server.accounts.auth_json(account), account.label)
        account.refresh_error = "refresh_token_invalidated"
    async with MemoryStore() as store:
        side = await serving(settings(tmp_path, server), store)
        exchange = side.exchange()
        labels = []
        for _ in range(2):
            await side.sent(exchange)
            labels.append(exchange.attempts[-1].account)
            side.answered(exchange, 401, STALE)
        refusal = await side.refused(exchange)
        assert sorted(labels) == ["ada", "ben"]
        states = {account.state for account in side.provider.accounts}
        assert states == {AccountState.NEEDS_LOGIN}
        told = (await side.refused(side.exchange())).error.message
        assert "floway accounts add codex --label ada" in told
        assert "eyJ" not in told + refusal.error.message
        server.accounts[0].refresh_error = ""
        keep(tmp_path, server.accounts.auth_json(server.accounts[0]), "ada")
        keeper = side.provider._memory.keeper
        assert keeper is not None
        await keeper.look()
        assert await side.served_by(side.exchange()) == "ada"  # at once: nothing cools
        await side.provider.stop()


async def test_a_server_that_is_down_cools_for_a_moment(server: Sandbox, tmp_path: Path) -> None:
    keep(tmp_path, server.accounts.auth_json(server.accounts[0]), "work")
    async with MemoryStore() as store:
        side = await serving(settings(tmp_path, server), store)
        await server.stop()
        exchange = side.exchange()
        await side.sent(exchange)
        side.answered(exchange, 401, STALE)
        await side.refused(exchange)
        (cooldown,) = side.provider._memory.pool.cooldowns
        assert 0 < cooldown.until - cooldown.since <= FIRST_PAUSE
        assert cooldown.reason == "its sign-in could not be refreshed for now"
        assert side.provider.accounts[0].state is AccountState.READY
        await side.provider.stop()


async def test_a_sign_in_that_ends_soon_is_renewed_before_it_is_used(
    server: Sandbox, tmp_path: Path
) -> None:
    account = server.accounts[0]
    secret = server.accounts.auth_json(account)
    secret["tokens"]["access_token"] = server.accounts.access_token(account, lifetime=200)
    keep(tmp_path, secret, "work")
    async with MemoryStore() as store:
        side = await serving(settings(tmp_path, server), store)
        request = await side.sent(side.exchange())
        assert account.refreshes == 1
        assert header(request, "authorization") == f"Bearer {token(server, tmp_path, 'work')}"
        await side.provider.stop()


async def test_beside_accounts_of_the_settings(server: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    file.write_text(json.dumps(server.accounts.auth_json(server.accounts[1])))
    keep(tmp_path, server.accounts.auth_json(server.accounts[0]), "work")
    own = [{"provider": "codex", "label": "own", "auth_file": file}]
    async with MemoryStore() as store:
        side = await serving(settings(tmp_path, server, accounts=own), store)
        assert [account.label for account in side.provider.accounts] == ["own", "work"]
        assert {await side.served_by(side.exchange(headers=[("session-id", i)])) for i in "ab"}
        keep(tmp_path, server.accounts.auth_json(server.accounts[1]), "mine")  # the same as own
        assert side.provider._memory.keeper is not None
        await side.provider._memory.keeper.look()
        assert sorted(a.label for a in side.provider.accounts) == ["mine", "work"]
        await side.provider.stop()


@pytest.mark.parametrize(("first", "url"), [("key", REAL_API), ("login", REAL)])
async def test_the_first_account_says_which_host(
    server: Sandbox, tmp_path: Path, first: str, url: str
) -> None:
    """Sign-ins and keys go to different hosts; who goes elsewhere is shown, and not served."""
    key = {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-made-up"}
    login = server.accounts.auth_json(server.accounts[0])
    labels = {"key": ("a", "b"), "login": ("b", "a")}[first]
    keep(tmp_path, key, labels[0])
    keep(tmp_path, login, labels[1])
    async with MemoryStore() as store:
        side = await serving(settings(tmp_path, server), store)
        assert side.provider._planner.upstream.url == url
        states = {account.label: account.state for account in side.provider.accounts}
        assert states == {"a": AccountState.READY, "b": AccountState.DISABLED}
        await side.provider.stop()


async def test_a_file_that_others_can_read_stops_the_start(server: Sandbox, tmp_path: Path) -> None:
    keep(tmp_path, server.accounts.auth_json(server.accounts[0]), "work")
    (tmp_path / "credentials" / "codex.work.json").chmod(0o640)
    async with MemoryStore() as store:
        with pytest.raises(AccountError, match="chmod 600"):
            CodexProvider.of_settings(settings(tmp_path, server), store)


def test_without_a_store_nothing_is_read(tmp_path: Path) -> None:
    keep(tmp_path, {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-made-up"}, "work")
    assert list(CodexProvider.of_settings(settings(tmp_path), None).accounts) == []
