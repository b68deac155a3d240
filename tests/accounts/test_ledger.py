"""What a pool has learned outlives its process, and reaches others that share the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from addons.accounts.cooldowns import Cooldowns, Source
from addons.accounts.ledger import Ledger, end_cooldowns, kept_cooldowns
from addons.accounts.model import Account
from addons.accounts.pool import Pool
from addons.accounts.quota import Quota, Window
from addons.accounts.records import COOLDOWNS
from addons.accounts.seen import load_cooldowns, load_quota
from addons.accounts.states import States
from addons.errors import ClientError
from addons.store.contract import Store, StoreError
from addons.store.memory import MemoryStore
from addons.store.sqlite import SqliteStore

NOW = 1_800_000_000.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


class Process:
    """A pool with its ledger; writes when it is told to."""

    def __init__(self, store: Store, clock: Clock, *names: str) -> None:
        accounts = [Account("p", name, f"handle-{name}", object()) for name in names]
        self.clock = clock
        self.pool = Pool(accounts, cooldowns=Cooldowns(jitter=lambda: 0.0))
        self.ledger = Ledger("p", self.pool, store, clock=clock, period=3600, delay=3600)

    @property
    def a(self) -> Account:
        return self.pool.accounts[0]

    def until(self, account: Account | None = None, model: str = "m") -> float:
        found = self.pool.cooldowns.of((account or self.a).handle, model, self.clock.now)
        return 0.0 if found is None else found.until


@asynccontextmanager
async def process(store: Store, clock: Clock, *names: str) -> AsyncIterator[Process]:
    made = Process(store, clock, *(names or ("a", "b")))
    await made.ledger.start()
    try:
        yield made
    finally:
        await made.ledger.stop()


async def test_cooldowns_with_all_that_is_known_of_them_survive_a_restart() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    error = ClientError(429, "limit", "Used up.", details={"resets_at": 5})
    async with process(store, clock) as first:
        a, b = first.pool.accounts
        first.pool.cool(a, None, NOW + 60, "limit", now=NOW, source=Source.RULE, error=error)
        first.pool.back_off(b, "m", 5.0, "busy", now=NOW)
        before = list(first.pool.cooldowns)
    async with process(store, clock) as second:
        assert list(second.pool.cooldowns) == before
        found = second.pool.cooldowns.of(a.handle, "m", NOW)
        assert found is not None
        assert found.error is not None
        assert found.error.details == {"resets_at": 5}
        clock.now += 6
        again = second.pool.back_off(b, "m", 5.0, "busy", now=clock.now)
        assert again.level == 2, "the backoff goes on where it was"


async def test_limits_survive_a_restart() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    quota = Quota(NOW, (Window("main", "primary", 40.0, 300, NOW + 60),), "pro")
    async with process(store, clock) as first:
        first.pool.observed(first.a, quota)
    async with process(store, clock) as second:
        assert second.a.quota == quota


async def test_a_killed_process_loses_a_quarter_of_a_second_at_most(tmp_path: Path) -> None:
    clock = Clock()
    async with await SqliteStore.open(tmp_path / "floway.db", clock=clock) as store:
        killed = Process(store, clock, "a")
        killed.ledger = Ledger("p", killed.pool, store, clock=clock, period=3600, delay=0.0)
        await killed.ledger.start()
        killed.pool.cool(killed.a, None, NOW + 60, "limit", now=NOW)
        async with asyncio.timeout(20):
            while not await store.scan(COOLDOWNS):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)
        async with process(store, clock, "a") as second:  # the first one never says goodbye
            assert second.until() == NOW + 60
        await killed.ledger.stop()


async def test_processes_learn_from_each_other() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    async with process(store, clock) as one, process(store, clock) as other:
        one.pool.cool(one.a, "m", NOW + 60, "limit", now=NOW)
        await one.ledger.flush()
        assert await other.ledger.look()
        assert other.until() == NOW + 60
        assert not await other.ledger.look()
        clock.now += 1
        other.pool.cooldowns.clear(other.a.handle, all_models=True)
        await other.ledger.flush()
        await one.ledger.look()
        assert one.until() == 0


async def test_nobody_shortens_what_another_knows_better() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    async with process(store, clock) as one, process(store, clock) as other:
        one.pool.cool(one.a, None, NOW + 600, "weekly", now=NOW)
        await one.ledger.flush()
        clock.now += 1
        other.pool.cool(other.a, None, NOW + 60, "busy", now=clock.now)
        await other.ledger.flush()  # it has not looked
        assert [each.until for each in await kept_cooldowns(store, "p", clock.now)] == [NOW + 600]
        await other.ledger.look()
        assert other.until() == NOW + 600


async def test_what_was_ended_stays_so_for_those_who_write_late() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    async with process(store, clock) as one, process(store, clock) as other:
        one.pool.cool(one.a, None, NOW + 600, "weekly", now=NOW)
        other.pool.cool(other.a, None, NOW + 500, "weekly", now=NOW)
        await one.ledger.flush()
        clock.now += 1
        assert await end_cooldowns(store, "p", one.a.handle, clock.now) == 1
        await other.ledger.flush()
        for each in (one, other):
            await each.ledger.look()
            assert each.until() == 0
        clock.now += 1
        one.pool.cool(one.a, None, NOW + 30, "busy", now=clock.now)
        await one.ledger.flush()
        await other.ledger.look()
        assert other.until() == NOW + 30
        assert await end_cooldowns(store, "p", "handle-b", clock.now) == 0


async def test_a_change_that_follows_a_clear_at_once_does_not_undo_it() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    async with process(store, clock) as one:
        one.pool.cool(one.a, None, NOW + 600, "weekly", now=NOW)
        await one.ledger.flush()
        clock.now += 1
        one.pool.cooldowns.clear(one.a.handle, None)
        clock.now += 0.1
        one.pool.cool(one.a, None, NOW + 5, "busy", now=clock.now)
        await one.ledger.flush()
        assert [each.until for each in await kept_cooldowns(store, "p", clock.now)] == [NOW + 5]


async def test_a_clear_that_is_not_written_yet_is_not_undone_by_a_look() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    async with process(store, clock) as one, process(store, clock) as other:
        one.pool.cool(one.a, None, NOW + 600, "weekly", now=NOW)
        await one.ledger.flush()
        await other.ledger.look()
        clock.now += 1
        other.pool.cooldowns.clear(other.a.handle, None)
        one.pool.back_off(one.a, "other", 5.0, "busy", now=clock.now)
        await one.ledger.flush()
        assert await other.ledger.look()
        assert other.until() == 0
        assert other.until(model="other") == clock.now + 5


async def test_it_looks_by_itself() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    async with process(store, clock) as one:
        other = Process(store, clock, "a", "b")
        other.ledger = Ledger("p", other.pool, store, clock=clock, period=0.001, delay=0)
        await other.ledger.start()
        one.pool.cool(one.a, None, NOW + 60, "limit", now=NOW)
        await one.ledger.flush()
        async with asyncio.timeout(20):
            while other.until() == 0:  # noqa: ASYNC110 - it tells nobody when it has looked
                await asyncio.sleep(0.001)
        await other.ledger.stop()


async def test_whoever_looks_from_outside_sees_both() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    states = States(store, clock=clock)
    async with process(store, clock) as one:
        one.pool.cool(one.a, "m", NOW + 60, "limit", now=NOW)
        one.pool.observed(one.a, Quota(NOW, plan="pro"))
        await one.ledger.flush()
        seen = await states.seen("p", one.a.handle)
        assert load_cooldowns(one.a.handle, seen, NOW) == list(one.pool.cooldowns)
        assert load_quota(seen) == one.a.quota
        assert await states.seen("p", "handle-b") == {}


async def test_providers_do_not_share() -> None:
    store, clock = MemoryStore(clock=Clock()), Clock()
    async with process(store, clock) as one:
        one.pool.cool(one.a, None, NOW + 60, "limit", now=NOW)
    pool = Pool([Account("q", "a", "handle-a", object())])
    other = Ledger("q", pool, store, clock=clock)
    await other.start()
    assert list(pool.cooldowns) == []
    await other.stop()


async def test_a_clock_that_was_put_back_before_the_start() -> None:
    store, clock = MemoryStore(clock=lambda: NOW), Clock()
    clock.now = NOW + 400 * 86_400
    async with process(store, clock) as first:
        first.pool.cool(first.a, None, clock.now + 60, "limit", now=clock.now)
    clock.now = NOW
    async with process(store, clock) as second:
        assert second.until() == NOW + 60
        await second.ledger.flush()
    clock.now += 61
    async with process(store, clock) as third:
        assert third.until() == 0


def words(log: str) -> set[str]:
    return {text for text in ("are not seen", "not kept") if text in log}


async def test_a_store_that_fails_costs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        broken = False

        async def get(self, namespace: str, key: str) -> None:  # type: ignore[override]
            if self.broken:
                raise StoreError("the disk is gone")

    store, clock = Broken(clock=Clock()), Clock()
    made = Process(store, clock, "a")
    made.ledger = Ledger("p", made.pool, store, clock=clock, period=0.001, delay=0)
    await made.ledger.start()
    store.broken = True
    with caplog.at_level(logging.WARNING):
        made.pool.cool(made.a, None, NOW + 60, "limit", now=NOW)
        async with asyncio.timeout(20):
            while not {"are not seen", "not kept"} <= words(caplog.text):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    await made.ledger.stop()
    assert made.until() == NOW + 60
    assert caplog.text.count("are not seen") == 1


async def test_without_a_store_nothing_is_kept() -> None:
    pool = Pool([Account("p", "a", "h", object())])
    ledger = Ledger("p", pool, None)
    await ledger.start()
    pool.cool(pool.accounts[0], None, NOW + 60, "limit", now=NOW)
    await ledger.stop()
