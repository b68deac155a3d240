"""Requests for one account alone, and in the form of another profile: as a replay asks for them."""

from __future__ import annotations

import pytest

from addons.errors import ClientError
from addons.providers.codex.planners import MOST, Planners
from addons.providers.codex.upstream import Upstream
from addons.settings import Settings
from tests.providers.codex.exchanges import (
    LIMIT,
    RELEASES,
    Side,
    accounts,
    differences,
    header,
)

NEW, OLD = RELEASES


@pytest.mark.parametrize("usual", RELEASES)
async def test_it_leaves_in_the_form_that_is_asked_for(usual: str) -> None:
    other = OLD if usual == NEW else NEW
    side = Side(profile=usual)
    exchange = side.exchange()
    exchange.profile = other
    request = await side.sent(exchange)
    assert differences(other, request) == []
    assert differences(usual, request) != []
    assert header(request, "version") == other.removeprefix("codex@")
    assert exchange.summary["profile"] == other
    usual_one = side.exchange()
    assert differences(usual, await side.sent(usual_one)) == []
    assert usual_one.summary["profile"] == usual


async def test_planners_are_made_once_and_not_too_many() -> None:
    planners = Planners(Settings(profile=NEW), Upstream.parse("http://127.0.0.1:9"), accounts("a"))
    exchange = Side().exchange()
    assert await planners.of(exchange) is planners.usual
    exchange.profile = NEW
    assert await planners.of(exchange) is planners.usual
    exchange.profile = OLD
    made = await planners.of(exchange)
    assert made is not planners.usual
    assert await planners.of(exchange) is made
    for number in range(MOST):
        planners._made[f"made-up-{number}"] = made
    exchange.profile = "codex@latest"
    await planners.of(exchange)
    assert len(planners._made) == MOST


async def test_a_profile_that_is_not_there() -> None:
    side = Side()
    exchange = side.exchange()
    exchange.profile = "codex@0.0.1"
    with pytest.raises(ClientError, match=r"codex@0\.0\.1") as raised:
        await side.provider.plan(exchange)
    assert (raised.value.status, raised.value.code) == (400, "profile_unusable")


# --- one account ---------------------------------------------------------------------------------


async def test_one_account_alone_serves_and_nothing_is_learned_of_the_conversation() -> None:
    side = Side(own=accounts("ada", "ben", "cleo"))
    usual = await side.served_by(side.exchange())
    wanted = next(name for name in ("ada", "ben", "cleo") if name != usual)
    alone = side.exchange()
    alone.only_account = wanted
    assert await side.served_by(alone) == wanted
    assert await side.served_by(side.exchange()) == usual, "the conversation stayed where it was"


async def test_where_that_one_can_t_no_other_is_asked() -> None:
    side = Side(own=accounts("ada", "ben"))
    alone = side.exchange()
    alone.only_account = "ben"
    await side.sent(alone)
    side.answered(alone, 429, LIMIT)
    refused = await side.refused(alone)
    assert refused.error.status == 429
    assert [attempt.account for attempt in alone.attempts] == ["ben"]
