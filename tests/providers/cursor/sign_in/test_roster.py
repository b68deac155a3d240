"""Accounts of the settings, of the sandbox and those that were added; their tokens."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from addons.accounts.authority import Reason, Secret
from addons.accounts.errors import AccountError, SignInEnded
from addons.accounts.model import Account
from addons.providers.cursor.provider import CursorProvider
from addons.providers.cursor.sign_in.authority import CursorAuthority
from addons.providers.cursor.sign_in.roster import Renewal, configured, credential_of, made_up
from addons.settings import Settings
from addons.settings_account import AccountEntry
from tests.providers.cursor.sign_in.test_sign_ins import FRESH, KEY, SECRET, jwt

END = 2_000_000_000


class Authority(CursorAuthority):
    """Gives new tokens as the test says."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.asked: list[tuple[str, Reason]] = []
        self.failure: AccountError | None = None
        self.release = asyncio.Event()
        self.release.set()

    async def refresh(self, secret: Secret, reason: Reason) -> Secret:
        self.asked.append((str(secret.get("apiKey") or secret.get("refreshToken")), reason))
        await self.release.wait()
        if self.failure is not None:
            raise self.failure
        return {**secret, "accessToken": FRESH}


def renewal(secret: dict[str, str]) -> tuple[Renewal, Account, Authority]:
    authority = Authority()
    accounts = made_up([("a", secret)])
    return Renewal(authority, accounts), accounts[0][0], authority


def entry(**members: Any) -> AccountEntry:
    return AccountEntry(provider="cursor", label="a", **members)


def test_accounts_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    file.write_text(json.dumps(SECRET))
    settings = Settings(
        accounts=[
            entry(auth_file=file, weight=2.0, priority=3),
            AccountEntry(provider="cursor", label="b", api_key=SecretStr(KEY)),
            AccountEntry(provider="codex", label="c", api_key=SecretStr("sk-x")),
        ]
    )
    (first, secret), (second, _) = configured(settings, CursorAuthority(settings))
    assert (first.label, first.weight, first.priority) == ("a", 2.0, 3)
    assert secret == SECRET
    assert credential_of(second).mode == "api_key"
    assert len({first.handle, second.handle}) == 2
    provider = CursorProvider.of_settings(settings, None)
    assert [account.label for account in provider.accounts] == ["a", "b"]


def test_a_file_that_can_not_be_used(tmp_path: Path) -> None:
    settings = Settings(accounts=[entry(auth_file=tmp_path / "none.json")])
    with pytest.raises(AccountError, match=r"none\.json can't be read"):
        configured(settings, CursorAuthority(settings))


async def test_a_good_token_is_left_alone() -> None:
    renew, account, authority = renewal(SECRET)
    assert await renew.usable(account, END - 301)
    assert authority.asked == []


@pytest.mark.parametrize(
    ("secret", "bearer"), [(SECRET, "rt"), ({"apiKey": KEY}, KEY)], ids=["login", "key"]
)
async def test_a_token_that_ends_soon_is_renewed_once(secret: dict[str, str], bearer: str) -> None:
    renew, account, authority = renewal(secret)
    authority.release.clear()
    both = [asyncio.ensure_future(renew.usable(account, END - 300)) for _ in range(2)]
    await asyncio.sleep(0)
    authority.release.set()
    assert await asyncio.gather(*both) == [True, True]
    assert authority.asked == [(bearer, "expiry")]
    assert credential_of(account).access_token == FRESH


async def test_a_refused_token_is_renewed_unless_it_was_already() -> None:
    renew, account, authority = renewal(SECRET)
    assert await renew.usable(account, 0, refused=SECRET["accessToken"])
    assert authority.asked == [("rt", "refused")]
    assert await renew.usable(account, 0, refused=SECRET["accessToken"])
    assert len(authority.asked) == 1, "there is another one by now"


async def test_a_sign_in_that_is_over(caplog: pytest.LogCaptureFixture) -> None:
    renew, account, authority = renewal(SECRET)
    authority.failure = SignInEnded("refused", "Cursor does not take the sign-in any more")
    assert not await renew.usable(account, END)
    assert "account a: Cursor does not take" in caplog.text


async def test_a_token_without_anything_to_renew_it_by() -> None:
    renew, account, _ = renewal({"accessToken": jwt(sub="auth0|x", exp=END)})
    assert await renew.usable(account, END), "the upstream will say"
    assert not await renew.usable(account, END, refused=credential_of(account).access_token)
