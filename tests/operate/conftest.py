from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.operate.places import Place, place


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    """A floway whose accounts were added."""
    async with place(tmp_path / "home") as made:
        yield made


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Place]:
    """A floway that serves made-up accounts."""
    async with place(tmp_path / "sandbox", made_up=["ada", "ben"]) as made:
        yield made
