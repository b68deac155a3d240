"""The log file, read again: filtered, shown, followed. Blocking."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from addons.operate.logs.sinks import FILES

LEVELS: Final = ("debug", "info", "warning", "error")

_SEVERITY: Final = {"debug": 0, "info": 1, "alert": 1, "warning": 2, "error": 3, "critical": 3}

type Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are wanted; "" for all.

    Attributes:
        conversation: part of its id, as the short line or another tool shows it.
        account: its label.
        level: this one and what is more serious.
        masked: what a text became in the log; an account may be called by an e-mail address.
    """

    conversation: str = ""
    account: str = ""
    level: str = "debug"
    masked: Callable[[str], str] = str

    def has(self, line: Line) -> bool:
        """Whether a line is one of them."""
        if _SEVERITY.get(str(line.get("level")), 3) < _SEVERITY[self.level]:
            return False
        if self.conversation and self.conversation not in str(line.get("conversation", "")):
            return False
        if not self.account:
            return True
        names = {self.account, self.masked(self.account)}
        return str(line.get("account", "")) in names or any(
            f"account {name}:" in str(line.get("event", "")) for name in names
        )


def parsed(text: str) -> Line | None:
    """A line of the file; None for what is none (a line that a crash cut off)."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def shown(line: Line) -> str:
    """A line for people, in this machine's time."""
    try:
        moment = datetime.fromisoformat(str(line.get("time"))).astimezone()
        stamp = moment.strftime("%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03}"
    except ValueError:
        stamp = "?"
    level = str(line.get("level", "?"))
    text = f"{stamp} {level:7} {line.get('event', '')}"
    trace = line.get("traceback")
    return f"{text}\n{trace}" if trace else text


def kept(path: Path, wanted: Wanted, most: int = 0) -> list[Line]:
    """The lines of a file and of the older ones beside it, oldest first.

    Args:
        most: the last so many; 0: all.

    Raises:
        OSError: the file can't be read; FileNotFoundError where there is none.
    """
    found: deque[Line] = deque(maxlen=most or None)
    older = [path.with_name(f"{path.name}.{number}") for number in range(FILES - 1, 0, -1)]
    for each in [*older, path]:
        try:
            with each.open(encoding="utf-8", errors="replace") as file:
                found.extend(_of(file, wanted))
        except FileNotFoundError:
            if each is path:
                raise
    return list(found)


class Follower:
    """Lines that are added from now on, through rotations."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self._path = path
        self._wanted = wanted
        self._file: IO[str] | None = None
        self._rest = ""
        self._open(at_end=True)

    def new(self) -> Iterator[Line]:
        """Lines since the last call; none while the file is not there."""
        if self._file is not None:
            yield from self._read()
        if self._is_another():
            self.close()
            self._open(at_end=False)
            if self._file is not None:
                yield from self._read()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._rest = None, ""

    def _open(self, *, at_end: bool) -> None:
        try:
            self._file = self._path.open(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        if at_end:
            self._file.seek(0, os.SEEK_END)

    def _is_another(self) -> bool:
        """Whether the path names another file than the one that is read."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        before = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino)

    def _read(self) -> Iterator[Line]:
        assert self._file is not None
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        yield from _of(lines, self._wanted)


def _of(lines: IO[str] | list[str], wanted: Wanted) -> Iterator[Line]:
    for text in lines:
        line = parsed(text)
        if line is not None and wanted.has(line):
            yield line
