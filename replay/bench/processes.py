"""Processes that the runner starts: children that take JSON orders, and what the system says."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from replay.child import START_LIMIT, Child


class Worker(Child):
    """A child of this package that takes an order per line and answers each with a line."""

    talks = True

    def __init__(
        self,
        module: str,
        log: Path,
        arguments: Sequence[str] = (),
        *,
        cores: set[int] | None = None,
    ) -> None:
        super().__init__(module, [sys.executable, "-P", "-m", module, *arguments], log, cores=cores)

    def answer(self) -> Any:
        """The next line.

        Raises:
            ProcessFailed: the process has ended.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise self.failure("ended")
        return json.loads(line)

    def order(self, order: dict[str, Any]) -> Any:
        """Give an order and wait for its answer.

        Raises:
            ProcessFailed: the process has ended.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.failure("ended") from None
        return self.answer()


def listens(port: int) -> bool:
    """Whether something listens on the loopback ``port``."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def healthy(port: int) -> bool:
    """Whether ``GET /healthz`` is answered 200; false when nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_LIMIT)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def resident_bytes(pid: int) -> int:
    """Resident set size of a process, now.

    Raises:
        OSError: there is no such process.
    """
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        return parse_resident(status.read_text())
    kilobytes = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True, text=True
    ).stdout
    return int(kilobytes) * 1024


def parse_resident(status: str) -> int:
    """Bytes of ``VmRSS`` in the text of ``/proc/PID/status``."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no VmRSS: a kernel thread or a process that has ended")


def processor_seconds(pid: int) -> float | None:
    """Processor time that a process has used, all threads; None where it cannot be read."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    return parse_processor(stat.read_text()) / os.sysconf("SC_CLK_TCK")


def parse_processor(stat: str) -> int:
    """Ticks of user and system time in the text of ``/proc/PID/stat``."""
    fields = stat.rpartition(")")[2].split()  # the name before may hold spaces and parentheses
    return int(fields[11]) + int(fields[12])
