"""Attempts that the provider makes itself: they count, are shown and end as those sent natively."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mitmproxy import http

from addons.driver import Replan
from addons.exchange import Exchange
from addons.providers.contract import Fail, Outcome, RefreshCredentials, Refuse, SameAccount, Tried
from tests.driven import BUSY, NEXT, Case
from tests.fakes import generated


def tried(account: str, verdict: Any = NEXT, status: int | None = 429) -> Tried:
    return Tried(account, verdict, status, said=b"no")


async def test_a_failed_attempt_of_the_provider_s_own_counts_and_is_shown() -> None:
    case = Case(tried("a"), tried("b", RefreshCredentials("stale", BUSY), 401), generated(b"x"))
    await case.driver.begin()
    assert case.driver.production is not None
    assert [(a.account, a.status, a.reason) for a in case.exchange.attempts] == [
        ("a", 429, "limit"),
        ("b", 401, "stale"),
        ("made", 200, ""),
    ]
    assert case.witnessed == [(1, "limit"), (2, "stale")]
    assert case.flow.request is case.client
    case.driver.production.cancel()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("plans", "settings", "attempts"),
    [
        ([tried("a", Fail("bad", BUSY))], {}, 1),
        ([tried("a"), Refuse(BUSY)], {}, 1),
        ([tried("a")], {"max_attempts": 3}, 3),
        ([tried("a", SameAccount("hiccup", BUSY, 5.0))], {"attempt_budget_seconds": 4.0}, 1),
    ],
    ids=["failure", "none is left", "attempts", "time"],
)
async def test_when_no_further_attempt_is_made_the_last_error_is_told(
    plans: list[Any], settings: dict[str, Any], attempts: int
) -> None:
    case = Case(*plans, **settings)
    await case.driver.begin()
    assert case.told == (429, "usage_limit_reached")
    assert len(case.exchange.attempts) == attempts
    assert case.driver.delivery.outcome(case.flow.response) is Outcome.FAILED


async def test_what_the_provider_sent_by_itself_is_what_is_shown() -> None:
    shown: list[tuple[str, int, bytes]] = []
    case = Case()
    request = case.provider.forward(case.exchange, "a").request
    case.provider.plans = [Tried("a", NEXT, 503, request, b"overloaded"), generated(b"x")]

    async def witness(flow: http.HTTPFlow, replan: Replan, exchange: Exchange) -> None:
        assert flow.response is not None
        shown.append((flow.request.headers["x-account"], flow.response.status_code, replan.body))

    case.driver._witness = witness
    await case.driver.begin()
    assert shown == [("a", 503, b"overloaded")]
    assert case.flow.request is case.client
    assert case.driver.production is not None
    case.driver.production.cancel()
    await asyncio.sleep(0)
