from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from replay.bench import profile
from replay.bench.profile import Function
from replay.bench.profiler import CallCounter, Profiler, Sampler


def spin_here(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))


@pytest.mark.parametrize("make", [Sampler, CallCounter])
def test_the_busy_function_is_found(make: type[Profiler], tmp_path: Path):
    profiler = make()
    profiler.start()
    spin_here(0.15)
    file = tmp_path / "profile.json"
    profiler.write(file)
    found = {function.name: function for function in profile.read(file)}
    busy = found["spin_here"]
    assert busy.total > 0.8
    assert busy.total >= busy.own
    assert busy.file == __file__
    assert sum(function.own for function in found.values()) == pytest.approx(1.0)
    assert busy.calls == (1 if make is CallCounter else None)


@pytest.mark.slow
def test_mitmdump_runs_under_it(tmp_path: Path):
    """The wrapper passes its arguments on; ``--version`` ends at once."""
    command = [sys.executable, "-m", "replay.bench.profiler", "sample", str(tmp_path / "p.json")]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Mitmproxy:")


@pytest.mark.parametrize(
    ("file", "package", "place"),
    [
        ("/v/site-packages/mitmproxy/net/x.py", "mitmproxy", "mitmproxy/net/x.py:7 f"),
        ("/v/site-packages/h11.py", "h11", "h11.py:7 f"),
        ("/r/addons/front/sse.py", "floway (addons)", "addons/front/sse.py:7 f"),
        ("/lib/python3.13/asyncio/events.py", "asyncio", "asyncio/events.py:7 f"),
        ("/lib/python3.13/json/decoder.py", "standard library", "json/decoder.py:7 f"),
        ("", "built in", "f"),
        ("<string>", "built in", "<string>:7 f"),
    ],
)
def test_whose_code_it_is(file: str, package: str, place: str):
    function = Function(file, 7, "f", 0.1, 0.2, None)
    assert (function.package, function.place) == (package, place)


def test_tables():
    functions = [
        Function("/r/addons/a.py", 1, "slow", 0.5, 0.9, 10),
        Function("/v/site-packages/h11/b.py", 2, "other", 0.25, 0.25, None),
        Function("/v/site-packages/h11/c.py", 3, "third", 0.25, 0.25, None),
    ]
    assert profile.by_package(functions) == [("floway (addons)", 0.5), ("h11", 0.5)]
    console = Console(width=120)
    with console.capture() as capture:
        for table in profile.tables(functions, 4.0, top=2):
            console.print(table)
    text = capture.get()
    assert "addons/a.py:1 slow" in text
    assert "3.600" in text
    assert text.count("h11/") == 1
