"""Sign-ins of this provider: OAuth exchanges as they were recorded, and against the sandbox."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from addons.accounts.authority import Prompt
from addons.accounts.errors import AccountError, SignInEnded, SignInUnavailable
from addons.providers.codex import oauth
from addons.providers.codex.authority import CodexAuthority
from addons.settings import Settings
from fingerprints.library import load
from replay.sandbox import Sandbox
from tests.providers.codex import sign_ins
from tests.providers.codex.sign_ins import Person
from tests.providers.codex.tapes import FOLDER, RECORDING, recorded

SECRET = {
    "auth_mode": "chatgpt",
    "tokens": {
        "id_token": "i",
        "access_token": "a",
        "refresh_token": "rt_sesame",
        "account_id": "0b2c",
    },
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Sandbox]:
    started = await sign_ins.sandbox(tmp_path)
    yield started
    await started.stop()


# --- as recorded -----------------------------------------------------------------------------


async def test_a_browser_login_as_recorded(tmp_path: Path) -> None:
    coming: list[asyncio.Task[None]] = []

    async def come_back(prompt: Prompt, code: str) -> None:
        asked = httpx.URL(prompt.url).params
        target = f"{asked['redirect_uri']}?code={code}&state={asked['state']}"
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(target).port)
        path = httpx.URL(target).raw_path.decode()
        writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        assert b"200 OK" in await reader.read()
        writer.close()

    async with recorded("login", tmp_path) as (authority, sandbox):

        def show(prompt: Prompt) -> None:
            code = "made-up"
            if sandbox is not None:
                asked = dict(httpx.URL(prompt.url).params)
                code = sandbox.services.logins.grant(
                    sandbox.accounts[0],
                    asked["redirect_uri"],
                    asked["code_challenge"],
                    sandbox.services.now(),
                )
            coming.append(asyncio.create_task(come_back(prompt, code)))

        login = authority._login()
        login.ports = (0,)
        secret = await login.in_browser(show)
        await asyncio.gather(*coming)
    assert authority.describe(secret).who == "ada@example.com"


async def test_a_device_login_as_recorded(tmp_path: Path) -> None:
    async with recorded("device", tmp_path) as (authority, sandbox):

        def show(prompt: Prompt) -> None:
            if sandbox is not None:
                device = sandbox.services.logins.waiting(prompt.code, sandbox.services.now())
                assert device is not None
                device.account = sandbox.accounts[1]

        secret = await authority.device_login(show)
    assert authority.describe(secret).plan == "pro"


async def test_a_refresh_and_a_second_use_as_recorded(tmp_path: Path) -> None:
    async with recorded("refresh", tmp_path) as (authority, sandbox):
        secret = dict(SECRET)
        if sandbox is not None:
            secret = sandbox.accounts.auth_json(sandbox.accounts[0])
        fresh = await authority.refresh(secret, "expiry")
        assert fresh["tokens"]["access_token"] != secret["tokens"]["access_token"]  # type: ignore[index]
        assert fresh["last_refresh"]
    async with recorded("reused", tmp_path) as (authority, sandbox):
        if sandbox is not None:
            secret = sandbox.accounts.auth_json(sandbox.accounts[0])
            sandbox.accounts.refresh(sandbox.accounts[0].refresh_token)
        with pytest.raises(SignInEnded) as told:
            await authority.refresh(secret, "refused")
    assert told.value.code == "refresh_token_reused"


@pytest.mark.skipif(RECORDING, reason="they are being written")
def test_cassettes_hold_no_secret() -> None:
    files = sorted(FOLDER.glob("*.yaml"))
    assert [file.stem for file in files] == ["device", "login", "refresh", "reused"]
    for file in files:
        text = file.read_text()
        assert not re.search(r"rt_\w|ac_\w|127\.0\.0\.1|localhost", text), file.name
        assert "auth.openai.com" in text


# --- in the form of the profile --------------------------------------------------------------


@pytest.mark.parametrize("profile", ["codex@0.169.0", "codex@0.142.0"])
def test_a_refresh_has_the_form_of_the_release(profile: str) -> None:
    authority = CodexAuthority(Settings(profile=profile))
    request = authority._refresh_request(authority.credential(SECRET), "expiry")
    assert str(request.url) == "https://auth.openai.com/oauth/token"
    wanted = [entry.name for entry in load(profile).headers["refresh"]]
    assert [key.decode() for key, _ in request.headers.raw] == wanted
    body = json.loads(request.content)
    assert body["refresh_token"] == "rt_sesame"
    assert ("refresh_reason" in body) == (profile == "codex@0.169.0")
    assert body.get("refresh_reason", "proactive_expiry") == "proactive_expiry"


def test_and_a_plain_one_where_the_release_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = CodexAuthority(Settings())
    monkeypatch.setattr(authority, "_made", lambda *_: None)
    request = authority._refresh_request(authority.credential(SECRET), "asked")
    assert request.content == oauth.compact(oauth.refresh_body("rt_sesame", "asked"))


# --- against the sandbox -------------------------------------------------------------------------


async def test_refusals_of_a_refresh(server: Sandbox) -> None:
    authority = sign_ins.authority(server)
    secret = server.accounts.auth_json(server.accounts[0])
    server.accounts[0].refresh_error = "refresh_token_expired"
    with pytest.raises(SignInEnded, match="not used for too long") as told:
        await authority.refresh(secret, "expiry")
    await authority.close()
    assert secret["tokens"]["refresh_token"] not in str(told.value)


async def test_a_server_that_is_not_there(server: Sandbox) -> None:
    authority = sign_ins.authority(server)
    secret = server.accounts.auth_json(server.accounts[0])
    await server.stop()
    with pytest.raises(SignInUnavailable, match="can't be reached"):
        await authority.refresh(secret, "expiry")
    with pytest.raises(AccountError, match="can't be reached"):
        await authority.device_login(Person())
    assert await authority.quota(secret) is None
    await authority.close()


async def test_limits_are_asked_for(server: Sandbox) -> None:
    authority = sign_ins.authority(server)
    secret = server.accounts.auth_json(server.accounts[0])
    quota = await authority.quota(secret)
    await authority.close()
    assert quota is not None
    assert [window.span for window in quota.windows] == ["5-hour", "weekly"]
    assert quota.plan == "plus"


# --- files and keys ------------------------------------------------------------------------------


def test_a_file_is_read_and_only_what_is_known_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({**SECRET, "OPENAI_API_KEY": None, "agent_identity": "x"}))
    authority = CodexAuthority(Settings())
    assert authority.read_file(file) == SECRET
    file.write_text("{}")
    with pytest.raises(AccountError, match=r"auth\.json"):
        authority.read_file(file)
    with pytest.raises(AccountError, match="does not exist"):
        authority.read_file(tmp_path / "none")


def test_keys_are_neither_stale_nor_renewed() -> None:
    authority = CodexAuthority(Settings())
    secret = authority.with_key(" sk-sesame\n")
    described = authority.describe(secret)
    assert (described.kind, described.renewable, described.token) == ("apikey", False, "sk-sesame")
    assert not authority.stale(secret, 9e9)
    assert authority.import_warning(secret) == ""
    assert "sesame" not in repr(described)
    with pytest.raises(AccountError, match="no API key") as told:
        authority.with_key("sesame open")
    assert "sesame" not in str(told.value)
