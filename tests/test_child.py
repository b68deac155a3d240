"""Processes of one's own: what is told of them, and that nothing of them is left."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import psutil
import pytest

from replay.child import Child, ProcessFailed, free_port, neutral_environment
from tests.floway_process import until


def python(program: str, folder: Path, kind: type[Child] = Child) -> Child:
    return kind("it", [sys.executable, "-c", program], folder / "log")


def test_one_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    with python("print('the reason'); raise SystemExit(3)", tmp_path) as child:
        child.process.wait()
        with pytest.raises(ProcessFailed, match=r"it ended with code 3(.|\n)*the reason") as told:
            child.check()
        with pytest.raises(ProcessFailed, match="ended with code 3"):
            child.wait_until(lambda: False, "never")
    assert (told.value.what, told.value.output) == ("it ended with code 3", "the reason")


def test_one_that_is_not_ready_in_time(tmp_path: Path) -> None:
    with (
        python("import time; time.sleep(60)", tmp_path) as child,
        pytest.raises(ProcessFailed, match=r"it start: not within 0 s(.|\n)*\(nothing\)"),
    ):
        child.wait_until(lambda: False, "start", 0.0)


def test_the_users_settings_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLOWAY_HOME", "FLOWAY_MAX_ATTEMPTS", "https_proxy", "ALL_PROXY", "KEPT"):
        monkeypatch.setenv(name, "set")
    program = "import os; print(*(n for n, v in os.environ.items() if v in ('set', 'given')))"
    with python(program, tmp_path) as child:
        child.process.wait()
    assert child.log().split() == ["KEPT"]
    environment = neutral_environment(FLOWAY_HOME="given")
    command = [sys.executable, "-c", program]
    with Child("it", command, tmp_path / "log", environment=environment) as child:
        child.process.wait()
    assert sorted(child.log().split()) == ["FLOWAY_HOME", "KEPT"]


def test_it_ends_with_its_block_and_so_does_what_it_started(tmp_path: Path) -> None:
    program = """
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
import time; time.sleep(60)
"""
    with python(program, tmp_path) as child:
        child.wait_until(lambda: child.log().endswith("\n"), "start")
        started = psutil.Process(int(child.log()))
    assert child.process.returncode is not None
    until(lambda: not started.is_running() or started.status() == psutil.STATUS_ZOMBIE)


class Hasty(Child):
    stop_seconds = 0.1


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    program = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("begun", flush=True)
time.sleep(60)
"""
    child = python(program, tmp_path, Hasty)
    child.wait_until(lambda: "begun" in child.log(), "start")
    assert not child.stop()
    assert child.process.returncode is not None
    assert python("", tmp_path).stop()


def test_a_free_port() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[1] != free_port()
