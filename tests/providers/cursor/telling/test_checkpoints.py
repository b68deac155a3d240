"""States of conversations: kept whole, kept apart, bounded, and given up when they are spoiled."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from addons.providers.cursor.telling.blobs import BlobLimits, BlobMap
from addons.providers.cursor.telling.checkpoints import (
    HEADS,
    PARTS,
    CheckpointLimits,
    Checkpoints,
    Kept,
)
from addons.providers.cursor.telling.conversation import resolve
from addons.providers.cursor.telling.coverage import Cover
from addons.providers.cursor.telling.state import Checkpoint
from addons.store.contract import Store, StoreError
from addons.store.memory import MemoryStore
from addons.store.sqlite import SqliteStore
from tests.providers.cursor.said import body, user

KEY = "a" * 64


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def checkpoint(*contents: bytes, account: str = "ada", **changed: Any) -> Checkpoint:
    blobs = BlobMap({b"\xff" * 32: b"under an id of the server's"})
    ids = [blobs.put(content) for content in contents or (b"one", b"two")]
    state = b"\xa2\x38\x01?" + b"".join(b"\x0a\x20" + each for each in ids)
    return replace(
        Checkpoint(account, 0, state, blobs, Cover(2, "d", "s"), 500.0),
        **changed,
    )


def same(kept: Kept, wanted: Checkpoint) -> bool:
    found = kept.checkpoint
    assert found is not None
    return (
        dict(found.blobs.items()) == dict(wanted.blobs.items())
        and replace(found, blobs=wanted.blobs) == wanted
    )


async def parts(store: Store) -> set[str]:
    return {record.key for record in await store.scan(PARTS)}


# --- finding again -------------------------------------------------------------------------------


async def test_nothing_is_kept_of_an_unknown_conversation() -> None:
    assert await Checkpoints(None, Clock()).find(KEY) == Kept()


async def test_it_comes_back_byte_for_byte() -> None:
    checkpoints = Checkpoints(None, Clock())
    wanted = checkpoint(b"", bytes(range(256)), b"x" * 100_000)
    assert await checkpoints.keep(KEY, wanted) == ""
    assert same(await checkpoints.find(KEY), wanted)
    assert (await checkpoints.find("b" * 64)).checkpoint is None


async def test_it_comes_back_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    wanted = checkpoint(b"", bytes(range(256)))
    async with await SqliteStore.open(tmp_path / "floway.db", clock=clock) as store:
        await Checkpoints(store, clock).keep(KEY, wanted)
    async with await SqliteStore.open(tmp_path / "floway.db", clock=clock) as store:
        again = Checkpoints(store, clock)
        await again.load()
        assert (len(again), again.size) == (1, wanted.size)
        assert same(await again.find(KEY), wanted)
        clock.now += 1801
        assert (await again.find(KEY)).checkpoint is None


async def test_it_lives_half_an_hour_after_the_last_turn() -> None:
    clock = Clock()
    checkpoints = Checkpoints(None, clock)
    for number in range(5):
        turn = checkpoint(*(b"%d" % n for n in range(number + 1)), started=clock.now)
        await checkpoints.keep(KEY, turn)
        clock.now += 1799
        assert same(await checkpoints.find(KEY), turn)
        # All parts are there as well: the same from the store alone.
        fresh = Checkpoints(checkpoints._store, clock)
        assert same(await fresh.find(KEY), turn)
    clock.now += 1
    assert (await checkpoints.find(KEY)).checkpoint is None


async def test_the_record_of_a_conversation_has_one_owner() -> None:
    checkpoints = Checkpoints(None, Clock())
    await checkpoints.keep(KEY, checkpoint())
    bobs = checkpoint(b"three", account="bob", started=501.0)
    await checkpoints.keep(KEY, bobs)
    assert same(await checkpoints.find(KEY), bobs)


async def test_an_older_run_does_not_replace_a_newer_one() -> None:
    checkpoints = Checkpoints(None, Clock())
    newer = checkpoint(b"new", started=600.0)
    await checkpoints.keep(KEY, newer)
    assert await checkpoints.keep(KEY, checkpoint()) == "a newer one is kept"
    assert same(await checkpoints.find(KEY), newer)


async def test_two_processes_see_each_others() -> None:
    clock, store = Clock(), MemoryStore()
    one, two = Checkpoints(store, clock), Checkpoints(store, clock)
    await one.keep(KEY, checkpoint())
    assert same(await two.find(KEY), checkpoint())
    later = checkpoint(b"one", b"three", started=600.0)
    await two.keep(KEY, later)
    assert same(await one.find(KEY), later)


async def test_two_principals_who_say_the_same_share_nothing() -> None:
    checkpoints = Checkpoints(None, Clock())
    ada, bob = (resolve(name, {"x-session-id": "s"}, body(user("hi"))).key for name in ("a", "b"))
    await checkpoints.keep(ada, checkpoint())
    await checkpoints.spoiled(bob, 0)
    assert same(await checkpoints.find(ada), checkpoint())
    assert await checkpoints.find(bob) == Kept(1)


# --- parts ---------------------------------------------------------------------------------------


async def test_a_turn_writes_what_is_new_and_removes_what_is_not_needed() -> None:
    store = Counting()
    checkpoints = Checkpoints(store, Clock())
    await checkpoints.keep(KEY, checkpoint(b"one", b"two"))
    assert store.written == 4
    store.written = 0
    await checkpoints.keep(KEY, checkpoint(b"two", b"three", started=600.0))
    assert store.written == 2  # the new blob, and the state
    wanted = checkpoint(b"two", b"three")
    contents = [wanted.state, *(data for _, data in wanted.blobs.items())]
    assert await parts(store) == {f"{KEY}/{hashlib.sha256(data).hexdigest()}" for data in contents}
    await checkpoints.drop(KEY)
    assert await parts(store) == set()


class Counting(MemoryStore):
    def __init__(self) -> None:
        super().__init__(clock=Clock())
        self.written = 0

    async def put_many(self, entries: Any) -> None:
        self.written += len(entries)
        await super().put_many(entries)


@pytest.mark.parametrize("damage", ["gone", "broken", "other"])
async def test_a_checkpoint_that_is_not_whole_is_none(damage: str) -> None:
    store = MemoryStore()
    await Checkpoints(store, Clock()).keep(KEY, checkpoint())
    key = sorted(await parts(store))[0]
    if damage == "gone":
        await store.delete(PARTS, key)
    else:
        await store.put(PARTS, key, 7 if damage == "other" else "?")
    assert await Checkpoints(store, Clock()).find(KEY) == Kept()
    assert await store.get(HEADS, KEY) is None


async def test_a_record_of_another_version_is_none() -> None:
    store = MemoryStore()
    await store.put(HEADS, KEY, {"version": 99})
    checkpoints = Checkpoints(store, Clock())
    await checkpoints.load()
    assert await checkpoints.find(KEY) == Kept()
    assert await checkpoints.keep(KEY, checkpoint()) == ""
    assert same(await checkpoints.find(KEY), checkpoint())


# --- giving up -----------------------------------------------------------------------------------


async def test_a_spoiled_id_is_replaced_once_whoever_finds_out() -> None:
    clock, store = Clock(), MemoryStore()
    one, two = Checkpoints(store, clock), Checkpoints(store, clock)
    await one.keep(KEY, checkpoint())
    assert await asyncio.gather(one.spoiled(KEY, 0), two.spoiled(KEY, 0)) == [1, 1]
    assert await one.find(KEY) == await two.find(KEY) == Kept(1)
    assert await parts(store) == set()
    assert await one.spoiled(KEY, 1) == 2
    assert await two.spoiled(KEY, 0) == 2  # found out late
    assert (await Checkpoints(store, clock).find(KEY)).generation == 2


async def test_what_a_spoiled_id_still_gives_is_not_kept() -> None:
    checkpoints = Checkpoints(None, Clock())
    await checkpoints.spoiled(KEY, 0)
    assert await checkpoints.keep(KEY, checkpoint()) == "its id was spoiled meanwhile"
    assert (await checkpoints.find(KEY)).checkpoint is None
    assert await checkpoints.keep(KEY, checkpoint(generation=1)) == ""


async def test_dropping_keeps_the_id() -> None:
    checkpoints = Checkpoints(None, Clock())
    await checkpoints.spoiled(KEY, 0)
    await checkpoints.keep(KEY, checkpoint(generation=1))
    await checkpoints.drop(KEY)
    await checkpoints.drop(KEY)
    assert await checkpoints.find(KEY) == Kept(1)
    assert (len(checkpoints), checkpoints.size, checkpoints.size_in_memory) == (0, 0, 0)


class Failing(MemoryStore):
    async def get(self, *args: Any) -> Any:
        raise StoreError("the disk is full")


async def test_a_store_that_fails_costs_the_checkpoint_only() -> None:
    checkpoints = Checkpoints(Failing(), Clock())
    assert await checkpoints.keep(KEY, checkpoint()) == "the store failed"
    assert await checkpoints.find(KEY) == Kept()
    await checkpoints.drop(KEY)
    assert await checkpoints.spoiled(KEY, 3) == 4


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (CheckpointLimits(state_bytes=10), "the state has"),
        (CheckpointLimits(blobs=BlobLimits(count=2)), "2 blobs"),
        (CheckpointLimits(blobs=BlobLimits(each=4)), "more than 4"),
        (CheckpointLimits(blobs=BlobLimits(total=20)), "in all"),
    ],
)
async def test_one_that_is_too_large_is_not_kept(limits: CheckpointLimits, named: str) -> None:
    checkpoints = Checkpoints(None, Clock(), limits)
    state = b"\x0a\x20" + b"\xff" * 32
    assert named in await checkpoints.keep(
        KEY, checkpoint(b"12345", b"6", state=state + checkpoint(b"12345", b"6").state)
    )
    assert (await checkpoints.find(KEY)).checkpoint is None


async def test_what_nothing_refers_to_goes_first() -> None:
    limits = CheckpointLimits(blobs=BlobLimits(count=3))
    checkpoints = Checkpoints(None, Clock(), limits)
    given = checkpoint(b"one", b"two")
    given.blobs.put(b"left over")
    assert await checkpoints.keep(KEY, given) == ""
    found = (await checkpoints.find(KEY)).checkpoint
    assert found is not None
    assert sorted(data for _, data in found.blobs.items()) == [b"one", b"two"]


async def test_in_all_the_oldest_go_first() -> None:
    size = checkpoint(b"x" * 1000).size
    limits = CheckpointLimits(total_bytes=3 * size)
    clock, store = Clock(), MemoryStore()
    checkpoints = Checkpoints(store, clock, limits)
    for number in range(4):
        clock.now += 1
        await checkpoints.keep(f"{number}", checkpoint(b"x" * 1000))
        if number == 2:
            await checkpoints.find("0")
    assert checkpoints.size == 3 * size
    assert {record.key for record in await store.scan(HEADS)} == {"0", "2", "3"}
    smaller = Checkpoints(store, clock, CheckpointLimits(total_bytes=size))
    await smaller.load()
    assert len(smaller) == 1


async def test_memory_is_bounded_and_the_store_has_the_rest() -> None:
    size = checkpoint(b"x" * 1000).size
    checkpoints = Checkpoints(None, Clock(), CheckpointLimits(memory_bytes=2 * size))
    for number in range(5):
        await checkpoints.keep(f"{number}", checkpoint(b"x" * 1000))
    assert checkpoints.size_in_memory == 2 * size
    assert same(await checkpoints.find("0"), checkpoint(b"x" * 1000))
    assert checkpoints.size_in_memory == 2 * size
    tiny = Checkpoints(None, Clock(), CheckpointLimits(memory_bytes=1))
    await tiny.keep(KEY, checkpoint())
    assert tiny.size_in_memory == 0
    assert same(await tiny.find(KEY), checkpoint())


async def test_over_many_turns_it_does_not_grow() -> None:
    checkpoints = Checkpoints(store := MemoryStore(), Clock())
    for number in range(200):
        turn = checkpoint(b"system", b"turn %d" % number, started=float(number))
        await checkpoints.keep(KEY, turn)
    assert len(await parts(store)) == 4
    assert checkpoints.size == turn.size


# --- any order -----------------------------------------------------------------------------------


class Model(RuleBasedStateMachine):
    """Two processes on one store, against what a dict would do."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = MemoryStore(clock=self.clock)
        self.each = [Checkpoints(self.store, self.clock) for _ in range(2)]
        self.kept: dict[str, tuple[Checkpoint, float]] = {}
        self.generations: dict[str, int] = {}
        self.started = 0.0

    def do[T](self, made: Callable[[], Any]) -> Any:
        return asyncio.run(made())

    @rule(
        which=st.integers(0, 1),
        key=st.sampled_from("xy"),
        contents=st.lists(st.sampled_from([b"1", b"2", b"3", b""]), min_size=1, max_size=3),
        account=st.sampled_from(["ada", "bob"]),
        behind=st.booleans(),
    )
    def keep(self, which: int, key: str, contents: list[bytes], account: str, behind: bool) -> None:
        self.started += 1
        turn = checkpoint(
            *contents,
            account=account,
            generation=self.generations.get(key, 0) - behind,
            started=self.started,
        )
        if not self.do(lambda: self.each[which].keep(key, turn)):
            assert not behind
            self.kept[key] = (turn, self.clock.now + 1800)
        else:
            assert behind

    @rule(which=st.integers(0, 1), key=st.sampled_from("xy"))
    def drop(self, which: int, key: str) -> None:
        self.do(lambda: self.each[which].drop(key))
        self.kept.pop(key, None)

    @rule(which=st.integers(0, 1), key=st.sampled_from("xy"))
    def spoil(self, which: int, key: str) -> None:
        before = self.generations.get(key, 0)
        assert self.do(lambda: self.each[which].spoiled(key, before)) == before + 1
        self.generations[key] = before + 1
        self.kept.pop(key, None)

    @rule(which=st.integers(0, 1))
    def restart(self, which: int) -> None:
        self.each[which] = Checkpoints(self.store, self.clock)
        self.do(self.each[which].load)

    @precondition(lambda self: self.kept)
    @rule(seconds=st.sampled_from([1.0, 900.0, 1800.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def finds_what_was_kept(self) -> None:
        for key in "xy":
            for process in self.each:
                found = self.do(lambda p=process, k=key: p.find(k))
                assert found.generation == self.generations.get(key, 0)
                turn, ends = self.kept.get(key, (None, 0.0))
                if turn is None or ends <= self.clock.now:
                    assert found.checkpoint is None
                else:
                    assert same(found, turn)


TestAnyOrder = Model.TestCase
TestAnyOrder.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
