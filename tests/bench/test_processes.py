from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from replay.bench.processes import (
    Child,
    ProcessFailed,
    Worker,
    free_port,
    healthy,
    listens,
    parse_processor,
    parse_resident,
    processor_seconds,
    resident_bytes,
)


def test_resident_memory_in_proc():
    assert parse_resident("Name:\tx\nVmHWM:\t  99 kB\nVmRSS:\t   12 kB\n") == 12_288
    with pytest.raises(ValueError, match="no VmRSS"):
        parse_resident("Name:\tx\nState:\tZ (zombie)\n")


def test_processor_time_in_proc():
    stat = "7 (a) b (c) S 1 7 7 0 -1 0 1 2 3 4 250 50 9 9 20 0 1"
    assert parse_processor(stat) == 300


def test_this_process():
    assert 2**20 < resident_bytes(os.getpid()) < 2**36
    seconds = processor_seconds(os.getpid())
    assert seconds is None or 0 < seconds <= time.process_time() + 1


def test_nobody_listens():
    port = free_port()
    assert not listens(port)
    assert not healthy(port)


def test_a_process_that_ends_is_told_with_its_log(tmp_path: Path):
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with Child("it", command, tmp_path / "log") as child:
        child.process.wait()
        with pytest.raises(ProcessFailed, match=r"it ended with code 3(.|\n)*the reason"):
            child.check()
        with pytest.raises(ProcessFailed):
            child.wait_until(lambda: False, "never")


def test_the_users_settings_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("FLOWAY_HOME", "FLOWAY_MAX_ATTEMPTS", "https_proxy", "ALL_PROXY", "KEPT"):
        monkeypatch.setenv(name, "set")
    program = "import os; print(*(n for n, v in os.environ.items() if v in ('set', 'given')))"
    given = {"FLOWAY_HOME": "given"}
    command = [sys.executable, "-c", program]
    with Child("it", command, tmp_path / "log", environment=given) as child:
        child.process.wait()
    assert sorted((tmp_path / "log").read_text().split()) == ["FLOWAY_HOME", "KEPT"]


def test_a_process_ends_with_its_block(tmp_path: Path):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with Child("it", command, tmp_path / "log") as child:
        child.check()
    assert child.process.returncode is not None


def test_orders_to_the_upstream(tmp_path: Path):
    with Worker("replay.bench.upstream", tmp_path / "log", ["--model", "m"]) as upstream:
        ports = upstream.answer()
        assert listens(ports["http1"])
        assert upstream.order({"deltas": 1, "writes": "one"}) == {"asked": 0, "refused": 0}
        upstream.process.kill()
        upstream.process.wait()
        with pytest.raises(ProcessFailed, match="ended"):
            upstream.order({"deltas": 1, "writes": "one"})
