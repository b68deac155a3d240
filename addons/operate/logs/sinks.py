"""Where log lines go: JSON on the terminal where it is wanted, and a file that is rotated.

The file is written on a thread of its own, is its owner's only, and can't stop the proxy: on a full
disk lines are lost, and that is said once.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import QueueHandler, RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import orjson
from structlog.processors import JSONRenderer

from addons.operate.logs.records import FIELDS, TRACEBACK

FILES: Final = 5
"""The one that is written, and older ones; together they have the size that is allowed."""

WAITING: Final = 20_000
"""Records that may wait for the disk; what comes on top is lost."""

GATHERED: Final = 0.1
"""Seconds that the first line of an idle file waits for others."""


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time`` (UTC), ``level``, ``logger``, ``event``; the fields of the
    record; ``traceback`` where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self._render = JSONRenderer(serializer=_dumps)

    def format(self, record: logging.LogRecord) -> str:
        message, trace = record.getMessage(), record.__dict__.get(TRACEBACK)
        if trace is not None:
            message = message.removesuffix(trace).rstrip("\n")
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": message,
        }
        told |= record.__dict__.get(FIELDS, {})
        if trace is not None:
            told["traceback"] = trace
        return str(self._render(None, "", told))


def _dumps(value: Any, **_: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # half a surrogate pair, which bytes that were no UTF-8 have become
        return json.dumps(value, default=str)


class LogFile:
    """A file of JSON lines.

    Lines are written together, a tenth of a second's at a time: a line that wakes a thread costs
    the request more than the line itself.

    Args:
        limit: bytes of all files together, more or less.
        complain: told once, from another thread, that lines are lost.

    Attributes:
        handler: to be added to a logger.
    """

    def __init__(self, path: Path, limit: int, complain: Callable[[str], None]) -> None:
        self.path = path
        self._target = _PrivateFile(path, limit, complain)
        self._target.setFormatter(JsonLines())
        # Its put may be called in the midst of itself, by the garbage collector; a Queue's may not.
        self._waiting: queue.SimpleQueue[logging.LogRecord | None] = queue.SimpleQueue()
        self.handler: logging.Handler = _Waiting(self._waiting)
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._write, name="floway: log", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Write what is left."""
        self._closing.set()
        self._waiting.put(None)
        self._writer.join()
        self._target.close()

    def _write(self) -> None:
        while (first := self._waiting.get()) is not None:
            self._closing.wait(GATHERED)
            records = [first]
            for _ in range(self._waiting.qsize()):
                record = self._waiting.get_nowait()
                if record is None:
                    self._waiting.put(None)  # the end, behind what is in hand
                else:
                    records.append(record)
            self._target.write(records)


class _Waiting(QueueHandler):
    """Hands records over as they are: they were made fit to be shown when they were made."""

    def __init__(self, waiting: queue.SimpleQueue[logging.LogRecord | None]) -> None:
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
        self._room = 0
        size = max(limit // FILES, 1024)
        super().__init__(path, maxBytes=size, backupCount=FILES - 1, encoding="utf-8", delay=True)

    def write(self, records: Sequence[logging.LogRecord]) -> None:
        """As :meth:`emit` for each, with one write for all that go into the same file."""
        lines: list[str] = []
        for record in records:
            try:
                line = self.format(record) + self.terminator
                if self.stream is None:
                    self.stream = self._open()
                if len(line) > self._room and self._room < self.maxBytes:
                    self._put(lines)
                    self.doRollover()
                    self.stream = self._open()
            except Exception:  # noqa: BLE001 - as logging does: whatever it is, the proxy goes on
                self.handleError(record)
                continue
            self._room -= len(line)
            lines.append(line)
        try:
            self._put(lines)
        except Exception:  # noqa: BLE001 - as above
            self.handleError(records[-1])

    def _put(self, lines: list[str]) -> None:
        text = "".join(lines)
        lines.clear()
        if text and self.stream is not None:
            self.stream.write(text)
            self.stream.flush()

    def _open(self) -> TextIOWrapper:
        self._folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        found = os.fstat(descriptor)
        self._room = self.maxBytes - found.st_size if stat.S_ISREG(found.st_mode) else sys.maxsize
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
