from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from addons.store.contract import Store
from addons.store.memory import MemoryStore
from addons.store.sqlite import SqliteStore


class Clock:
    """Time that only moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "floway.db"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, clock: Clock, path: Path) -> AsyncIterator[Store]:
    made: Store = (
        MemoryStore(clock=clock)
        if request.param == "memory"
        else await SqliteStore.open(path, clock=clock)
    )
    async with made:
        yield made
