"""``floway logs``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from replay.cli import logs

LINES = [
    {"time": "2026-01-02T03:04:05+00:00", "level": "info", "event": "one", "account": "ada"},
    {"time": "2026-01-02T03:04:06+00:00", "level": "error", "event": "two", "account": "ben"},
]


@pytest.fixture
def log(home: Path) -> Path:
    path = home / "logs" / "floway.log"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


@pytest.mark.usefixtures("log")
def test_lines_are_filtered(floway) -> None:
    code, out, err = floway("logs", "--account", "ben")
    assert (code, err) == (0, "")
    assert out.endswith("error   two\n")
    assert out.count("\n") == 1
    assert json.loads(floway("logs", "--level", "error", "--json")[1]) == LINES[1]
    assert floway("logs", "-n", "1")[1].endswith("two\n")


def test_no_log_yet(floway) -> None:
    code, out, err = floway("logs")
    assert (code, out) == (1, "")
    assert "there is no log yet" in err


def test_no_log_is_kept(floway, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    home.mkdir()
    (home / "floway.toml").write_text('log_file = ""\n')
    code, _, err = floway("logs")
    assert code == 2
    assert "log_file" in err


def test_following(floway, monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
    looks = 0

    def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise KeyboardInterrupt
        with log.open("a") as file:
            file.write(json.dumps({"level": "info", "event": "three"}) + "\n")

    monkeypatch.setattr(logs.time, "sleep", sleep)
    code, out, _ = floway("logs", "--follow", "-n", "1")
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()] == ["two", "three"]
