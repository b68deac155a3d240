"""The way to Cursor, with the sandbox in its place: hosts, headers, lists of models, usage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.providers.cursor.sign_in.roster import credential_of, made_up
from addons.providers.cursor.upstream import CursorUpstream
from addons.settings import Settings
from replay.sandbox import Sandbox, SandboxConfig


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxConfig(home=tmp_path, gate="off")) as started:
        yield started


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    accounts = sandbox.cursor_accounts
    return made_up([("kim", accounts.sign_in(accounts[0]))])[0][0]


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def upstream(sandbox: Sandbox, clock: Clock) -> AsyncIterator[CursorUpstream]:
    made = CursorUpstream(
        Settings(), url=sandbox.https_url, ca_file=str(sandbox.ca_file), clock=clock
    )
    yield made
    await made.close()


async def test_models_with_their_sizes_and_the_last_good_list(
    sandbox: Sandbox, upstream: CursorUpstream, account: Account, clock: Clock
) -> None:
    models = await upstream.models(account)
    assert "composer-2" in {model.id for model in models}
    assert all(model.window for model in models)
    await sandbox.stop()
    clock.now += 301
    assert await upstream.models(account) == models
    assert await upstream.all_models([account]) == list(models)


async def test_without_any_list(
    sandbox: Sandbox, upstream: CursorUpstream, account: Account
) -> None:
    await sandbox.stop()
    assert list(await upstream.models(account)) == []
    with pytest.raises(ClientError, match="could not be had"):
        await upstream.all_models([account])
    assert await upstream.all_models([]) == []


async def test_what_an_account_has_used(
    sandbox: Sandbox, upstream: CursorUpstream, account: Account
) -> None:
    sandbox.cursor_accounts[0].spent = 500
    quota = await upstream.quota(account)
    assert quota is not None
    assert {window.limit: window.used_percent for window in quota.windows}["plan"] == 25
    await sandbox.stop()
    assert await upstream.quota(account) is None


async def test_the_agent_s_host_is_the_server_s_word_unless_the_settings_name_one(
    sandbox: Sandbox, upstream: CursorUpstream, account: Account
) -> None:
    hosts = await upstream.hosts(account)
    assert hosts.backend.url == hosts.agent.url == sandbox.https_url
    assert upstream.own_hosts == hosts
    named = CursorUpstream(
        Settings(
            upstreams={"cursor": "https://api.test"}, agent_upstreams={"cursor": "https://run.test"}
        )
    )
    assert (await named.hosts(account)).agent.url == "https://run.test"
    await named.close()


async def test_headers_are_the_official_client_s(account: Account) -> None:
    made = CursorUpstream(Settings(client_versions={"cursor": "sdk-9"}))
    opening = made.opening(account, "run-1", tools=True)
    headers = dict(opening.run)
    assert headers["authorization"] == f"Bearer {credential_of(account).access_token}"
    assert headers["x-cursor-client-version"] == "sdk-9"
    assert headers["x-request-id"] == headers["x-original-request-id"] == "run-1"
    assert headers["x-cursor-agent-allowed-tools"] == "mcp_tool_call"
    assert dict(made.opening(account, "r", tools=False).run)["x-cursor-agent-allowed-tools"] == ""
    await made.close()
