"""How a command finds the floway that runs: a small file in its home. Blocking.

The file can outlive its process (a power cut). So it names the process by number *and* time of
start, and is believed only while that very process lives.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from addons.accounts.credentials.files import read_private, write_private
from addons.accounts.errors import AccountError

FILE_NAME: Final = "running.json"

_SKEW: Final = 1.0
"""Seconds; the time of start is told by the system's clock, which may be put right."""


@dataclass(frozen=True, slots=True)
class Running:
    """A floway that runs on this machine.

    Attributes:
        url: where it is reached from here, e.g. ``http://127.0.0.1:8080``.
        born: start of the process, unix seconds.
    """

    url: str
    pid: int
    born: float


def announce(home: Path, url: str) -> Running:
    """Say that this process serves this home; of several, the last one counts.

    Raises:
        AccountError: the file can't be written.
    """
    own = psutil.Process()
    running = Running(url, own.pid, own.create_time())
    write_private(home / FILE_NAME, json.dumps(asdict(running)).encode())
    return running


def withdraw(home: Path, running: Running) -> None:
    """Take it back, unless another process has said so since."""
    if _read(home) == running:
        with contextlib.suppress(OSError):
            (home / FILE_NAME).unlink()


def found(home: Path) -> Running | None:
    """The floway that runs with this home; None where none does."""
    running = _read(home)
    if running is None:
        return None
    try:
        born = psutil.Process(running.pid).create_time()
    except psutil.Error:
        return None
    return running if abs(born - running.born) < _SKEW else None


def _read(home: Path) -> Running | None:
    """What the file says; None where it is not there, not ours, or not of this form."""
    try:
        given = json.loads(read_private(home / FILE_NAME))
        url, pid, born = given["url"], given["pid"], given["born"]
    except (FileNotFoundError, AccountError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(url, str) or not url.startswith("http://"):
        return None
    if type(pid) is not int or pid <= 0 or not isinstance(born, int | float):
        return None
    return Running(url, pid, float(born))
