"""floway in a process of its own, as its users start it: a mitmdump with the script."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final, Self

from replay.child import Child, neutral_environment
from replay.cli.proxy import script
from replay.sandbox_control import SandboxControl

MITMDUMP: Final = Path(sys.executable).with_name("mitmdump")
START_SECONDS: Final = 60.0
NEVER: Final = (
    *("Addon error", "has crashed"),
    *("Traceback (most recent call last)", "Task exception was"),
)
"""Words that no log may hold."""

_READY = re.compile(r"floway \S+ is ready: (http://\S+?)/v1\b")
_SANDBOX = re.compile(r"(http://\S+)/_sandbox/")

type Option = str | Sequence[str]
"""Of mitmproxy; several values for one that is a list."""


class FlowayProcess(Child):
    """Started when it is made, ready in the ``with`` block (or after :meth:`wait_ready`), ended
    after it.

    Args:
        home: for all that it writes, made when missing: ``state`` is its state directory,
            ``mitmproxy`` has its certificates, ``floway.log`` what it says.
        options: of mitmproxy, floway's among them, e.g. ``floway_profile``.
        arguments: further ones of the program.
        port: 0: one that is free.
        program: mitmdump, or mitmweb.
        environment: the whole, but for its state directory; None: this process's without settings.
        folder: where it works; None: here.

    Attributes:
        url: origin at which clients reach it, once it is ready.
    """

    stop_seconds: ClassVar = 15.0

    def __init__(
        self,
        home: Path,
        options: Mapping[str, Option],
        arguments: Sequence[str | Path] = (),
        *,
        port: int = 0,
        program: Path = MITMDUMP,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.home = home
        self.options = options
        self.url = ""
        home.mkdir(parents=True, exist_ok=True)
        command = [program, "-p", str(port), "-s", script(), *arguments]
        for name, given in {"confdir": str(home / "mitmproxy"), **options}.items():
            for value in [given] if isinstance(given, str) else given:
                command += ["--set", f"{name}={value}"]
        kept = neutral_environment() if environment is None else environment
        super().__init__(
            "floway",
            command,
            home / "floway.log",
            environment={**kept, "FLOWAY_HOME": str(self.state)},
            folder=folder,
        )

    @property
    def state(self) -> Path:
        """Its state directory."""
        return self.home / "state"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @cached_property
    def sandbox(self) -> SandboxControl:
        """Of the sandbox inside it.

        Raises:
            ProcessFailed: it has none: it serves accounts.
        """
        found = _SANDBOX.search(self.log())
        if found is None:
            raise self.failure("has no sandbox")
        return SandboxControl(found[1])

    def __enter__(self) -> Self:
        return self.wait_ready()

    def wait_ready(self) -> Self:
        """
        Raises:
            ProcessFailed: it ended, or is not ready in time. It is stopped then.
        """
        try:
            self.wait_until(self.is_ready, "start", START_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    def is_ready(self) -> bool:
        """Whether it says so."""
        ready = _READY.search(self.log())
        if ready is not None:
            self.url = ready[1]
        return ready is not None

    def complaints(self) -> list[str]:
        """Lines of its log that must not be there, whatever clients saw."""
        return [line for line in self.log().splitlines() if any(word in line for word in NEVER)]

    def stop(self) -> bool:
        if "sandbox" in vars(self):
            self.sandbox.close()
        return super().stop()
