"""What the interface promises, run against every engine."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.store.contract import (
    MAX_NAME,
    MAX_SCAN,
    MAX_VALUE_BYTES,
    NO_RECORD,
    Entry,
    Store,
    StoreError,
    prefix_end,
)
from tests.store.conftest import Clock

VALUE = {"a": [1, 2.5, None, True, "ü \ud800"], "b": {"c": 2**80}}


async def test_a_record_comes_back_as_it_was_written(store: Store) -> None:
    written = await store.put("space", "key", VALUE)
    assert await store.get("space", "key") == written
    assert written.value == VALUE
    assert written.expires_at is None


async def test_namespaces_are_apart(store: Store) -> None:
    await store.put("one", "key", 1)
    assert await store.get("two", "key") is None
    assert await store.scan("two") == []
    assert not await store.delete("two", "key")


async def test_the_caller_does_not_share_its_object(store: Store) -> None:
    value = {"list": [1]}
    await store.put("space", "key", value)
    value["list"].append(2)
    record = await store.get("space", "key")
    assert record is not None
    assert record.value == {"list": [1]}


async def test_many_records_are_written_as_one_is(store: Store, clock: Clock) -> None:
    await store.put("space", "old", 1)
    entries = [Entry("space", "a", VALUE, 5), Entry("other", "b", 2), Entry("space", "old", [3])]
    await store.put_many([*entries, Entry("other", "b", 4)])
    assert {each.key: each.value for each in await store.scan("space")} == {"a": VALUE, "old": [3]}
    last = await store.get("other", "b")
    assert last is not None
    assert last.value == 4
    versions = [each.version for each in await store.scan("space")]
    assert len({*versions, last.version, NO_RECORD}) == 4
    clock.advance(6)
    assert [each.key for each in await store.scan("space")] == ["old"]
    await store.put_many([])


async def test_what_cannot_be_written_among_many_is_said(store: Store) -> None:
    for entry in (Entry("", "a", 1), Entry("space", "a", object()), Entry("space", "a", 1, -1)):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"namespace|JSON|ttl"):
            await store.put_many([entry])
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.put_many([Entry("space", "a", 1)])


async def test_every_write_has_a_new_version(store: Store) -> None:
    versions = [(await store.put("space", "key", 1)).version for _ in range(3)]
    await store.delete("space", "key")
    versions.append((await store.put("space", "key", 1)).version)
    assert len(set(versions)) == 4
    assert NO_RECORD not in versions


async def test_compare_and_set_writes_only_over_the_version_that_was_read(store: Store) -> None:
    first = await store.compare_and_set("space", "key", 1, version=NO_RECORD)
    assert first is not None
    assert await store.compare_and_set("space", "key", 2, version=NO_RECORD) is None
    second = await store.compare_and_set("space", "key", 2, version=first.version)
    assert second is not None
    assert await store.compare_and_set("space", "key", 3, version=first.version) is None
    record = await store.get("space", "key")
    assert record == second
    assert record is not None
    assert record.value == 2


async def test_a_version_from_before_a_deletion_is_stale(store: Store) -> None:
    old = await store.put("space", "key", 1)
    await store.delete("space", "key")
    await store.put("space", "key", 1)
    assert await store.compare_and_set("space", "key", 2, version=old.version) is None


async def test_of_many_writers_at_once_one_wins(store: Store) -> None:
    base = await store.put("space", "key", 0)
    results = await asyncio.gather(
        *(store.compare_and_set("space", "key", n, version=base.version) for n in range(1, 21))
    )
    assert sum(result is not None for result in results) == 1


async def test_an_expired_record_is_gone_for_every_method(store: Store, clock) -> None:
    written = await store.put("space", "key", 1, ttl=10)
    clock.advance(9.999)
    assert await store.get("space", "key") == written
    clock.advance(0.001)
    assert await store.get("space", "key") is None
    assert await store.scan("space") == []
    assert not await store.delete("space", "key")
    assert await store.compare_and_set("space", "key", 2, version=written.version) is None
    assert await store.compare_and_set("space", "key", 2, version=NO_RECORD) is not None


async def test_a_write_without_ttl_lifts_the_old_one(store: Store, clock) -> None:
    await store.put("space", "key", 1, ttl=10)
    await store.put("space", "key", 2)
    clock.advance(1e9)
    assert await store.get("space", "key") is not None


async def test_delete_says_whether_there_was_something(store: Store) -> None:
    record = await store.put("space", "key", 1)
    assert not await store.delete("space", "key", version=record.version + 1)
    assert await store.delete("space", "key", version=record.version)
    assert not await store.delete("space", "key")


async def test_scan_is_ordered_bounded_and_continues(store: Store) -> None:
    names = ["a", "a/1", "a/2", "a0", "b", "\ud7ff", "\uffff", "\U0001f600"]
    for name in reversed(names):
        await store.put("space", name, name)
    assert [record.key for record in await store.scan("space")] == sorted(names)
    assert [record.key for record in await store.scan("space", "a/")] == ["a/1", "a/2"]
    assert [record.key for record in await store.scan("space", "\ud7ff")] == ["\ud7ff"]
    seen: list[str] = []
    while page := await store.scan("space", after=seen[-1] if seen else "", limit=3):
        assert len(page) <= 3
        seen += [record.key for record in page]
    assert seen == sorted(names)


async def test_a_prefix_is_no_pattern(store: Store) -> None:
    for key in ("a%b", "axb", "A%b"):
        await store.put("space", key, 1)
    assert [record.key for record in await store.scan("space", "a%")] == ["a%b"]


async def test_sweep_removes_what_has_expired(store: Store, clock) -> None:
    await store.put("space", "short", 1, ttl=1)
    await store.put("space", "long", 1, ttl=100)
    await store.lease("name", "holder", 1)
    clock.advance(5)
    assert await store.sweep() == 2
    assert await store.sweep() == 0
    assert [record.key for record in await store.scan("space")] == ["long"]


async def test_writing_sweeps_by_itself(store: Store, clock) -> None:
    for n in range(100):
        await store.put("old", str(n), n, ttl=1)
    clock.advance(5)
    for n in range(300):
        await store.put("new", "key", n)
    assert await store.sweep() == 0


async def test_a_lease_is_held_by_one(store: Store, clock) -> None:
    first = await store.lease("name", "a", 10)
    assert first is not None
    assert await store.lease("name", "b", 10) is None
    assert await store.lease("other", "b", 10) is not None
    clock.advance(5)
    renewed = await store.lease("name", "a", 10)
    assert renewed is not None
    assert renewed.token == first.token
    assert renewed.expires_at == first.expires_at + 5
    clock.advance(9)
    assert await store.lease("name", "b", 10) is None
    clock.advance(1)
    taken = await store.lease("name", "b", 10)
    assert taken is not None
    assert taken.token > first.token
    assert await store.lease("name", "a", 10) is None


async def test_a_released_lease_is_free_at_once(store: Store, clock) -> None:
    first = await store.lease("name", "a", 10)
    assert not await store.release("name", "b")
    assert await store.release("name", "a")
    assert not await store.release("name", "a")
    second = await store.lease("name", "b", 10)
    assert first is not None
    assert second is not None
    assert second.token > first.token
    clock.advance(11)
    assert not await store.release("name", "b")


async def test_a_holder_that_comes_back_late_gets_a_new_token(store: Store, clock) -> None:
    first = await store.lease("name", "a", 10)
    clock.advance(11)
    second = await store.lease("name", "a", 10)
    assert first is not None
    assert second is not None
    assert second.token > first.token


async def test_of_many_that_ask_at_once_one_gets_the_lease(store: Store) -> None:
    results = await asyncio.gather(*(store.lease("name", str(n), 10) for n in range(20)))
    assert sum(result is not None for result in results) == 1


@pytest.mark.parametrize("bad", ["", "x" * (MAX_NAME + 1), "a\0b", "\ud800"])
async def test_names_out_of_bounds_are_refused(store: Store, bad: str) -> None:
    with pytest.raises(ValueError, match="namespace must"):
        await store.get(bad, "key")
    with pytest.raises(ValueError, match="key must"):
        await store.put("space", bad, 1)
    with pytest.raises(ValueError, match="holder must"):
        await store.lease("name", bad, 1)
    with pytest.raises(ValueError, match="name must"):
        await store.release(bad, "holder")


@pytest.mark.parametrize(
    "bad",
    [float("nan"), {"a": object()}, {1, 2}, "x" * MAX_VALUE_BYTES],
    ids=lambda v: type(v).__name__,
)
async def test_values_out_of_bounds_are_refused(store: Store, bad) -> None:
    with pytest.raises(ValueError, match=r"JSON|bytes"):
        await store.put("space", "key", bad)
    with pytest.raises(ValueError, match=r"JSON|bytes"):
        await store.compare_and_set("space", "key", bad, version=7)
    assert await store.get("space", "key") is None


@pytest.mark.parametrize("bad", [0, -1, float("inf"), float("nan")])
async def test_times_out_of_bounds_are_refused(store: Store, bad: float) -> None:
    with pytest.raises(ValueError, match="ttl must"):
        await store.put("space", "key", 1, ttl=bad)
    with pytest.raises(ValueError, match="seconds must"):
        await store.lease("name", "holder", bad)


@pytest.mark.parametrize("bad", [0, -1, MAX_SCAN + 1])
async def test_limits_out_of_bounds_are_refused(store: Store, bad: int) -> None:
    with pytest.raises(ValueError, match="limit must"):
        await store.scan("space", limit=bad)


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.get("space", "key")
    with pytest.raises(StoreError, match="closed"):
        await store.lease("name", "holder", 1)


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@given(prefix=_text, other=_text)
def test_prefix_end_divides_exactly(prefix: str, other: str) -> None:
    end = prefix_end(prefix)
    inside = other >= prefix and (end is None or other < end)
    assert inside == other.startswith(prefix)
