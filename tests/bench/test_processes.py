from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from replay.bench.processes import (
    Worker,
    healthy,
    listens,
    parse_processor,
    parse_resident,
    processor_seconds,
    resident_bytes,
)
from replay.child import ProcessFailed, free_port


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


def test_orders_to_the_upstream(tmp_path: Path):
    with Worker("replay.bench.upstream", tmp_path / "log", ["--model", "m"]) as upstream:
        ports = upstream.answer()
        assert listens(ports["http1"])
        assert upstream.order({"deltas": 1, "writes": "one"}) == {"asked": 0, "refused": 0}
        upstream.process.kill()
        upstream.process.wait()
        with pytest.raises(ProcessFailed, match="ended"):
            upstream.order({"deltas": 1, "writes": "one"})
