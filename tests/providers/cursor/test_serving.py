"""Which account makes the next attempt, and what a verdict does to the last one."""

from __future__ import annotations

from typing import Any

import pytest

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.exchange import Attempt
from addons.providers.contract import Fail, NextAccount, RefreshCredentials, SameAccount
from addons.providers.cursor.progress import Progress
from addons.providers.cursor.serving import LENT, Serving
from tests.providers.cursor.provided import MODEL, Bench, user

BUSY = ClientError(429, "usage_limit_reached", "The limit is reached.")


class Case:
    """One exchange of a provider's serving."""

    def __init__(self, accounts: str = "ab", **settings: Any) -> None:
        self.bench = Bench(accounts, **settings)
        self.serving: Serving = self.bench.provider._serving
        self.exchange = self.bench.exchange(user("Hi"))
        self.exchange.conversation = "c"
        self.progress = Progress(model=MODEL)

    async def account(self) -> str:
        """Label of the account of the next attempt, or the code of the error."""
        found = await self.serving.account(self.exchange, self.progress)
        if isinstance(found, ClientError):
            return found.code
        self.progress.lend(found, self.bench.token(found.label), self.bench.now)
        return found.label

    def refused(self, verdict: Any) -> None:
        account = self.progress.account
        assert account is not None
        self.exchange.attempts.append(Attempt(account.label, verdict=verdict))


async def test_each_verdict_has_its_effect_once() -> None:
    case = Case("abc")
    assert await case.account() == "a"
    case.refused(SameAccount("hiccup", BUSY))
    assert await case.account() == "a"
    case.refused(NextAccount("limit", 60.0, BUSY, "model"))
    assert await case.account() == "b"
    case.refused(NextAccount("transport", 0.0, BUSY, "none"))
    assert await case.account() == "c"
    cooling = {case.bench.label(each.handle): each.model for each in case.serving.pool.cooldowns}
    assert cooling == {"a": MODEL}


async def test_refused_tokens_that_nothing_renews_cost_the_account() -> None:
    case = Case()
    assert await case.account() == "a"
    case.refused(RefreshCredentials("unauthenticated", BUSY))
    assert await case.account() == "b"
    (cooldown,) = case.serving.pool.cooldowns
    assert "still refused after a refresh" in cooldown.reason


async def test_a_token_that_was_renewed_meanwhile_is_tried() -> None:
    case = Case()
    assert await case.account() == "a"
    case.progress.lent = "an older one"
    case.refused(RefreshCredentials("unauthenticated", BUSY))
    assert await case.account() == "a"


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ({"status": 429, "cooldown": "5m"}, NextAccount),
        ({"text": "the limit", "ignore": True}, Fail),
        ({"status": 503, "ignore": True}, SameAccount),
    ],
)
def test_rules_of_the_user_s(rule: dict[str, Any], verdict: type) -> None:
    case = Case(cooldown_rules=[rule])
    given = SameAccount("hiccup", BUSY)
    found = case.serving.ruled(given)
    assert isinstance(found, verdict)
    if isinstance(found, NextAccount):
        assert found.cooldown == 300
    assert case.serving.ruled(given, final=False) is given


async def test_lent_accounts_stay_and_know_limits_of_their_own() -> None:
    case = Case()
    first = await case.serving.lent(case.exchange, case.progress)
    again = await case.serving.lent(case.exchange, case.progress)
    assert isinstance(first, Account)
    assert first is again
    case.serving.cool(first, LENT, NextAccount("limit", 60.0, BUSY, "model"))
    other = await case.serving.lent(case.exchange, case.progress)
    assert isinstance(other, Account)
    assert other is not first
    assert case.serving.pool.cooldowns.of(first.handle, MODEL, case.bench.now) is None
