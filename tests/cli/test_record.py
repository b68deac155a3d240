"""``floway record``, with a stand-in for the client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fingerprints import trace_file
from tests.record.conftest import install_fake


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a folder of clients: 9.9.9 works, 9.9.8 fails, 9.9.7 hangs. No npm."""
    for release, mode in (("9.9.9", "good"), ("9.9.8", "fails"), ("9.9.7", "hangs")):
        install_fake(tmp_path / "clients", release, mode)
    monkeypatch.setenv("FLOWAY_CLIENTS", str(tmp_path / "clients"))
    monkeypatch.setenv("FLOWAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_scenarios_are_listed(floway) -> None:
    code, out, _ = floway("record", "codex", "--list", "--scenario", "tool", "--scenario", "turn")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["scenario", "turn", "tool"]
    assert "http, other model" in out


def test_wrong_usage(floway, places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = floway("record", "codex", "--scenario", "nonsense")
    assert (code, err.splitlines()[0][:46]) == (2, "floway: no scenario is called nonsense; there ")
    code, _, err = floway("record", "codex", "--version", "no/release")
    assert code == 2
    assert "is no release of @openai/codex" in err
    assert floway("record", "codex", "--runs", "0")[0] == 2
    monkeypatch.setenv("PATH", str(places))
    code, _, err = floway("record", "codex", "--version", "9.9.1", "--scenario", "expired")
    assert code == 1
    assert "npm is not installed" in err


@pytest.mark.slow
def test_a_recording(floway, places: Path) -> None:
    arguments = ["--version", "9.9.9", "--scenario", "turn", "--scenario", "fork", "--runs", "1"]
    code, out, err = floway("record", "codex", *arguments, "--jobs", "3", "--out", "here")
    assert code == 0, out + err
    rows = [line.split() for line in out.splitlines()]
    assert ["turn", "http", "1/1", "2", "recorded"] in rows
    assert "9.9.9 asks for no WebSocket" in out
    assert "9.9.9 has no `codex exec fork` or `codex fork`" in out
    files = trace_file.find([places / "here"])
    assert f"{len(files)} traces in here/codex/9.9.9" in out
    assert "recording codex 9.9.9: 9 runs" in err


@pytest.mark.slow
def test_a_failure_is_shown_and_is_the_exit_code(floway, places: Path) -> None:
    arguments = ["--version", "9.9.8", "--scenario", "expired", "--runs", "1"]
    code, out, _ = floway("record", "codex", *arguments, "--out", "here")
    assert code == 1
    assert "no luck in ⟨folder⟩/home with ⟨secret⟩" in out
    assert "no trace was written" in out
    assert not (places / "here").exists() or not list((places / "here").rglob("*.trace.json"))


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_an_interrupted_recording_leaves_nothing_behind(places: Path, signum: int) -> None:
    command = [sys.executable, "-m", "replay.cli", "record", "codex", "--version", "9.9.7"]
    command += ["--scenario", "expired", "--jobs", "2", "--out", str(places / "here")]
    with (places / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], env=os.environ, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 60
        while len(found := list((places / "cache").rglob("hanging"))) < 2:
            assert process.poll() is None, (places / "log").read_text()
            assert time.monotonic() < end, (places / "log").read_text()
            time.sleep(0.05)
        servers = [int(file.read_text() or 0) for file in found]
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 4  # a proxy and a client of each recording
        process.send_signal(signum)
        assert process.wait(60) == 130, (places / "log").read_text()
    finally:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []
    assert not [pid for pid in servers if psutil.pid_exists(pid)]
    assert list((places / "cache" / "record" / "runs").iterdir()) == []
    assert "everything that was started has been stopped" in (places / "log").read_text()
