"""floway as its users start it, for the real-client suite and the tests of the process itself.

What a process says is judged when it is stopped: a traceback in it is a failure, whatever the
client saw.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from replay.child import ProcessFailed
from replay.floway_process import MITMDUMP, FlowayProcess, Option

ROOT = Path(__file__).parents[1]


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Environment of a child: no proxies, keys or settings of whoever runs the tests.

    Temporary files go beside ``home``: some clients dislike a home inside the temporary folder.
    """
    scratch = home.with_name(f"{home.name}-tmp")
    for folder in (home, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    return {**kept, "HOME": str(home), "TMPDIR": str(scratch), "LANG": "C.UTF-8", **more}


def command(
    *words: str, environment: Mapping[str, str], told: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """``floway …``, as a user types it.

    Args:
        told: what the user types then.
        check: whether it must succeed.
    """
    return subprocess.run(
        [sys.executable, "-m", "replay.cli", *words],
        env={**environment, "PYTHONPATH": str(ROOT)},
        input=told,
        capture_output=True,
        text=True,
        timeout=60,
        check=check,
    )


class Floway(FlowayProcess):
    """A running floway, in an environment and a folder of its own; ended by Ctrl-C."""

    end_signal: ClassVar = signal.SIGINT

    def __init__(
        self,
        home: Path,
        options: Mapping[str, Option],
        arguments: Sequence[str | Path] = (),
        *,
        program: Path = MITMDUMP,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        own = clean_environment(home / "user") if environment is None else environment
        super().__init__(home, options, arguments, program=program, environment=own, folder=home)

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def ca_file(self) -> Path:
        """Certificate authority that forward-proxy clients must trust."""
        return self.home / "mitmproxy" / "mitmproxy-ca-cert.pem"

    def wait_log(self, text: str, seconds: float = 10.0) -> None:
        """Wait until the log holds ``text``."""
        until(lambda: text in self.log(), seconds, f"{text!r} in the log")

    def stop(self) -> bool:
        """
        Raises:
            ProcessFailed: it did not end by itself.
        """
        if not super().stop():
            raise self.failure(f"did not stop within {self.stop_seconds} s")
        return True

    def judge(self) -> None:
        """
        Raises:
            ProcessFailed: its log holds what it must not.
        """
        if self.complaints():
            raise ProcessFailed("floway complains", self.log())


@contextlib.contextmanager
def running_floway(
    home: Path,
    *arguments: str,
    gate: str | None = None,
    program: Path = MITMDUMP,
    environment: Mapping[str, str] | None = None,
    **options: Option,
) -> Iterator[Floway]:
    """A floway in ``home`` (made when missing), stopped and judged at the end.

    Args:
        arguments: of the program.
        gate: mode of the sandbox's gate; None keeps its default, the newest profile.
        program: mitmdump, or mitmweb.
        environment: None: a clean one.
        options: mitmproxy options, e.g. ``floway_profile``; several values for one that is a list.

    Raises:
        ProcessFailed: it did not start or stop, or its log holds a traceback.
    """
    with Floway(home, options, arguments, program=program, environment=environment) as floway:
        if gate is not None:
            floway.sandbox.gate(gate)
        yield floway
    floway.judge()


def until(condition: Callable[[], bool], seconds: float = 10.0, what: str = "") -> None:
    """Poll until ``condition`` holds.

    Raises:
        TimeoutError: it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what or "the condition does not hold")
        time.sleep(0.02)
