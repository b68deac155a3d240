"""One run of a command-line client: bounded in time, and nothing of it is left behind."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.floway_process import stop_group

SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended. ``code`` is None when it was still running after its time."""

    code: int | None
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    seconds: float = SECONDS,
) -> Finished:
    """Run a command to its end, or stop it and all that it started."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    code: int | None = None
    try:
        out, err = process.communicate(timeout=seconds)
        code = process.returncode
    except subprocess.TimeoutExpired:
        stop_group(process)
        out, err = process.communicate()
    finally:
        stop_group(process)
    return Finished(code, out, err)
