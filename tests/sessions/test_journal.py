"""The meter's records in the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from pathlib import Path

import pytest

from addons.operate.conversations import kept
from addons.sessions import journal as journals
from addons.sessions.facts import Prompt
from addons.sessions.journal import NAMESPACE, Journal
from addons.sessions.records import Entry
from addons.store.contract import StoreError
from addons.store.memory import MemoryStore
from addons.store.sqlite import SqliteStore
from tests.sessions.made import facts


async def test_what_is_counted_is_told() -> None:
    told: list[Entry] = []
    journal = Journal()
    journal.counted = told.append
    journal.start()
    for number in (1, 3):
        journal.report(facts(number, input=2000 + number))
    await journal.stop()
    assert [entry.input for entry in told] == [2001, 2003]


async def test_a_conversation_survives_a_restart(tmp_path: Path) -> None:
    async with await SqliteStore.open(tmp_path / "floway.db") as store:
        for number, cached in ((1, 0), (3, 1920)):
            journal = Journal(store)
            journal.start()
            journal.report(facts(number, input=2000 + number, cached=cached))
            await journal.stop()
        (found,) = await kept(store)
    assert (found.id, found.requests, found.eligible, found.cached) == ("session-1", 2, 1920, 1920)


async def test_it_is_written_while_floway_runs() -> None:
    written = asyncio.Event()

    class Watched(MemoryStore):
        async def put(self, *arguments: object, **more: object) -> object:  # type: ignore[override]
            written.set()
            return await super().put(*arguments, **more)  # type: ignore[arg-type]

    journal = Journal(Watched(), write_every=0)
    journal.start()
    journal.report(facts())
    async with asyncio.timeout(5):
        await written.wait()
    await journal.stop()


class Said(list[object]):
    """Items that can be seen to go."""


async def test_no_body_waits_for_the_store() -> None:
    class Stuck(MemoryStore):
        async def get(self, *_: object) -> None:  # type: ignore[override]
            await asyncio.Event().wait()

    journal, gone = Journal(Stuck()), [asyncio.Event() for _ in range(3)]
    journal.start()
    for number, event in enumerate(gone):
        items = Said([{"role": "user", "content": "hello"}])
        weakref.finalize(items, event.set)
        journal.report(facts(conversation=f"session-{number}", prompt=Prompt("rules", None, items)))
        del items
    async with asyncio.timeout(5):
        for event in gone:
            await event.wait()
    for task in journal._tasks:  # what it would do to end is read from the store first
        task.cancel()


@pytest.mark.parametrize(("seconds", "rounds"), [(60.0, 0), (-1.0, 5)])
def test_prompts_are_read_in_slices(
    monkeypatch: pytest.MonkeyPatch, seconds: float, rounds: int
) -> None:
    """Many in one round of a busy event loop, and others have their turn after each slice."""
    monkeypatch.setattr(journals, "SLICE", seconds)
    journal = Journal()
    for number in range(5):
        journal.report(facts(conversation=f"session-{number}"))
    digesting, turns = journal._digest(), 0
    with contextlib.suppress(StopIteration):
        while True:
            digesting.send(None)
            turns += 1
    assert turns == rounds
    assert [each.prompt.items for each in journal._waiting] == [()] * 5


async def test_what_left_the_memory_is_fetched_again() -> None:
    store = MemoryStore()
    journal = Journal(store)
    journal.meter._limit = 1
    journal.start()
    for name in ("a", "b", "a"):
        journal.report(facts(conversation=name, thread=name))
    await journal.stop()
    assert {each.id: each.requests for each in await kept(store)} == {"a": 2, "b": 1}


async def test_a_stop_in_the_middle_of_a_write_loses_nothing() -> None:
    entered = asyncio.Event()

    class Slow(MemoryStore):
        async def put(self, *arguments: object, **more: object) -> object:  # type: ignore[override]
            if not entered.is_set():
                entered.set()
                await asyncio.Event().wait()
            return await super().put(*arguments, **more)  # type: ignore[arg-type]

    store = Slow()
    journal = Journal(store, write_every=0)
    journal.start()
    journal.report(facts())
    async with asyncio.timeout(5):
        await entered.wait()
        await journal.stop()
    assert [each.requests for each in await kept(store)] == [1]


async def test_a_store_that_fails_costs_numbers_only(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        async def get(self, *_: object) -> None:  # type: ignore[override]
            raise StoreError("no disk")

        async def put(self, *_: object, **__: object) -> None:  # type: ignore[override]
            raise StoreError("no disk")

    caplog.set_level(logging.WARNING)
    journal = Journal(Broken())
    journal.start()
    journal.report(facts())
    await journal.stop()
    counted = journal.meter.get("local", "session-1")
    assert counted is not None
    assert counted.requests == 1
    assert [r.message for r in caplog.records if "no disk" in r.message] == [
        "what was counted of a conversation is forgotten: no disk",
        "what was counted of a conversation is not kept: no disk",
    ]


async def test_records_of_another_form_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    await store.put(NAMESPACE, "local:old", {"owner": 5})
    journal = Journal(store)
    journal.start()
    journal.report(facts(conversation="old"))
    journal.report(facts())
    await journal.stop()
    assert [each.id for each in await kept(store)] == ["old", "session-1"]
    await store.put(NAMESPACE, "local:old", {"owner": 5})
    assert [each.id for each in await kept(store)] == ["session-1"]
    assert "owner" in caplog.text


async def test_reports_that_nobody_counts_are_bounded() -> None:
    journal = Journal()
    for number in range(journals.MAX_WAITING + 10):
        journal.report(facts(conversation=f"session-{number}"))
    journal.start()
    await journal.stop()
    assert journal.meter.get("local", f"session-{journals.MAX_WAITING + 9}") is not None


async def test_a_journal_that_was_never_started_stops() -> None:
    await Journal().stop()
