"""Stand-ins for what recordings need: a client, and npm."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from replay.record.install import CODEX, Installed

FAKE = Path(__file__).with_name("fake_codex.py")


def install_fake(root: Path, release: str, mode: str) -> Path:
    """A fake client laid out as an installation of npm; gives its program."""
    folder = root / f"codex-{release}"
    program = folder / "node_modules" / ".bin" / "codex"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" {mode} "$@"\n')
    program.chmod(0o755)
    (folder / "installed").write_text(f"@openai/codex@{release}\n")
    return program


@pytest.fixture
def fake_client(tmp_path: Path) -> Callable[[str], Installed]:
    """Makes a client of a mode."""

    def make(mode: str) -> Installed:
        return Installed(CODEX, "9.9.9", install_fake(tmp_path / "clients", "9.9.9", mode))

    return make
