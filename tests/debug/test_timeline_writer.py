"""Timelines on the disk: bounded, private, and nobody waits for them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from addons.debug import timeline_writer
from addons.debug.timeline_lines import Lines, Seen
from addons.debug.timeline_writer import SHARE, SUFFIX, TimelineWriter
from fingerprints.redaction import Redactor

NAME = f"one{SUFFIX}"


def writer(folder: Path, limit: int = 1_000_000) -> TimelineWriter:
    return TimelineWriter(folder, limit, lambda: Lines(Redactor(b"salt"), 10_000))


def seen(number: int = 0, body: bytes = b"{}") -> Seen:
    return Seen({"t": float(number), "event": "frame"}, body=body)


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_in_order_for_the_owner_only(tmp_path: Path) -> None:
    written = writer(tmp_path / "a" / "b")
    for number in range(3):
        written.add(NAME, seen(number))
    assert written.close()
    path = tmp_path / "a" / "b" / NAME
    assert [line["t"] for line in events(path)] == [0.0, 1.0, 2.0]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_oldest_files_go_first_and_foreign_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x" * 9000)
    for number in range(3):
        old = tmp_path / f"old{number}{SUFFIX}"
        old.write_text("x" * 3000)
        os.utime(old, (number, number))
    written = writer(tmp_path, 8000)
    written.add(NAME, seen(body=json.dumps({"x": "y" * 150}).encode()))
    assert written.close()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"notes.txt", f"old1{SUFFIX}", f"old2{SUFFIX}", NAME}
    assert sum(path.stat().st_size for path in tmp_path.glob(f"*{SUFFIX}")) <= 8000


def test_one_connection_has_its_share_and_says_so(tmp_path: Path) -> None:
    written = writer(tmp_path, 8000)
    for number in range(100):
        written.add(NAME, seen(number))
    assert written.close()
    found = events(tmp_path / NAME)
    assert found[-1]["event"] == "full"
    assert [line["event"] for line in found].count("full") == 1
    assert (tmp_path / NAME).stat().st_size <= 8000 // SHARE + 100


def test_a_folder_that_can_not_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    written = writer(tmp_path / "file")
    written.add(NAME, seen())
    written.add(NAME, seen())
    assert written.close()
    assert len(caplog.messages) == 1
    assert "Correct floway_timeline" in caplog.messages[0]
    assert caplog.records[0].levelname == "WARNING"


def test_more_than_can_be_written_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline_writer, "PENDING_BYTES", 1000)
    written = writer(tmp_path)
    begin = time.monotonic()
    written.add(NAME, seen(1, b"x" * 5000))
    written.add(NAME, seen(2))
    assert written.close()
    assert time.monotonic() - begin < 10
    assert [line["t"] for line in events(tmp_path / NAME)] == [2.0]
    assert "some is dropped" in caplog.text


def test_a_mistake_drops_a_line_and_not_the_thread(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written = writer(tmp_path)
    broken = seen()
    broken.facts = None  # type: ignore[assignment]
    written.add(NAME, broken)
    written.add(NAME, seen(1))
    assert written.close()
    assert len(events(tmp_path / NAME)) == 1
    assert "a line of a timeline was dropped" in caplog.text
