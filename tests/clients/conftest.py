"""Real clients against a real floway process.

The clients are looked for in the folder that ``FLOWAY_CLIENTS`` names: ``codex-VERSION``,
``opencode`` and ``claude-code``, each with ``node_modules/.bin/…`` as npm installs them. A client
that is not there skips its tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from replay.floway_process import Option
from tests.floway_process import Floway, running_floway

FOLDER = "FLOWAY_CLIENTS"

type StartFloway = Callable[..., Floway]


def find_client(folder: str, name: str) -> Path:
    """An installed client's program; skips the test where it is missing."""
    root = os.environ.get(FOLDER)
    if not root:
        pytest.skip(f"{FOLDER} does not name the folder with the installed clients")
    program = Path(root) / folder / "node_modules" / ".bin" / name
    if not program.exists():
        pytest.skip(f"{folder} is not installed in {FOLDER} ({program} is missing)")
    return program


@pytest.fixture(scope="module")
def start_floway_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartFloway]:
    """Starts floways that live as long as the module's tests."""
    yield from _starter(tmp_path_factory)


@pytest.fixture
def start_floway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartFloway]:
    """Starts floways that live as long as the test."""
    yield from _starter(tmp_path_factory)


def _starter(folders: pytest.TempPathFactory) -> Iterator[StartFloway]:
    with ExitStack() as stack:

        def start(*arguments: str, gate: str | None = None, **options: Option) -> Floway:
            home = folders.mktemp("floway")
            return stack.enter_context(running_floway(home, *arguments, gate=gate, **options))

        yield start
