"""Writing behind: soon, together, once, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from addons.store.contract import Entry, Store, StoreError
from addons.store.memory import MemoryStore
from addons.store.write_behind import BATCH, WriteBehind


class Watched(MemoryStore):
    """Counts its batches, and fails or waits when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def put_many(self, entries: Sequence[Entry]) -> None:
        self.asked.set()
        await self.gate.wait()
        if self.broken:
            raise StoreError("the disk is full")
        self.batches.append(len(entries))
        await super().put_many(entries)


async def keys(store: Store) -> dict[str, object]:
    return {each.key: each.value for each in await store.scan("space")}


async def test_changes_are_written_together_and_the_last_one_counts() -> None:
    store = Watched()
    behind = WriteBehind(store, delay=0)
    for number in range(3):
        behind.put("space", "a", lambda number=number: number)  # type: ignore[misc]
    behind.put("space", "b", lambda: 9, ttl=5)
    assert await keys(store) == {}
    await store.asked.wait()
    assert len(behind) == 0
    await behind.close()
    assert await keys(store) == {"a": 2, "b": 9}
    assert store.batches == [2]


async def test_a_value_is_made_when_it_is_written() -> None:
    store, made = Watched(), []
    behind = WriteBehind(store, delay=60)
    for number in range(5):
        behind.put("space", "a", lambda number=number: made.append(number) or number)  # type: ignore[misc,func-returns-value]
    await behind.flush()
    assert made == [4]
    await behind.close()


async def test_deletions_go_the_same_way() -> None:
    store = Watched()
    behind = WriteBehind(store, delay=60)
    behind.put("space", "a", lambda: 1)
    await behind.flush()
    behind.delete("space", "a")
    behind.delete("space", "never was")
    await behind.close()
    assert await keys(store) == {}


async def test_closing_writes_what_waits_also_what_is_under_way() -> None:
    store = Watched()
    store.gate.clear()
    behind = WriteBehind(store, delay=0)
    behind.put("space", "a", lambda: 1)
    await store.asked.wait()
    behind.put("space", "b", lambda: 2)
    closing = asyncio.create_task(behind.close())
    await asyncio.sleep(0)
    store.gate.set()
    await closing
    assert await keys(store) == {"a": 1, "b": 2}


async def test_many_changes_go_in_batches() -> None:
    store = Watched()
    behind = WriteBehind(store, delay=60)
    for number in range(BATCH + 1):
        behind.put("space", str(number), lambda: 1)
    await behind.close()
    assert store.batches == [BATCH, 1]


async def test_a_store_that_fails_is_said_and_costs_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Watched()
    behind = WriteBehind(store, delay=60)
    store.broken = True
    behind.put("space", "a", lambda: 1)
    await behind.flush()
    assert "the disk is full" in caplog.text
    store.broken = False
    behind.put("space", "b", lambda: 2)
    await behind.close()
    assert await keys(store) == {"b": 2}


async def test_what_waits_is_bounded_and_the_loss_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Watched()
    behind = WriteBehind(store, delay=60, limit=2)
    for key in "abc":
        behind.put("space", key, lambda: 1)
    await behind.close()
    assert set(await keys(store)) == {"b", "c"}
    assert "1 records are not kept" in caplog.text


async def test_without_a_store_nothing_waits() -> None:
    behind = WriteBehind(None)
    behind.put("space", "a", lambda: 1)
    behind.delete("space", "a")
    assert len(behind) == 0
    await behind.close()
