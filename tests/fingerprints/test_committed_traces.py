"""What is committed as traces or recordings holds no secret, no address, no path, no long text."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

from fingerprints import leaks

ROOT = Path(__file__).parents[2]

STAND_INS = {
    "Bearer made-up-token": "Bearer ⟨secret:1⟩",
    "Bearer sk-made-up": "Bearer sk-⟨secret:2⟩",
    '"rt1"': '"⟨secret:3⟩"',
    '"turnstate-1"': '"⟨secret:4⟩"',
    '"turnstate-2"': '"⟨secret:5⟩"',
    '"turnstate-3"': '"⟨secret:6⟩"',
    "https://example.com/o/r.git": "⟨remote:1⟩",
}
"""Words that the recordings in tests/fingerprints/data have in the place of real ones."""


@cache
def committed() -> tuple[Path, ...]:
    """Traces and test data that git knows, and those that are about to be added."""
    patterns = ("fingerprints/traces", "tests/**/data/**")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:  # not a clone: what is there counts
        folders = [ROOT / "fingerprints" / "traces", *(ROOT / "tests").rglob("data")]
        return tuple(
            file.relative_to(ROOT)
            for folder in folders
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        )
    names = (name for name in listed.stdout.split("\0") if name)
    return tuple(Path(name) for name in names if (ROOT / name).is_file())


def test_there_is_something_to_look_at() -> None:
    assert any(file.parts[0] == "tests" for file in committed())


@pytest.mark.parametrize("file", committed(), ids=str)
def test_nothing_leaks(file: Path) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    for word, placeholder in STAND_INS.items():
        text = text.replace(word, placeholder)
    assert [str(leak) for leak in leaks.in_file(text)] == []
