"""Where log lines go: JSON on the terminal where it is wanted, and a file that is rotated.

The file is written on a thread of its own, is its owner's only, and can't stop the proxy: on a full
disk lines are lost, and that is said once.
"""

from __future__ import annotations

import json
import logging
import os
import queue
from collections.abc import Callable
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from addons.operate.logs.records import FIELDS, TRACEBACK

FILES: Final = 5
"""The one that is written, and older ones; together they have the size that is allowed."""

WAITING: Final = 20_000
"""Records that may wait for the disk; what comes on top is lost."""


def json_formatter() -> logging.Formatter:
    """One JSON object a line: ``time`` (UTC), ``level``, ``logger``, ``event``; the fields of the
    record; ``traceback`` where there is one."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, _told],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
    )


def _told(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    message, trace = str(event["event"]), record.__dict__.get(TRACEBACK)
    if trace is not None:
        message = message.removesuffix(trace).rstrip("\n")
    out: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": event["level"],
        "logger": record.name,
        "event": message,
    }
    out |= record.__dict__.get(FIELDS, {})
    if trace is not None:
        out["traceback"] = trace
    # What remove_processors_meta expects to find.
    return {**out, "_record": record, "_from_structlog": False}


def _dumps(value: Any, **_: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # half a surrogate pair, which bytes that were no UTF-8 have become
        return json.dumps(value, default=str)


class LogFile:
    """A file of JSON lines.

    Args:
        limit: bytes of all files together, more or less.
        complain: told once, from another thread, that lines are lost.

    Attributes:
        handler: to be added to a logger.
    """

    def __init__(self, path: Path, limit: int, complain: Callable[[str], None]) -> None:
        self.path = path
        self._target = _PrivateFile(path, limit, complain)
        self._target.setFormatter(json_formatter())
        # Its put may be called in the midst of itself, by the garbage collector; a Queue's may not.
        waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self.handler: logging.Handler = _Waiting(waiting)
        self._listener = QueueListener(waiting, self._target)
        self._listener.start()

    def close(self) -> None:
        """Write what is left."""
        self._listener.stop()
        self._target.close()


class _Waiting(QueueHandler):
    """Hands records over as they are: they were made fit to be shown when they were made."""

    def __init__(self, waiting: queue.SimpleQueue[logging.LogRecord]) -> None:
        super().__init__(waiting)
        self._waiting = waiting

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        if self._waiting.qsize() < WAITING:
            self._waiting.put(record)


class _PrivateFile(RotatingFileHandler):
    def __init__(self, path: Path, limit: int, complain: Callable[[str], None]) -> None:
        self._complain: Callable[[str], None] | None = complain
        size = max(limit // FILES, 1024)
        super().__init__(path, maxBytes=size, backupCount=FILES - 1, encoding="utf-8", delay=True)

    def _open(self) -> TextIOWrapper:
        self._folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")

    def _folder(self) -> Path:
        return Path(self.baseFilename).parent

    def handleError(self, record: logging.LogRecord) -> None:
        """Said once, and not in the place that can't be written."""
        complain, self._complain = self._complain, None
        if complain is not None:
            complain(
                f"the log can't be written to {self.baseFilename}; correct log_file, or make room. "
                "The proxy goes on without"
            )
