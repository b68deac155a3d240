"""floway as its users start it: a mitmdump process with the script, and the sandbox inside it.

Shared by the real-client suite and by the tests of the process itself. What a process says is kept
in a file and judged when it is stopped: a traceback in it is a failure, whatever the client saw.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

ROOT = Path(__file__).parents[1]
MITMDUMP = Path(sys.executable).with_name("mitmdump")
START_SECONDS = 60.0
STOP_SECONDS = 15.0

READY = re.compile(r"floway \S+ is ready: (http://\S+?)/v1\b")
SANDBOX = re.compile(r"(http://\S+)/_sandbox/")
NEVER = ("Addon error", "has crashed", "Traceback (most recent call last)", "Task exception was")
"""Words that no log may hold."""


type Option = str | Sequence[str]


class ProcessError(Exception):
    """A process did not start, or left something in its log that must not be there."""


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Environment of a child: no proxies, keys or settings of whoever runs the tests.

    Temporary files go beside ``home``: some clients dislike a home inside the temporary folder.
    """
    scratch = home.with_name(f"{home.name}-tmp")
    for folder in (home, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    return {**kept, "HOME": str(home), "TMPDIR": str(scratch), "LANG": "C.UTF-8", **more}


def stop_group(process: subprocess.Popen[Any], seconds: float = STOP_SECONDS) -> None:
    """End a process that leads a session of its own, and everything it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(seconds)


class SandboxControl:
    """``/_sandbox/`` of a running floway; see its own ``GET /_sandbox/``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/_sandbox/", trust_env=False, timeout=30)

    def _json(self, method: str, path: str, **more: Any) -> Any:
        answer = self._http.request(method, path, **more)
        answer.raise_for_status()
        return answer.json()

    def requests(self, path: str | None = None, **filters: str) -> list[dict[str, Any]]:
        """What the sandbox received, oldest first."""
        query = {**filters, **({"path": path} if path else {})}
        found: list[dict[str, Any]] = self._json("GET", "requests", params=query)["requests"]
        return found

    def fault(self, fault: dict[str, Any], *, times: int | None = 1, **match: Any) -> None:
        self._json("POST", "faults", json={"match": match, "times": times, "fault": fault})

    def faults(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._json("GET", "faults")["faults"]
        return found

    def gate(self, mode: str) -> None:
        self._json("POST", "gate", json={"mode": mode})

    def accounts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._json("GET", "accounts")["accounts"]
        return found

    def forget(self) -> None:
        """Forget requests, faults and cached prefixes."""
        for path in ("requests", "faults", "cache"):
            self._json("DELETE", path)

    def close(self) -> None:
        self._http.close()


class Floway:
    """A running floway that serves its sandbox.

    Attributes:
        url: origin at which clients reach it.
        options: mitmproxy options that it was started with.
        sandbox: the control paths of its sandbox.
        ca_file: certificate authority that forward-proxy clients must trust.
    """

    def __init__(
        self,
        home: Path,
        options: Mapping[str, Option],
        arguments: Sequence[str],
        program: Path = MITMDUMP,
    ) -> None:
        self.home = home
        self.options = options
        self.log_file = home / "floway.log"
        self.ca_file = home / "mitmproxy" / "mitmproxy-ca-cert.pem"
        self.url = ""
        self.sandbox = SandboxControl("http://127.0.0.1:9")
        environment = clean_environment(home / "user", FLOWAY_HOME=str(home / "state"))
        sets = {"confdir": str(home / "mitmproxy"), **options}
        words = [
            f"{name}={value}"
            for name, given in sets.items()
            for value in ([given] if isinstance(given, str) else given)
        ]
        command = [str(program), "-p", "0", "-s", str(ROOT / "addons" / "floway.py"), *arguments]
        for word in words:
            command += ["--set", word]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def wait_ready(self) -> Self:
        """
        Raises:
            ProcessError: it ended, or is not ready in time; with its log.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            log = self.log()
            ready, sandbox = READY.search(log), SANDBOX.search(log)
            if ready is not None and sandbox is not None:
                self.url = ready.group(1)
                self.sandbox.close()
                self.sandbox = SandboxControl(sandbox.group(1))
                return self
            if self.process.poll() is not None:
                raise ProcessError(f"floway ended with code {self.process.returncode}:\n{log}")
            time.sleep(0.05)
        raise ProcessError(f"floway is not ready after {START_SECONDS} s:\n{self.log()}")

    def wait_log(self, text: str, seconds: float = 10.0) -> None:
        """Wait until the log holds ``text``."""
        until(lambda: text in self.log(), seconds, f"{text!r} in the log")

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        self.sandbox.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        left = self.process.poll() is None
        stop_group(self.process)
        if left:
            raise ProcessError(f"floway did not stop within {STOP_SECONDS} s:\n{self.log()}")

    def complaints(self) -> list[str]:
        """Lines of the log that must not be there."""
        return [line for line in self.log().splitlines() if any(word in line for word in NEVER)]


@contextlib.contextmanager
def running_floway(
    home: Path,
    *arguments: str,
    gate: str | None = None,
    program: Path = MITMDUMP,
    **options: Option,
) -> Iterator[Floway]:
    """A floway in ``home`` (made when missing), stopped and judged at the end.

    Args:
        arguments: of the program.
        gate: mode of the sandbox's gate; None keeps its default, the newest profile.
        program: mitmdump, or mitmweb.
        options: mitmproxy options, e.g. ``floway_profile``; several values for one that is a list.

    Raises:
        ProcessError: it did not start or stop, or its log holds a traceback.
    """
    home.mkdir(parents=True, exist_ok=True)
    floway = Floway(home, options, arguments, program)
    try:
        floway.wait_ready()
        if gate is not None:
            floway.sandbox.gate(gate)
        yield floway
    finally:
        floway.stop()
    if floway.complaints():
        raise ProcessError(f"floway's log:\n{floway.log()}")


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
