"""Made-up accounts: tokens, rotation, files; and their quota."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.sandbox.accounts import AUTH_CLAIM, Accounts, TokenRefused
from replay.sandbox.config import AccountSpec
from replay.sandbox.quota import Quota
from replay.sandbox.tokens import BadToken, make_jwt, read_jwt, seal, unseal


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(clock: Clock) -> Accounts:
    return Accounts(3, clock=clock, token_lifetime=1000)


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return found


def refused(accounts: Accounts, token: str) -> str:
    with pytest.raises(TokenRefused) as caught:
        accounts.bearer(token)
    return caught.value.code


def test_tokens_hold_what_clients_read(accounts: Accounts, clock: Clock) -> None:
    account = accounts[0]
    found = claims(accounts.access_token(account))
    assert found["exp"] == clock.now + 1000
    assert found[AUTH_CLAIM]["chatgpt_account_id"] == account.id
    assert found[AUTH_CLAIM]["chatgpt_plan_type"] == "plus"
    assert claims(account.id_token(clock.now))["email"] == "ada@example.com"


def test_accounts_are_the_same_after_a_restart(accounts: Accounts, clock: Clock) -> None:
    again = Accounts(3, clock=clock, token_lifetime=1000)
    assert again.bearer(accounts.access_token(accounts[1])).id == accounts[1].id
    assert [account.id for account in again] == [account.id for account in accounts]


def test_expiry_revocation_and_forgery(accounts: Accounts, clock: Clock) -> None:
    account = accounts[0]
    token = accounts.access_token(account)
    assert accounts.bearer(token) is account
    assert refused(accounts, accounts.access_token(account, lifetime=-1)) == "token_expired"
    clock.now += 1000
    assert refused(accounts, token) == "token_expired"
    fresh = accounts.access_token(account)
    account.expire_tokens()
    assert refused(accounts, fresh) == "token_expired"
    fresh = accounts.access_token(account)
    account.invalidate_tokens()
    assert refused(accounts, fresh) == "token_invalidated"
    fresh = accounts.access_token(account)
    assert accounts.bearer(fresh) is account
    head, payload, mark = fresh.split(".")
    assert refused(accounts, f"{head}.{payload[:-2]}AA.{mark}") == "token_invalidated"
    assert refused(accounts, "") == "token_invalidated"
    assert refused(accounts, make_jwt({"exp": clock.now + 9})) == "token_invalidated"


def test_refresh_rotates_and_a_used_token_is_known(accounts: Accounts) -> None:
    account = accounts[0]
    first = account.refresh_token
    found, answer = accounts.refresh(first)
    assert found is account
    assert accounts.bearer(answer["access_token"]) is account
    assert answer["refresh_token"] != first
    for token, code in (
        (first, "refresh_token_reused"),
        (answer["refresh_token"] + "x", "refresh_token_invalidated"),
        ("rt_nobody.0.x", "refresh_token_invalidated"),
        ("", "refresh_token_invalidated"),
    ):
        with pytest.raises(TokenRefused) as caught:
            accounts.refresh(token)
        assert caught.value.code == code
    account.refresh_error = "refresh_token_expired"
    with pytest.raises(TokenRefused, match="refresh_token_expired"):
        accounts.refresh(answer["refresh_token"])


def test_a_refresh_token_of_an_earlier_start_is_good(accounts: Accounts, clock: Clock) -> None:
    _, answer = accounts.refresh(accounts[0].refresh_token)
    restarted = Accounts(3, clock=clock, token_lifetime=1000)
    _, again = restarted.refresh(answer["refresh_token"])
    assert again["refresh_token"] != answer["refresh_token"]
    with pytest.raises(TokenRefused, match="reused"):
        restarted.refresh(answer["refresh_token"])


def test_auth_json_is_official_and_private(accounts: Accounts, tmp_path: Path) -> None:
    file = tmp_path / "home" / "auth.json"
    accounts.write_auth_json(accounts[2], file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    value = json.loads(file.read_text())
    assert list(value) == ["auth_mode", "OPENAI_API_KEY", "tokens", "last_refresh"]
    assert value["tokens"]["account_id"] == accounts[2].id
    assert accounts.bearer(value["tokens"]["access_token"]) is accounts[2]


def test_names_keys_and_bad_configurations(clock: Clock) -> None:
    specs = [AccountSpec("one", "free", "id-1"), AccountSpec("two")]
    accounts = Accounts(specs, clock=clock, token_lifetime=1)
    assert accounts.find("id-1") is accounts.find("one") is accounts.find("one@example.com")
    assert accounts.find("nobody") is None
    assert accounts.api_key(accounts[1].api_key) is accounts[1]
    assert accounts.api_key("sk-other") is None
    assert len(Accounts(25, clock=clock, token_lifetime=1)) == 25
    for bad in (0, [], [AccountSpec("a"), AccountSpec("a")]):
        with pytest.raises(ValueError, match="accounts"):
            Accounts(bad, clock=clock, token_lifetime=1)


@given(st.text(), st.text(), st.dictionaries(st.text(), st.integers(-9, 9)))
def test_sealed_content_opens_for_its_account_only(
    one: str, other: str, value: dict[str, int]
) -> None:
    value.pop("purpose", None)
    text = seal(one.encode("utf-8", "replace").decode(), "x", {**value})
    assert unseal(one.encode("utf-8", "replace").decode(), text) == {"purpose": "x", **value}
    if other.encode("utf-8", "replace") != one.encode("utf-8", "replace"):
        with pytest.raises(BadToken):
            unseal(other.encode("utf-8", "replace").decode(), text)


@given(st.text())
def test_no_text_is_a_token_by_chance(text: str) -> None:
    with pytest.raises(BadToken):
        read_jwt(text)


def test_quota_counts_rolls_over_and_is_told_alike_everywhere() -> None:
    quota, now = Quota(), 1000.0
    quota.set_used(50, 600, now)
    assert quota.exhausted(now) is None
    assert quota.headers("plus", now)["x-codex-primary-used-percent"] == "50"
    assert quota.headers("plus", now)["x-codex-primary-reset-at"] == "1600"
    frame = quota.frame("plus", now)["rate_limits"]["primary"]
    assert frame == {"used_percent": 50.0, "window_minutes": 300, "reset_at": 1600}
    usage = quota.usage("plus", now)["rate_limit"]
    assert usage["primary_window"]["used_percent"] == 50.0
    assert usage["allowed"]
    quota.add(quota.primary.limit_tokens, now)
    assert quota.exhausted(now) is quota.primary
    assert quota.usage("plus", now)["rate_limit"]["limit_reached"]
    assert quota.exhausted(1600.0) is None
    assert quota.primary.reset_at == 1600 + 300 * 60
