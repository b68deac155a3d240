"""A process of one's own: what it says goes to a file, and nothing of it is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

START_LIMIT = 30.0
"""Seconds for a process to be ready."""
_LOG_TAIL = 4000


class ProcessFailed(RuntimeError):
    """A process did not start, ended by itself, or did not end.

    Attributes:
        what: that, in a few words.
        output: the end of what it said.
    """

    def __init__(self, what: str, output: str) -> None:
        super().__init__(f"{what}; its log ends:\n{output or '(nothing)'}")
        self.what = what
        self.output = output


class Child:
    """A process with its output in a log file, ended when the ``with`` block is left.

    Args:
        name: what it is called in errors.
        log_file: for its output, anew.
        environment: the whole; None: :func:`neutral_environment`.
        folder: where it works; None: here.
        cores: those that it may run on; None: all.
    """

    talks: ClassVar = False
    """Whether it takes orders at standard input and answers at standard output."""

    end_signal: ClassVar = signal.SIGTERM
    stop_seconds: ClassVar = 5.0
    """How long it may take to end by itself."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log_file: Path,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        cores: set[int] | None = None,
    ) -> None:
        self.name = name
        self.log_file = log_file
        with log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                env=neutral_environment() if environment is None else dict(environment),
                stdin=subprocess.PIPE if self.talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.talks else log,
                stderr=log,
                start_new_session=True,
            )
        if cores:
            os.sched_setaffinity(self.process.pid, cores)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self) -> str:
        """What it has said so far."""
        return self.log_file.read_text("utf-8", "replace")

    def stop(self) -> bool:
        """End it, and then all that it has started.

        Returns:
            False: it did not end by itself.
        """
        if self.process.poll() is None:
            self.process.send_signal(self.end_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.stop_seconds)
        ended = self.process.poll() is not None
        end_group(self.process.pid)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # an order that it did not live to take
                    stream.close()
        return ended

    def failure(self, what: str) -> ProcessFailed:
        """``what``: goes on from its name."""
        return ProcessFailed(f"{self.name} {what}", self.log()[-_LOG_TAIL:].strip())

    def check(self) -> None:
        """
        Raises:
            ProcessFailed: it has ended.
        """
        if self.process.poll() is not None:
            raise self.failure(f"ended with code {self.process.returncode}")

    def wait_until(
        self, ready: Callable[[], bool], what: str, seconds: float = START_LIMIT
    ) -> None:
        """Ask again and again whether it is ``ready``.

        Raises:
            ProcessFailed: it ended, or is not ready in time.
        """
        limit = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > limit:
                raise self.failure(f"{what}: not within {seconds:.0f} s")
            time.sleep(0.05)


def neutral_environment(**more: str) -> dict[str, str]:
    """This process's, without the user's settings of floway and of proxies, and with ``more``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FLOWAY_") and not name.lower().endswith("_proxy")
    }
    return kept | more


def end_group(leader: int) -> None:
    """Kill what is left of the process group that ``leader`` leads or led."""
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            os.kill(leader, signal.SIGTERM)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
