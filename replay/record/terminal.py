"""Terminal UIs, driven as a person drives them: keys in, a screen out, under a pseudo-terminal."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pexpect

from replay.child import end_group
from replay.record.processes import TAIL

ROWS, COLUMNS = 40, 120
_LOOK: Final = 0.1
"""Seconds for which the screen is looked at before the next question is asked."""
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-9;?>=<]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_].*?\x1b\\|.)"
)

_QUERIES: Final[tuple[tuple[str, str], ...]] = (
    (r"\x1b\[6n", "\x1b[1;1R"),  # where is the cursor
    (r"\x1b\[c", "\x1b[?62;22c"),  # what terminal is it
    (r"\x1b\[\?u", "\x1b[?0u"),  # which keyboard protocol
    (r"\x1b\]10;\?(?:\x07|\x1b\\)", "\x1b]10;rgb:dddd/dddd/dddd\x1b\\"),  # colour of the text
    (r"\x1b\]11;\?(?:\x07|\x1b\\)", "\x1b]11;rgb:1111/1111/1111\x1b\\"),  # and behind it
)
"""What programs ask a terminal, and the answers of one that resembles xterm."""
_QUESTION = re.compile("|".join(f"({query})" for query, _ in _QUERIES))
_LONGEST: Final = 16
"""Characters of the longest question."""


class TerminalFailed(Exception):
    """It did not come to what was waited for; the message holds what was on the screen."""


class NotInTime(TerminalFailed):
    """The time was over."""


class Terminal:
    """A program under a pseudo-terminal; ended, with its group, when the ``with`` block is left.

    Args:
        interrupted: set by another thread, it ends all waiting with :class:`TerminalFailed`.

    Raises:
        TerminalFailed: it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        folder: Path,
        *,
        interrupted: threading.Event | None = None,
    ) -> None:
        self._interrupted = interrupted or threading.Event()
        program, *words = (str(word) for word in command)
        try:
            self._child = pexpect.spawn(
                program,
                words,
                env=dict(environment),
                cwd=str(folder),
                dimensions=(ROWS, COLUMNS),
                encoding="utf-8",
                codec_errors="replace",
                echo=False,
                timeout=None,
            )
        except pexpect.ExceptionPexpect as error:
            raise TerminalFailed(str(error)) from error
        self._child.delaybeforesend = None
        self._raw = self._unread = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def screen(self) -> str:
        """What was written so far, without the control sequences."""
        return _ESCAPES.sub("", self._raw).replace("\r", "")

    @property
    def tail(self) -> str:
        return self.screen[-TAIL:].strip()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return bool(self._child.isalive())

    def look(self, seconds: float = _LOOK) -> bool:
        """Read for so long, answering what the program asks; False when it has ended.

        Raises:
            TerminalFailed: it was interrupted.
        """
        if self._interrupted.is_set():
            raise TerminalFailed("it was interrupted")
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                piece = self._child.read_nonblocking(65536, timeout=left)
            except pexpect.TIMEOUT:
                return True
            except pexpect.EOF:
                return False
            self._raw += piece
            self._unread = self._answer(self._unread + piece)
        return True

    def _answer(self, text: str) -> str:
        """Answer the questions in a text; gives what may be the beginning of another one."""
        end = 0
        for match in _QUESTION.finditer(text):
            number = match.lastindex or 1
            self._child.send(_QUERIES[number - 1][1])
            end = match.end()
        rest = text[end:]
        cut = rest.rfind("\x1b", max(0, len(rest) - _LONGEST))
        return "" if cut < 0 else rest[cut:]

    def wait(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Look at the screen until ``ready``.

        Raises:
            NotInTime: not in time.
            TerminalFailed: the program ended before.
        """
        end = time.monotonic() + seconds
        while not ready():
            if not self.look() and not ready():
                raise TerminalFailed(f"it ended before {what}\n{self.tail}")
            if time.monotonic() > end:
                raise NotInTime(f"{what}: not within {seconds:.0f} s\n{self.tail}")

    def quiet(self, seconds: float, limit: float) -> None:
        """Look until nothing has been written for so many seconds, at most ``limit``."""
        end = time.monotonic() + limit
        seen, since = len(self._raw), time.monotonic()
        while time.monotonic() < end and time.monotonic() - since < seconds:
            if not self.look():
                return
            if len(self._raw) != seen:
                seen, since = len(self._raw), time.monotonic()

    def type(self, text: str) -> None:
        """Press keys; ``\\r`` is Enter."""
        self._child.send(text)

    def stop(self) -> None:
        """End it and all that it started. Idempotent."""
        with contextlib.suppress(pexpect.ExceptionPexpect, OSError):
            self._child.close(force=True)
        if self._child.pid is not None:
            end_group(self._child.pid)
