"""What is kept of accounts besides their secrets."""

from __future__ import annotations

from typing import Any

import pytest

from addons.accounts.states import STATES, Problem, State
from tests.accounts.authorities import House


async def test_enabled_until_someone_says_otherwise(house: House) -> None:
    assert await house.states.of("one", "h") == State()
    await house.states.enable("one", "h", False)
    assert await house.states.of("one", "h") == State(enabled=False)
    assert await house.states.of("two", "h") == State()


async def test_a_problem_and_a_switch_do_not_undo_each_other(house: House) -> None:
    await house.states.enable("one", "h", False)
    await house.states.ended("one", "h", "r1", "revoked", "It is over.")
    problem = Problem("r1", "revoked", "It is over.", house.clock())
    assert await house.states.of("one", "h") == State(False, problem)
    await house.states.enable("one", "h", True)
    assert await house.states.of("one", "h") == State(True, problem)


async def test_every_change_is_told(house: House) -> None:
    states = house.states
    versions = [await states.version()]
    for change in (
        states.enable("one", "h", False),
        states.ended("one", "h", "r", "c", "t"),
        states.pin("one", "h"),
        states.pin("one", None),
        states.forget("one", "h"),
    ):
        await change
        versions.append(await states.version())
    assert len(set(versions)) == len(versions)


async def test_who_is_forgotten_is_not_pinned_any_more(house: House) -> None:
    await house.states.pin("one", "h")
    await house.states.see("one", "h", {"quota": None})
    await house.states.forget("one", "other")
    assert await house.states.pinned("one") == "h"
    await house.states.forget("one", "h")
    assert await house.states.pinned("one") is None
    assert await house.states.seen("one", "h") == {}


@pytest.mark.parametrize(
    "value",
    [None, 5, [], {"enabled": "no"}, {"problem": 3}, {"problem": {"revision": 1, "code": "c"}}],
)
async def test_what_another_version_wrote_counts_as_nothing(house: House, value: Any) -> None:
    await house.store.put(STATES, "one:h", value)
    assert await house.states.of("one", "h") == State()
