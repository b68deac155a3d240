"""Both engines against a plain model of the promises, over random histories."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from addons.store.contract import NO_RECORD, Store
from addons.store.memory import MemoryStore
from addons.store.sqlite import SqliteStore

KEYS = st.sampled_from(["a", "a/b", "b"])
TTLS = st.sampled_from([None, 1.0, 5.0])
HOLDERS = st.sampled_from(["x", "y"])


class Histories(RuleBasedStateMachine):
    """The model: a dict of (value, version, end), and one lease."""

    on_disk = False

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1000.0
        self.store: Store = (
            self.run(SqliteStore.open(self.path, clock=self.clock))
            if self.on_disk
            else MemoryStore(clock=self.clock)
        )
        self.records: dict[str, tuple[int, int, float]] = {}
        self.versions: set[int] = {NO_RECORD}
        self.held: tuple[str, int, float] | None = None
        self.tokens: list[int] = [0]

    @property
    def path(self) -> Path:
        return Path(self.folder.name) / "floway.db"

    def clock(self) -> float:
        return self.now

    def run(self, awaitable):
        return self.runner.run(awaitable)

    def live(self, key: str) -> tuple[int, int, float] | None:
        found = self.records.get(key)
        return found if found and found[2] > self.now else None

    def wrote(self, key: str, value: int, version: int, ttl: float | None) -> None:
        assert version not in self.versions
        self.versions.add(version)
        self.records[key] = (value, version, self.now + ttl if ttl else float("inf"))

    @rule(key=KEYS, value=st.integers(), ttl=TTLS)
    def put(self, key: str, value: int, ttl: float | None) -> None:
        record = self.run(self.store.put("space", key, value, ttl=ttl))
        self.wrote(key, value, record.version, ttl)

    @rule(key=KEYS, value=st.integers(), ttl=TTLS, data=st.data())
    def compare_and_set(self, key: str, value: int, ttl: float | None, data) -> None:
        version = data.draw(st.sampled_from(sorted(self.versions)))
        current = self.live(key)
        record = self.run(self.store.compare_and_set("space", key, value, version=version, ttl=ttl))
        assert (record is not None) == (version == (current[1] if current else NO_RECORD))
        if record:
            self.wrote(key, value, record.version, ttl)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert self.run(self.store.delete("space", key)) == (self.live(key) is not None)
        self.records.pop(key, None)

    @rule(holder=HOLDERS, seconds=st.sampled_from([1.0, 3.0]))
    def lease(self, holder: str, seconds: float) -> None:
        lease = self.run(self.store.lease("lease", holder, seconds))
        held = self.held if self.held and self.held[2] > self.now else None
        if held and held[0] != holder:
            assert lease is None
            return
        assert lease is not None
        assert lease.token == held[1] if held else lease.token > self.tokens[-1]
        self.tokens.append(lease.token)
        self.held = (holder, lease.token, self.now + seconds)

    @rule(holder=HOLDERS)
    def release(self, holder: str) -> None:
        mine = self.held is not None and self.held[0] == holder
        live = self.held is not None and self.held[2] > self.now
        assert self.run(self.store.release("lease", holder)) == (mine and live)
        if mine:
            self.held = None

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def sweep(self) -> None:
        self.run(self.store.sweep())

    @rule()
    def restart(self) -> None:
        if self.on_disk:
            self.run(self.store.close())
            self.store = self.run(SqliteStore.open(self.path, clock=self.clock))

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "store"):
            return
        found = {r.key: (r.value, r.version) for r in self.run(self.store.scan("space"))}
        assert found == {key: self.live(key)[:2] for key in self.records if self.live(key)}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.store.close())
            self.runner.close()
            self.folder.cleanup()


class DiskHistories(Histories):
    on_disk = True


@pytest.mark.parametrize(("machine", "examples"), [(Histories, 60), (DiskHistories, 15)])
def test_histories(machine: type[Histories], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
