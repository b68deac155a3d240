"""Events of conversations: only real changes, with what they cost."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from addons.sessions.conversations import (
    ACCOUNT_CHANGED,
    MAX_EVENTS,
    NAMESPACE,
    Conversations,
    Event,
)
from addons.store.memory import MemoryStore
from addons.store.write_behind import WriteBehind


class Desk:
    def __init__(self, **bounds: Any) -> None:
        self.now = 1000.0
        self.store = MemoryStore(clock=lambda: self.now)
        self.behind = WriteBehind(self.store, delay=3600)
        self.bounds = bounds
        self.known = self.made()

    def made(self) -> Conversations:
        return Conversations(self.store, self.behind, lambda: self.now, **self.bounds)

    def answered(self, account: str, key: str = "c", **more: Any) -> Event | None:
        self.now += 1
        return self.known.answered(
            key, account, account.title(), started=more.pop("started", self.now - 1), **more
        )

    async def restart(self) -> None:
        await self.behind.close()
        self.known = self.made()
        await self.known.load()


async def test_a_change_of_account_is_told_with_its_cost() -> None:
    desk = Desk()
    assert desk.answered("ada", input_tokens=5000, cached_tokens=0) is None
    assert desk.answered("ada", input_tokens=6000, cached_tokens=4992) is None
    event = desk.answered("ben", input_tokens=7000, cached_tokens=1024, dropped=["reasoning"])
    assert event == Event(1003.0, ACCOUNT_CHANGED, "Ada", "Ben", ("reasoning",), 4976)
    assert desk.answered("ben", input_tokens=8000, cached_tokens=6912) is None, "stable again"
    await desk.restart()
    known = desk.known.get("c")
    assert known is not None
    assert (known.account, known.input_tokens, known.events) == ("ben", 8000, (event,))
    await desk.behind.close()


async def test_a_cost_that_nobody_knows_is_none() -> None:
    desk = Desk()
    desk.answered("ada")
    event = desk.answered("ben", input_tokens=1, cached_tokens=0)
    assert event is not None
    assert event.cost is None
    desk.answered("ben")
    cheap = desk.answered("ada", input_tokens=9, cached_tokens=5000)
    assert cheap is not None
    assert cheap.cost == 0
    await desk.behind.close()


async def test_a_late_answer_changes_nothing() -> None:
    desk = Desk()
    desk.answered("ada", started=10)
    desk.answered("ben", started=20)
    assert desk.answered("ada", started=15) is None
    known = desk.known.get("c")
    assert known is not None
    assert known.account == "ben"
    await desk.behind.close()


async def test_bounds() -> None:
    desk = Desk(limit=2, ttl=50)
    for key in "abc":
        desk.answered("ada", key)
    for number in range(MAX_EVENTS + 5):
        desk.answered(f"account {number}", "c")
    assert [key for key, _ in desk.known] == ["b", "c"]
    await desk.restart()
    assert {key for key, _ in desk.known} == {"b", "c"}
    known = desk.known.get("c")
    assert known is not None
    assert len(known.events) == MAX_EVENTS
    desk.now += 51
    await desk.restart()
    assert len(desk.known) == 0
    await desk.behind.close()


async def test_malformed_records_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.answered("ada")
    await desk.store.put(NAMESPACE, "bad", [])
    with caplog.at_level(logging.WARNING):
        await desk.restart()
    assert "malformed" in caplog.text
    assert len(desk.known) == 1
    await desk.behind.close()


async def test_without_a_store() -> None:
    known = Conversations(None, WriteBehind(None), lambda: 1.0)
    await known.load()
    known.answered("c", "ada", "Ada", started=1)
    assert len(known) == 1
