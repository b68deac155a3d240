"""``floway regress`` as a user types it, its offline half."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fingerprints import trace_file
from tests.fingerprints.made_traces import made, with_headers
from tests.fingerprints.recordings import case
from tests.fingerprints.test_trace_view import exchange_of


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    for run in (1, 2):
        exchanges = [exchange_of(case(f"0.169.0/{name}")) for name in ("models", "usage")]
        trace = made(exchanges, run=run)
        trace_file.write(trace.model_copy(update={"client": "codex", "release": "0.169.0"}), folder)
    return folder


def test_recordings_that_are_as_they_were(floway, traces: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    words = ["regress", "--offline", "--traces", str(traces), "--report", str(report)]
    code, out, err = floway(*words)
    assert (code, out.split()[0]) == (0, "same")
    assert str(report) in err
    data = json.loads(report.read_text())
    assert data["golden"] == ["#1", "codex@0.169.0"]
    assert data["summary"]["requests"] == 6


def test_a_run_that_departs(floway, traces: Path) -> None:
    (file,) = traces.rglob("*-2.trace.json")
    trace = trace_file.read(file)
    headers = list(trace.exchanges[0].headers)
    trace_file.write(with_headers(trace, 1, headers[1:]), traces)
    code, out, _ = floway("regress", "--offline", "--traces", str(traces))
    assert code == 1
    assert "codex@0.169.0/turn-http#2 against codex@0.169.0" in out
    assert "codex@0.169.0/turn-http#2 against #1" in out


def test_recordings_without_profile_are_said(floway, traces: Path) -> None:
    trace = trace_file.read(next(traces.rglob("*-1.trace.json")))
    trace_file.write(trace.model_copy(update={"release": "0.1.0"}), traces)
    code, out, _ = floway("regress", "--offline", "--traces", str(traces))
    assert code == 0
    assert "without a profile, so compared with each other only: codex@0.1.0" in out


def test_nothing_chosen(floway, traces: Path, tmp_path: Path) -> None:
    code, _, err = floway("regress", "--offline", "--traces", str(traces), "-k", "nothing")
    assert code == 2
    assert "no recording is chosen" in err
    code, out, _ = floway("regress", "--offline", "--traces", str(tmp_path / "nowhere"))
    assert code == 3
    assert "does not exist" in out
