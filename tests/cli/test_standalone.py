"""``floway sandbox``."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_it_stays_on_this_machine(floway) -> None:
    code, _, err = floway("sandbox", "--host", "0.0.0.0")
    assert code == 2
    assert "loopback addresses only" in err


@pytest.mark.parametrize("option", ["--port", "--tls-port"])
def test_a_taken_port_is_one_line(floway, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        code, _, err = floway("sandbox", "--port", "0", option, port)
    assert code == 1
    assert err.startswith(f"floway: port {port} of 127.0.0.1 is taken by another program; ")
    assert option in err


def test_it_says_where_it_is_and_ends_with_ctrl_c(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "replay.cli", "sandbox", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        control = lines[2].split()[-1]
        with urllib.request.urlopen(f"{control}accounts", timeout=10) as answer:
            assert json.load(answer)["accounts"]
        assert Path(lines[1].split(": ")[1].strip()).is_relative_to(home)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, "".join(lines) + rest
    assert "Traceback" not in rest
