"""Made-up sign-ins."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest

from replay.record import signin
from replay.sandbox.accounts import AUTH_CLAIM, TokenRefused
from replay.sandbox.tokens import read_jwt

ACCOUNT = "11111111-2222-4333-8444-555555555555"


def test_a_good_one_is_taken_by_its_own_sandbox_alone() -> None:
    accounts = signin.made_up_account("own", account_id=ACCOUNT)
    tokens = signin.chatgpt(accounts, accounts[0])["tokens"]
    assert accounts.bearer(tokens["access_token"]) is accounts[0]
    assert tokens["account_id"] == ACCOUNT
    claims = read_jwt(tokens["id_token"])
    assert claims[AUTH_CLAIM]["chatgpt_account_id"] == ACCOUNT
    assert claims["email"].endswith("@example.com")
    stranger = signin.made_up_account("other")
    with pytest.raises(TokenRefused, match="token_invalidated"):
        stranger.bearer(tokens["access_token"])


def test_an_expired_one_can_be_refreshed() -> None:
    accounts = signin.made_up_account()
    content = signin.chatgpt(accounts, accounts[0], "expired")
    with pytest.raises(TokenRefused, match="token_expired"):
        accounts.bearer(content["tokens"]["access_token"])
    assert read_jwt(content["tokens"]["access_token"])["exp"] < time.time()
    assert content["last_refresh"] < "2100"
    _, fresh = accounts.refresh(content["tokens"]["refresh_token"])
    assert accounts.bearer(fresh["access_token"]) is accounts[0]


def test_an_api_key() -> None:
    accounts = signin.made_up_account()
    content = signin.api_key(accounts[0])
    assert content["auth_mode"] == "apikey"
    assert accounts.api_key(content["OPENAI_API_KEY"]) is accounts[0]


def test_files_are_for_their_owner(tmp_path: Path) -> None:
    accounts = signin.made_up_account()
    content = signin.chatgpt(accounts, accounts[0])
    file = signin.write(tmp_path / "home", content)
    assert json.loads(file.read_text()) == content
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
