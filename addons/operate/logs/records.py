"""Every log record of the process is masked where it is made, whoever made it and whoever shows it.

A handler or a formatter would have to be the only one; mitmproxy has five, and adds some later. So
the factory of records is changed: what a handler gets holds the masked line, and no exception of
which it could make a text of its own.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Literal

logger = logging.getLogger(__name__)

TRACEBACK: Final = "floway_traceback"
"""Attribute of a record: the masked traceback, which its message ends with."""

FIELDS: Final = "floway_fields"
"""Attribute of a record: what programs want to know of it, by name; masked."""

SHOWS_PATHS: Final = frozenset({"addons.configuration", "addons.launch", "floway"})
"""Loggers of what a person has set: told without the paths, nobody could mend it."""

SPOKEN: Final = frozenset({"mitmproxy.tools.web.master", "mitmproxy.tools.web.webaddons"})
"""Loggers that tell a person where mitmweb is, with a token that is new at each start: nobody could
open it otherwise. Said on the terminal as it is, and masked in every log."""

type Mask = Callable[[str, bool], str]
"""Makes a line fit to be shown; the second argument: whether paths are masked. Raises nothing."""

type Said = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class Safe(str):
    """A line that has been masked."""

    __slots__ = ()


class Guard:
    """Stands in the way of every record."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._before: Any = None
        self._hooks: tuple[Any, ...] = ()

    def install(self) -> None:
        """From now on; also for what ends the process or a thread, or can't be raised."""
        if self._before is not None:
            return
        self._before = logging.getLogRecordFactory()
        logging.setLogRecordFactory(self._record)
        self._hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        sys.excepthook = self._crashed
        threading.excepthook = self._thread_crashed
        sys.unraisablehook = self._unraisable

    def uninstall(self) -> None:
        if self._before is None:
            return
        # Bound methods are made anew each time they are asked for, so `==` and not `is`.
        if logging.getLogRecordFactory() == self._record:
            logging.setLogRecordFactory(self._before)
        if sys.excepthook == self._crashed:
            sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        self._before = None

    def _record(
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,
        exc_info: Said | Literal[False] | None,
        func: str | None = None,
        sinfo: str | None = None,
        **more: Any,
    ) -> logging.LogRecord:
        make = self._before or logging.LogRecord
        if type(msg) is Safe and not exc_info and not args:
            safe: logging.LogRecord = make(
                name, level, pathname, lineno, msg, args, None, func, sinfo, **more
            )
            return safe
        record: logging.LogRecord = make(
            name, level, pathname, lineno, msg, args, None, func, None, **more
        )
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - the caller's mistake in its arguments ends nothing
            message = str(msg)
        paths = name not in SHOWS_PATHS
        told = self._mask(message, paths)
        if name in SPOKEN and told != message:
            _speak(message)
        if exc_info and exc_info[1] is not None:
            whole = "".join(traceback.format_exception(exc_info[1])).rstrip("\n")
            trace = self._mask(whole, paths)
            record.__dict__[TRACEBACK] = trace
            told = f"{told}\n{trace}"
        record.msg, record.args = Safe(told), ()
        return record

    def _crashed(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        text = self._mask("".join(traceback.format_exception(kind, error, trace)), True)
        with contextlib.suppress(OSError, ValueError):  # nobody is there to be told
            sys.stderr.write(text if text.endswith("\n") else f"{text}\n")

    def _thread_crashed(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            name = args.thread.name if args.thread is not None else "gone"
            logger.error("thread %s failed", name, exc_info=args.exc_value)

    def _unraisable(self, args: sys.UnraisableHookArgs) -> None:
        if args.exc_value is not None:
            told = args.err_msg or "an exception that could not be raised"
            logger.warning("%s", told, exc_info=args.exc_value)


def _speak(text: str) -> None:
    """To the person at the terminal, past all logs."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
