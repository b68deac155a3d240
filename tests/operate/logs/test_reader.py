"""The log file, filtered and followed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from addons.operate.logs import reader
from addons.operate.logs.reader import Follower, Wanted

LINES: list[dict[str, Any]] = [
    {"level": "debug", "event": "one", "conversation": "local:abc", "account": "ada"},
    {"level": "info", "event": "two", "conversation": "local:abd", "account": "ben"},
    {"level": "warning", "event": "account ada: three"},
    {"level": "alert", "event": "four"},
    {"level": "error", "event": "five", "account": "⟨email:7⟩"},
]


def write(path: Path, *lines: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["one", "two", "account ada: three", "four", "five"]),
        (Wanted(level="info"), ["two", "account ada: three", "four", "five"]),
        (Wanted(level="error"), ["five"]),
        (Wanted(conversation="abc"), ["one"]),
        (Wanted(account="ada"), ["one", "account ada: three"]),
        (Wanted(account="a@b.example", masked=lambda _: "⟨email:7⟩"), ["five"]),
        (Wanted(account="ad"), []),
    ],
)
def test_lines_that_are_wanted(tmp_path: Path, wanted: Wanted, found: list[str]) -> None:
    path = tmp_path / "log"
    write(path, *LINES)
    assert [line["event"] for line in reader.kept(path, wanted)] == found
    assert [line["event"] for line in reader.kept(path, wanted, 1)] == found[-1:]


def test_older_files_come_first_and_broken_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path.with_name("log.2"), {"event": 1})
    write(path.with_name("log.1"), {"event": 2})
    path.write_text('{"event": 3}\n[1]\n{"event": 4')
    assert [line["event"] for line in reader.kept(path, Wanted())] == [1, 2, 3]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        reader.kept(tmp_path / "log", Wanted())


def test_following_through_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    follower = Follower(path, Wanted(level="info"))
    assert list(follower.new()) == []
    write(path, *LINES[:2])
    assert [line["event"] for line in follower.new()] == ["two"]
    with path.open("a") as file:
        file.write('{"level": "info", "event": "cu')
        file.flush()
        assert list(follower.new()) == []
        file.write('t"}\n')
    path.rename(path.with_name("log.1"))
    assert [line["event"] for line in follower.new()] == ["cut"]
    write(path, {"level": "info", "event": "after"})
    assert [line["event"] for line in follower.new()] == ["after"]
    follower.close()


def test_following_begins_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, LINES[1])
    follower = Follower(path, Wanted())
    write(path, LINES[4])
    assert [line["event"] for line in follower.new()] == ["five"]
    follower.close()


def test_a_line_for_people() -> None:
    line = {"time": "2026-01-02T03:04:05.678+00:00", "level": "info", "event": "e"}
    assert reader.shown(line).endswith(":05.678 info    e")
    assert reader.shown({"traceback": "T", "event": "e"}) == "? ?       e\nT"
