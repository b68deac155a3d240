from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from addons.store.memory import MemoryStore
from tests.accounts.authorities import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with MemoryStore() as store:
        yield House(tmp_path / "credentials", store)
