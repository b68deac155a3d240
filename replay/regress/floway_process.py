"""A floway of its own for the regression suite, with its sandbox, and what the sandbox received."""

from __future__ import annotations

import base64
import json
import re
import signal
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

from fingerprints.capture import Capture, RawMessage, Recording
from fingerprints.profile import Profile
from fingerprints.trace import Origin, Trace
from replay.bench.processes import Child
from replay.cli.proxy import script

_READY = re.compile(r"floway \S+ is ready: http://[^\s/]+?:(\d+)/v1\b")
_SANDBOX = re.compile(r"(http://\S+)/_sandbox/")
_SECONDS = 30.0
_VERSIONS = {"2": "HTTP/2.0", "1.1": "HTTP/1.1", "1.0": "HTTP/1.0"}


class FlowayProcess:
    """A floway that writes requests as one profile says.

    Args:
        profile: the profile, or its file.
        home: an empty folder for all that it writes.
        gate: the sandbox refuses what is not in the profile's form; else all of it is taken, so
            that the checker can tell what is wrong.
    """

    def __init__(self, profile: str, home: Path, *, gate: bool = False) -> None:
        self.port = 0
        self._gate = gate
        self._sandbox = ""
        command = [str(Path(sys.executable).with_name("mitmdump")), "-s", str(script())]
        options = {
            "confdir": str(home / "mitmproxy"),
            "floway_sandbox": "true",
            "floway_profile": profile,
        }
        command += ["--listen-host", "127.0.0.1", "--listen-port", "0"]
        for name, value in options.items():
            command += ["--set", f"{name}={value}"]
        self._child = Child(
            "floway",
            command,
            home / "floway.log",
            environment={"FLOWAY_HOME": str(home / "state"), "PYTHONUNBUFFERED": "1"},
        )

    def __enter__(self) -> Self:
        try:
            self._child.wait_until(self._is_ready, "start")
            if not self._gate:
                self._ask("POST", "gate", {"mode": "off"})
        except BaseException:
            self._child.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.process.poll() is None:
            self._child.process.send_signal(signal.SIGINT)
            limit = time.monotonic() + _SECONDS / 3
            while self._child.process.poll() is None and time.monotonic() < limit:
                time.sleep(0.05)
        self._child.stop()

    def _is_ready(self) -> bool:
        log = self._child.log.read_text("utf-8", "replace")
        ready, sandbox = _READY.search(log), _SANDBOX.search(log)
        if ready is None or sandbox is None:
            return False
        self.port, self._sandbox = int(ready[1]), sandbox[1]
        return True

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self._sandbox}/_sandbox/{path}",
            data,
            {"content-type": "application/json"},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_SECONDS) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def forget(self) -> None:
        """What the sandbox received so far."""
        for path in ("requests", "cache"):
            self._ask("DELETE", path)

    def received(self, like: Trace, profile: Profile) -> Trace:
        """What the sandbox received since then, as a trace of the profile's client.

        Args:
            like: the recording that was sent; gives the name.
        """
        entries = self._ask("GET", "requests")["requests"]
        capture = Capture(
            client=profile.client,
            release=profile.release,
            scenario=f"{like.client}-{like.scenario}".strip("-"),
            conditions=like.conditions,
            origin=Origin(tool="floway regress", on=like.origin.on, run=like.origin.run),
        )
        for entry in entries:
            capture.add(_recording(entry))
        return capture.trace()


def _recording(entry: dict[str, Any]) -> Recording:
    begin = float(entry["time"])
    headers = [(name, value) for name, value in entry["headers"] if not name.startswith(":")]
    authority = next((value for name, value in headers if name.lower() == "host"), "")
    authority = next(
        (value for name, value in entry["pseudo_headers"] if name == ":authority"), authority
    )
    return Recording(
        id=str(entry["id"]),
        at=begin,
        method=entry["method"],
        authority=authority,
        path=entry["target"],
        headers=headers,
        connection=str(entry["connection"]),
        http_version=_VERSIONS.get(entry["http_version"], "HTTP/1.1"),  # type: ignore[arg-type]
        body=base64.b64decode(entry["body_base64"]) or None,
        messages=[_message(frame) for frame in entry.get("frames", ())],
    )


def _message(frame: dict[str, Any]) -> RawMessage:
    text = frame.get("text")
    data = text.encode("utf-8", "surrogatepass") if text is not None else b""
    if text is None:
        data = base64.b64decode(frame["base64"])
    sender = "client" if frame["from"] == "client" else "server"
    return RawMessage(sender, float(frame["time"]), data, text=text is not None)  # type: ignore[arg-type]
