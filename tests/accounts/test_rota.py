"""Whose turn it is, with sign-ins that are as good as a test says; providers test their own."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from addons.accounts import rota
from addons.accounts.model import Account
from addons.accounts.rota import Rota
from addons.errors import ClientError
from addons.exchange import Attempt
from addons.front.routes import Route
from addons.providers.contract import (
    Commit,
    Fail,
    NextAccount,
    RefreshCredentials,
    SameAccount,
    Verdict,
)
from addons.settings import Settings
from tests.fakes import MODEL_ROUTE, SIDE_ROUTE, FakeProvider, exchange_of

BUSY = ClientError(429, "usage_limit_reached", "The limit is reached.")
STALE = RefreshCredentials("stale", ClientError(401, "unauthorized", "Who?"))


@dataclass
class Asked:
    model: str = "m"
    account: Account | None = None
    tried: set[str] = field(default_factory=set)
    settled: int = 0


class Case(Rota[Asked]):
    """One exchange.

    Attributes:
        bad: labels of accounts whose sign-ins are not good.
        renewable: labels of those that can be renewed.
    """

    def __init__(self, labels: str = "abc", route: Route = MODEL_ROUTE, **settings: Any) -> None:
        self.now = 1_800_000_000.0
        accounts = [Account("made-up", label, f"handle-{label}", object()) for label in labels]
        super().__init__("made-up", accounts, None, Settings(**settings), lambda: self.now)
        self.exchange = exchange_of(FakeProvider(), route)
        self.asked = Asked()
        self.bad = self.renewable = ""
        self.repeated = 0

    async def _signed_in(self, account: Account, asking: Asked) -> bool:
        if account.label in self.bad:
            asking.tried.add(account.handle)
        return account.label not in self.bad

    async def _renewed(self, account: Account, asking: Asked) -> bool:
        return account.label in self.renewable

    def _given_up(self, account: Account, refused: RefreshCredentials) -> NextAccount:
        return NextAccount(f"given up: {refused.reason}", 60.0, refused.error)

    async def _again(self, asking: Asked) -> None:
        self.repeated += 1

    async def next(self, verdict: Verdict | None = None) -> str:
        """Label of the account of the next attempt, or the code of the error.

        Args:
            verdict: on the last one.
        """
        if self.asked.account is not None:
            self.exchange.attempts.append(Attempt(self.asked.account.label, verdict=verdict))
        found = await self.account(self.exchange, self.asked)
        if isinstance(found, ClientError):
            return found.code
        self.asked.account = found
        return found.label

    def cooling(self) -> dict[str, str | None]:
        """Label to model."""
        return {each.handle.removeprefix("handle-"): each.model for each in self.pool.cooldowns}


async def test_each_verdict_has_its_effect_once() -> None:
    case = Case()
    assert await case.next() == "a"
    assert await case.next(SameAccount("hiccup", BUSY)) == "a"
    assert case.repeated == 1
    assert await case.next(NextAccount("limit", 60.0, BUSY, "model")) == "b"
    assert await case.settle(case.exchange, case.asked) is None
    assert await case.next(NextAccount("transport", 0.0, BUSY, "none")) == "c"
    assert await case.next(NextAccount("limit", 60.0, BUSY)) == "usage_limit_reached"
    assert case.cooling() == {"a": "m", "c": None}
    assert case.repeated == 1


async def test_each_choice_is_explained_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "addons.accounts.rota")
    case = Case("ab")
    await case.next()
    await case.next(NextAccount("limit", 60.0, BUSY))
    name = case.exchange.id
    told = [line for line in caplog.messages if line.startswith(f"exchange {name}")]
    assert told == [
        f"exchange {name}: account a: it is its turn",
        f"exchange {name}: account b: it is its turn; a: limit",
    ]


@pytest.mark.parametrize("verdict", [Commit(), Fail("no"), None])
async def test_other_verdicts_cost_no_account(verdict: Verdict | None) -> None:
    case = Case()
    await case.next()
    await case.next(verdict)
    assert (case.cooling(), case.asked.tried) == ({}, set())


async def test_refused_sign_ins_are_renewed_or_given_up() -> None:
    case = Case()
    case.renewable = "a"
    assert await case.next() == "a"
    assert await case.next(STALE) == "a"
    case.renewable = ""
    assert await case.next(STALE) == "b"
    (cooldown,) = case.pool.cooldowns
    assert cooldown.reason == "given up: stale"


async def test_accounts_whose_sign_in_is_not_good_are_passed_over() -> None:
    case = Case()
    case.bad = "ab"
    assert await case.next() == "c"
    case.bad = "abc"
    assert await case.next(NextAccount("limit", 0.0, BUSY, "none")) == BUSY.code


async def test_one_account_alone_tells_its_own_error() -> None:
    case = Case("a")
    assert await case.next() == "a"
    forbidden = ClientError(403, "upstream_forbidden", "No.")
    assert await case.next(NextAccount("limit", 60.0, forbidden)) == "upstream_forbidden"


async def test_limits_hold_for_model_requests_only() -> None:
    case = Case("a", SIDE_ROUTE)
    (account,) = case.pool.accounts
    case.cool(account, "m", NextAccount("limit", 60.0, BUSY))
    assert await case.next() == "a"
    banned = ClientError(403, "upstream_forbidden", "No.")
    case = Case("a", SIDE_ROUTE)
    (account,) = case.pool.accounts
    case.cool(account, "m", NextAccount("banned", 60.0, banned))
    assert await case.next() == "upstream_forbidden"


async def test_waiting_for_the_first_that_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("a", wait_seconds=30)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        case.now += seconds

    monkeypatch.setattr(rota.asyncio, "sleep", sleep)
    case.exchange.started = time.monotonic()
    assert await case.next() == "a"
    assert await case.next(NextAccount("limit", 20.0, BUSY, "model")) == "a"
    assert waits == [20.0]
    assert await case.next(NextAccount("limit", 60.0, BUSY, "model")) == BUSY.code
    case = Case("a", wait_seconds=30)
    case.exchange.started = time.monotonic() - 15.0
    assert await case.next() == "a"
    assert await case.next(NextAccount("limit", 20.0, BUSY, "model")) == BUSY.code
    assert len(waits) == 1
