"""Continuing a response: the whole history, within limits, or a clear no."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.sessions.responses import HEADS, ITEMS, Limits, Pending, ResponseLog
from addons.store.contract import Store, StoreError
from addons.store.memory import MemoryStore
from addons.store.write_behind import WriteBehind

DAY = 86_400.0


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A log over a store, as one floway after the other has it."""

    def __init__(self, limits: Limits | None = None, store: Store | None = None) -> None:
        self.clock = Clock()
        self.store: Store = store or MemoryStore(clock=self.clock)
        self.limits = limits or Limits()
        self.behind = WriteBehind(self.store, delay=3600)
        self.log = ResponseLog(self.store, self.behind, self.limits, self.clock)

    async def restart(self) -> None:
        await self.behind.close()
        self.behind = WriteBehind(self.store, delay=3600)
        self.log = ResponseLog(self.store, self.behind, self.limits, self.clock)
        await self.log.load()

    def commit(self, name: str, parent: str = "", *, stored: bool = True, **more: Any) -> None:
        pending = Pending(
            "p",
            "p:c",
            "a",
            items=[{"asked": name}] if stored else None,
            parent=parent,
            base=not parent,
        )
        self.log.commit(replace(pending, **more), name, [{"said": name}])

    async def refused(self, name: str, principal: str = "p") -> str:
        with pytest.raises(BadRequest) as caught:
            await self.log.history(principal, name)
        error = caught.value
        assert (error.status, error.param) == (400, "previous_response_id")
        assert name[:80] in error.message
        return error.code


def spoken(*names: str) -> list[dict[str, str]]:
    return [item for name in names for item in ({"asked": name}, {"said": name})]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    await made.behind.close()


@pytest.mark.parametrize("restart", [False, True])
async def test_a_history_is_all_that_was_asked_and_said(desk: Desk, restart: bool) -> None:
    desk.commit("a")
    desk.commit("b", "a")
    desk.commit("c", "b")
    desk.commit("fork", "a")
    if restart:
        await desk.restart()
    assert await desk.log.history("p", "c") == spoken("a", "b", "c")
    assert await desk.log.history("p", "fork") == spoken("a", "fork")
    assert await desk.log.history("p", "a") == spoken("a")
    first = desk.log.find("p", "a")
    assert first is not None
    assert first.child == "b", "the first that continued it"


async def test_a_base_is_where_a_history_begins(desk: Desk) -> None:
    desk.commit("a")
    desk.commit("compacted", "a", base=True)
    desk.commit("b", "compacted")
    assert await desk.log.history("p", "b") == spoken("compacted", "b")


async def test_whose_and_which(desk: Desk) -> None:
    desk.commit("a")
    assert await desk.refused("a", "someone else") == "previous_response_not_found"
    assert await desk.refused("b") == "previous_response_not_found"
    assert await desk.refused("x" * 300) == "previous_response_not_found"
    desk.commit("unstored", "a", stored=False)
    desk.commit("after", "unstored")
    for name in ("unstored", "after"):
        assert await desk.refused(name) == "previous_response_not_stored"


async def test_a_response_without_a_usable_id_is_not_kept(desk: Desk) -> None:
    for name in (None, "", "ü", 7):
        assert desk.log.commit(Pending("p", "c", "a"), name, []) is None
    assert len(desk.log) == 0


async def test_an_unknown_parent_is_said_when_it_is_asked_for(desk: Desk) -> None:
    desk.commit("b", "never seen")
    assert await desk.refused("b") == "previous_response_not_found"


async def test_limits() -> None:
    desk = Desk(Limits(continue_bytes=80))
    desk.commit("a")
    desk.commit("b", "a")
    assert await desk.log.history("p", "b") == spoken("a", "b")
    desk.commit("c", "b")
    assert await desk.refused("c") == "previous_response_too_large"
    desk.commit("long" * 30)
    assert await desk.refused("long" * 30) == "previous_response_not_stored"
    nothing = Desk(Limits(item_bytes=0))
    nothing.commit("a")
    assert await nothing.refused("a") == "previous_response_not_stored"
    for each in (desk, nothing):
        await each.behind.close()


async def test_the_oldest_make_room_in_the_store_as_well() -> None:
    desk = Desk(Limits(item_bytes=60))
    for name in "abcd":
        desk.commit(name)
    await desk.restart()
    heads = {each.key for each in await desk.store.scan(HEADS)}
    assert heads == {"p:c", "p:d"}
    assert heads == {each.key for each in await desk.store.scan(ITEMS)}
    assert await desk.refused("a") == "previous_response_not_found"
    assert await desk.log.history("p", "d") == spoken("d")
    await desk.behind.close()


async def test_a_response_lives_for_its_time_and_longer_when_it_is_used() -> None:
    desk = Desk(Limits(seconds=10 * DAY))
    desk.commit("a")
    desk.commit("b", "a")
    desk.commit("unused")
    desk.clock.now += 6 * DAY
    assert await desk.log.history("p", "b") == spoken("a", "b")
    desk.clock.now += 6 * DAY
    await desk.restart()
    assert await desk.log.history("p", "b") == spoken("a", "b")
    assert await desk.refused("unused") == "previous_response_not_found"
    await desk.behind.close()


async def test_what_a_provider_attaches_is_found_again(desk: Desk) -> None:
    desk.commit("a", metadata={"some": {"window": 0}})
    desk.commit("b", "a", metadata={"some": {"window": 1}}, parent_metadata={"some": {"next": 2}})
    await desk.restart()
    found = [desk.log.find("p", name) for name in "ab"]
    assert [each.metadata if each else None for each in found] == [
        {"some": {"next": 2}},
        {"some": {"window": 1}},
    ]


class BrokenStore(MemoryStore):
    async def get(self, *_: Any) -> Any:
        raise StoreError("locked")


async def test_a_store_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(store=BrokenStore())
    desk.commit("a")
    assert await desk.log.history("p", "a") == spoken("a"), "from memory"
    await desk.restart()
    assert await desk.refused("a") == "previous_response_not_found"
    assert "locked" in caplog.text


async def test_what_another_process_has_committed_is_found(desk: Desk) -> None:
    other = Desk(store=desk.store)
    other.clock.now = desk.clock.now
    await other.log.load()
    desk.commit("a")
    desk.commit("b", "a")
    await desk.behind.flush()
    assert other.log.find("p", "b") is None
    assert await other.log.history("p", "b") == spoken("a", "b")
    assert other.log.find("p", "b") is not None
    await desk.store.put(HEADS, "p:bad", [])
    assert await other.refused("bad") == "previous_response_not_found"
    await other.behind.close()


async def test_malformed_records_are_passed_over(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.commit("a")
    await desk.behind.flush()
    await desk.store.put(HEADS, "p:bad", {"id": 3})
    with caplog.at_level(logging.WARNING):
        await desk.restart()
    assert "malformed" in caplog.text
    assert await desk.log.history("p", "a") == spoken("a")


async def test_without_a_store_the_process_remembers() -> None:
    log = ResponseLog(None, WriteBehind(None), Limits(), Clock())
    await log.load()
    log.commit(Pending("p", "c", "a", items=["x"]), "a", ["y"])
    assert await log.history("p", "a") == ["x", "y"]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=12))
async def test_any_tree_of_responses_is_read_along_its_branches(
    steps: list[tuple[int, bool]],
) -> None:
    desk = Desk()
    paths: dict[str, list[str]] = {}
    for number, (choice, root) in enumerate(steps):
        name = f"r{number}"
        parent = "" if root or not number else f"r{choice % number}"
        desk.commit(name, parent)
        paths[name] = [*paths.get(parent, []), name]
    await desk.restart()
    for name, path in paths.items():
        assert await desk.log.history("p", name) == spoken(*path)
    await desk.behind.close()
