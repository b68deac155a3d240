"""The provider's failover by the user's settings, and what is learned once an answer was begun."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from addons.accounts import rota
from addons.accounts.cooldowns import Cooldown, Source
from addons.accounts.quota import Quota, Window
from addons.exchange import Exchange
from addons.front.routes import RouteTable
from addons.providers.codex import roster
from addons.providers.codex.provider import CodexProvider
from addons.providers.codex.upstream import Upstream
from addons.providers.contract import NextAccount, Outcome
from addons.settings import Settings
from tests.providers.codex.exchanges import LIMIT, OUTPUT, Clock, Side, accounts

BUSY = {"error": {"code": "too_many_jobs", "message": "Too many concurrent jobs"}}


def side_with(*labels: str, **settings: Any) -> Side:
    """A provider with these settings."""
    side = Side(own=accounts(*(labels or ("ada", "ben"))))
    side.provider = CodexProvider(
        Settings(**settings), None, Upstream.parse(side.url), side.own, clock=side.clock
    )
    side.routes = RouteTable(list(side.provider.routes()))
    return side


def cooling(side: Side) -> list[Cooldown]:
    return list(side.provider.operated().pool.cooldowns)


def about(number: int) -> dict[str, Any]:
    """A request of another conversation."""
    said = {"role": "user", "content": f"question {number}"}
    return {"model": "gpt-5.5", "input": [said], "stream": True}


async def committed(side: Side, *events: dict[str, Any]) -> Exchange:
    """An exchange whose answer has begun when these events come."""
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 200, OUTPUT)
    exchange.committed = True
    for event in events:
        side.provider.observe(exchange, event)
    await side.over(exchange, Outcome.FAILED)
    return exchange


# --- strategies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("round_robin", ["ada", "ben", "ada"]),
        ("fill_first", ["ada", "ada", "ada"]),
        ({"codex": "fill_first"}, ["ada", "ada", "ada"]),
        ({"*": "fill_first", "codex": "round_robin"}, ["ada", "ben", "ada"]),
        ({"other": "fill_first"}, ["ada", "ben", "ada"]),
    ],
)
async def test_the_strategy_is_the_provider_s_own(
    strategy: str | dict[str, str], expected: Sequence[str]
) -> None:
    side = side_with(strategy=strategy)
    exchanges = [side.exchange(body=about(number)) for number in range(3)]
    for exchange in exchanges:
        await side.sent(exchange)
    assert [exchange.attempts[0].account for exchange in exchanges] == expected


# --- waiting -------------------------------------------------------------------------------------


class Sleep:
    """Waits that were asked for; the provider's own clock goes on by them."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.clock: Clock | None = None

    async def __call__(self, seconds: float) -> None:
        assert self.clock is not None
        self.waits.append(seconds)
        self.clock.now += seconds


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Sleep:
    slept = Sleep()
    monkeypatch.setattr(rota.asyncio, "sleep", slept)
    return slept


async def test_it_waits_for_the_first_account_that_is_ready_again(sleep: Sleep) -> None:
    side = side_with(wait_seconds=20)
    sleep.clock = side.clock
    pool, now = side.provider.operated().pool, side.clock()
    for account, seconds in zip(side.own, (15.0, 10.0), strict=True):
        pool.cool(account, None, now + seconds, "limit", now=now)
    exchange = side.exchange()
    await side.sent(exchange)
    assert (exchange.attempts[0].account, sleep.waits) == ("ben", [10.0])


async def test_the_only_account_is_asked_again_after_its_time(sleep: Sleep) -> None:
    side = side_with("ada", wait_seconds="20s")
    sleep.clock = side.clock
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 429, {"detail": "slow"}, [("retry-after", "7")])
    await side.sent(exchange)
    assert [each.account for each in exchange.attempts] == ["ada", "ada"]
    assert sleep.waits == [7.0]


@pytest.mark.parametrize("patience", [0, 599])
async def test_it_does_not_wait_for_longer_than_the_user_wants(
    patience: float, sleep: Sleep
) -> None:
    side = side_with("ada", wait_seconds=patience)
    sleep.clock = side.clock
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 429, LIMIT)
    refused = await side.refused(exchange)
    assert (refused.error.status, sleep.waits) == (429, [])


async def test_who_leaves_while_waiting_is_not_served() -> None:
    side = side_with("ada", wait_seconds=60)
    pool, now = side.provider.operated().pool, side.clock()
    pool.cool(side.own[0], None, now + 30, "limit", now=now)
    waiting = asyncio.create_task(side.sent(side.exchange()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(cooling(side)) == 1


# --- the user's rules ----------------------------------------------------------------------------


async def test_a_rule_says_for_how_long_and_what() -> None:
    rule = {"status": 400, "text": "TOO MANY concurrent", "cooldown": "10m", "scope": "model"}
    side = side_with(cooldown_rules=[rule])
    exchange = side.exchange()
    await side.sent(exchange)
    verdict = side.answered(exchange, 400, BUSY)
    assert isinstance(verdict, NextAccount)
    await side.sent(exchange)
    assert exchange.attempts[-1].account == "ben"
    (each,) = cooling(side)
    assert (each.model, each.until - each.since, each.source) == ("gpt-5.5", 600, Source.RULE)


async def test_a_rule_may_ignore_what_floway_would_cool_for() -> None:
    rules = [{"text": "concurrent", "ignore": True}, {"status": 429, "cooldown": "1h"}]
    side = side_with(cooldown_rules=rules)
    exchange = side.exchange()
    await side.sent(exchange)
    assert not isinstance(side.answered(exchange, 429, BUSY), NextAccount)
    await side.over(exchange, Outcome.FAILED)
    assert cooling(side) == []


async def test_a_rule_without_a_cooldown_asks_another_account_and_cools_none() -> None:
    side = side_with(cooldown_rules=[{"status": 429, "cooldown": "0s"}])
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 429, LIMIT)
    await side.sent(exchange)
    assert [each.account for each in exchange.attempts] == ["ada", "ben"]
    assert cooling(side) == []


async def test_a_refused_sign_in_is_renewed_whatever_rules_say() -> None:
    side = side_with(cooldown_rules=[{"text": "expired", "cooldown": "1s"}])
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 401, {"error": {"code": "token_expired", "message": "expired"}})
    await side.sent(exchange)
    (each,) = cooling(side)
    assert each.until - each.since == 1800


async def test_rules_hold_inside_a_stream_too() -> None:
    side = side_with(cooldown_rules=[{"text": "slow_down", "cooldown": "5m"}])
    failed = {"type": "response.failed", "response": {"error": {"code": "slow_down"}}}
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 200, b"data: " + json.dumps(failed).encode() + b"\n\n")
    await side.sent(exchange)
    (each,) = cooling(side)
    assert (each.until - each.since, each.model) == (300, None)


# --- after the answer was begun ------------------------------------------------------------------


async def test_a_limit_in_mid_answer_cools_the_account_for_the_next_request() -> None:
    side = side_with()
    error = {"code": "usage_limit_reached", "resets_in_seconds": 600}
    failed = {"type": "response.failed", "response": {"status": "failed", "error": error}}
    exchange = await committed(side, failed)
    (each,) = cooling(side)
    assert (each.handle, each.until - each.since) == (side.own[0].handle, 600)
    assert exchange.attempts[0].account == "ada"
    assert await side.served_by(side.exchange()) == "ben"


async def test_a_refused_sign_in_in_mid_answer_is_looked_at_before_the_next_request() -> None:
    side = side_with()
    await committed(side, {"type": "error", "status": 401, "error": {"code": "token_expired"}})
    assert cooling(side) == []
    following = side.exchange()
    await side.sent(following)
    assert following.attempts[0].account == "ben"
    (each,) = cooling(side)
    assert each.reason == "token_expired: still refused after a refresh"


async def test_another_token_ends_the_doubt() -> None:
    side = side_with()
    await committed(side, {"type": "error", "status": 401, "error": {"code": "token_expired"}})
    credential = roster.credential_of(side.own[0])
    side.own[0].credential = replace(credential, access_token="another-token")
    assert await side.served_by(side.exchange()) == "ada"


async def test_what_is_the_request_s_own_fault_cools_nobody() -> None:
    side = side_with()
    for code in ("context_length_exceeded", "cyber_policy", "invalid_prompt"):
        await committed(side, {"type": "response.failed", "response": {"error": {"code": code}}})
    assert cooling(side) == []


# --- what is known of limits, and of models -----------------------------------------------------


async def test_a_refusal_without_a_time_takes_it_from_what_is_known() -> None:
    side = side_with()
    pool, now = side.provider.operated().pool, side.clock()
    windows = (Window("codex", "primary", 100.0, 300, now + 1234),)
    pool.observed(side.own[0], Quota(now - 5, windows))
    exchange = side.exchange()
    await side.sent(exchange)
    side.answered(exchange, 429, {"error": {"type": "usage_limit_reached"}})
    await side.sent(exchange)
    (each,) = cooling(side)
    assert (each.until, each.source) == (now + 1234, Source.UPSTREAM)


async def test_a_model_that_nobody_has_cools_nobody() -> None:
    side = side_with()
    text = "The 'gpt-5.5' model is not supported when using Codex with a ChatGPT account."
    for _ in range(2):
        exchange = side.exchange()
        for _ in side.own:
            await side.sent(exchange)
            side.answered(exchange, 400, {"detail": text})
        refused = await side.refused(exchange)
        assert refused.error.code == "model_not_found"
        assert cooling(side) == [], "after an update it is served at once"
