"""Processes that the runner starts: children that take JSON orders, and what the system says."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

START_LIMIT = 30.0
"""Seconds for a process to listen."""
_STOP_LIMIT = 5.0
_LOG_TAIL = 2000


class ProcessFailed(RuntimeError):
    """A process of the bench did not start or ended by itself; the message holds its log's end."""


class Child:
    """A process with its output in a log file, ended when the ``with`` block is left."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: dict[str, str] | None = None,
        cores: set[int] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if self.talks else errors,
                stderr=errors,
                env=_neutral_environment() | (environment or {}),
                start_new_session=True,
            )
        if cores:
            os.sched_setaffinity(self.process.pid, cores)

    talks = False
    """Whether standard output is the way back for answers."""

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it: politely, then not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # an order that it did not live to take
                    stream.close()

    def failure(self, what: str) -> ProcessFailed:
        tail = self.log.read_text("utf-8", "replace")[-_LOG_TAIL:].strip()
        return ProcessFailed(f"{self.name} {what}; its log ends:\n{tail or '(nothing)'}")

    def check(self) -> None:
        """
        Raises:
            ProcessFailed: it has ended.
        """
        if self.process.poll() is not None:
            raise self.failure(f"ended with code {self.process.returncode}")

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Ask again and again whether it is ``ready``.

        Raises:
            ProcessFailed: it ended, or is not ready within :data:`START_LIMIT`.
        """
        limit = time.monotonic() + START_LIMIT
        while not ready():
            self.check()
            if time.monotonic() > limit:
                raise self.failure(f"{what}: not within {START_LIMIT:.0f} s")
            time.sleep(0.05)


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

    def __enter__(self) -> Worker:
        return self

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


def _neutral_environment() -> dict[str, str]:
    """This process's, without the user's settings of floway and of proxies."""
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FLOWAY_") and name.lower() not in proxies
    }


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
