"""Traces on their way to the disk: bounded, and never an error for whoever gives them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from addons.debug import trace_writer
from addons.debug.trace_writer import LIVE, Sink, TraceWriter
from fingerprints import trace_file
from fingerprints.capture import Capture, Recording
from fingerprints.trace import Origin, Trace
from tests.floway_process import until


def sink(scenario: str = "turn", *, live: bool = False) -> Sink:
    origin = Origin(tool="t", on="2026-11-21")
    return Sink(Capture(client="x", release="1", scenario=scenario, origin=origin), live=live)


def recording(path: str = "/", body: bytes = b"") -> Recording:
    return Recording(path, 1.0, "POST", "a", path, [], body=body)


def written(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*")) if folder.exists() else []


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[TraceWriter]:
    made = TraceWriter(tmp_path / "out", 1024 * 1024)
    yield made
    made.close()


def read(writer: TraceWriter) -> list[Trace]:
    return [trace_file.read(file) for file in trace_file.find([writer.folder])]


def test_writes_all_by_its_end(writer: TraceWriter) -> None:
    one = sink()
    for number in range(5):
        writer.add(one, recording(f"/{number}"))
    assert writer.close()
    [trace] = read(writer)
    assert [each.path for each in trace.exchanges] == [f"/{number}" for number in range(5)]


def test_writes_without_being_told_to_end(writer: TraceWriter) -> None:
    writer.add(sink(), recording("/a"))
    until(lambda: any(file.suffix == ".json" for file in written(writer.folder)))


def exchanges(writer: TraceWriter) -> int:
    files = [file for file in written(writer.folder) if file.suffix == ".json"]
    return len(trace_file.read(files[0]).exchanges) if files else 0


def test_goes_on_writing_the_same_trace(writer: TraceWriter) -> None:
    one = sink()
    for number in range(1, 4):
        writer.add(one, recording(f"/{number}"))
        until(partial(lambda wanted: exchanges(writer) == wanted, number))


def test_a_trace_of_nothing_is_written_only_for_a_run(writer: TraceWriter) -> None:
    writer.add(sink("run"), last=True)
    writer.add(sink(f"{LIVE}1", live=True), last=True)
    assert writer.close()
    assert [trace.scenario for trace in read(writer)] == ["run"]


def test_the_oldest_live_traces_go(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    kept = folder / "x" / "1" / "turn-http-1.trace.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("x" * 5000)
    before = folder / "y" / f"{LIVE}0-http-1.trace.json"
    before.parent.mkdir()
    before.write_text("x" * 1000)
    os.utime(before, (1, 1))
    writer = TraceWriter(folder, 4000)
    sizes = []
    for number in range(8):
        writer.add(sink(f"{LIVE}{number + 1}", live=True), recording(f"/{number}", b"y" * 150))
    assert writer.close()
    live = [file for file in written(folder) if file.name.startswith(LIVE)]
    sizes = [file.stat().st_size for file in live]
    assert 0 < sum(sizes) <= 4000
    assert not before.exists()
    assert kept.exists(), "only live traces are ever removed"
    newest = [f"{LIVE}{number}-http-1.trace.json" for number in range(9 - len(live), 9)]
    assert [file.name for file in live] == newest


def test_one_that_is_larger_than_the_limit_goes_too(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "out", 10)
    writer.add(sink(f"{LIVE}1", live=True), recording())
    assert writer.close()
    assert not [file for file in written(writer.folder) if file.is_file()]


def test_a_folder_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    writer = TraceWriter(blocked / "deep", 1000)
    for number in range(3):
        writer.add(sink(str(number)), recording())
    assert writer.close()
    [record] = caplog.records
    assert record.levelno == logging.WARNING, "an error at the start would end mitmdump"
    assert "traces cannot be written" in record.getMessage()


def test_a_recording_that_breaks_costs_only_itself(
    writer: TraceWriter, caplog: pytest.LogCaptureFixture
) -> None:
    one = sink()
    broken = recording()
    broken.headers = [("x",)]  # type: ignore[list-item]
    writer.add(one, broken)
    writer.add(one, recording("/fine"))
    assert writer.close()
    assert [each.path for each in read(writer)[0].exchanges] == ["/fine"]
    assert [record.getMessage() for record in caplog.records] == ["a trace was dropped"]


def test_more_than_can_wait_is_dropped(
    writer: TraceWriter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trace_writer, "PENDING_BYTES", 100)
    one = sink()
    writer.add(one, recording("/large", b"x" * 101))
    writer.add(one, recording("/small", b"x" * 10))
    assert writer.close()
    assert [each.path for each in read(writer)[0].exchanges] == ["/small"]
    assert "some is dropped" in caplog.text


def test_one_trace_has_a_bottom(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = TraceWriter(tmp_path / "out", 100)
    one = sink()
    writer.add(one, recording("/1", b"x" * 101))
    until(lambda: one.size > 100)
    writer.add(one, recording("/2"))
    writer.add(one, recording("/3"))
    assert writer.close()
    assert [each.path for each in read(writer)[0].exchanges] == ["/1"]
    assert caplog.text.count("floway_capture_limit_mb") == 1


def test_what_was_dropped_does_not_count_for_ever(
    writer: TraceWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_writer, "PENDING_BYTES", 100)
    one = sink()
    for number in range(5):
        writer.add(one, recording(f"/{number}", b"x" * 60))
        until(partial(lambda wanted: len(one.capture) == wanted, number + 1))
    assert writer.close()
