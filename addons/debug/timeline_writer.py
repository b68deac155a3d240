"""Timelines on their way to the disk: made, masked and written on a thread of their own.

As :mod:`addons.debug.trace_writer`: whoever gives lines here is never kept waiting and never sees
an error. What goes wrong is logged once for each kind of failure.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from addons.debug.timeline_lines import Lines, Seen

logger = logging.getLogger(__name__)

SUFFIX: Final = ".timeline.jsonl"

PENDING_BYTES: Final = 64 * 1024 * 1024
"""Bodies that may wait for the thread; what comes on top is dropped."""

SHARE: Final = 4
"""One file may have this part of what all may have."""


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    seen: Seen


class TimelineWriter:
    """Writes files below a folder, each its owner's only.

    Args:
        folder: made when the first line is written.
        limit: bytes that all files may take up together; the oldest go first.
        make: the maker of lines; called on the thread.
    """

    def __init__(self, folder: Path, limit: int, make: Callable[[], Lines]) -> None:
        self.folder = folder
        self.limit = limit
        self._make = make
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pending = 0
        self._lock = threading.Lock()
        self._complaints: set[str] = set()
        self._sizes: dict[str, int] | None = None
        """Files on the disk, oldest first, with their bytes."""
        self._thread = threading.Thread(target=self._work, name="floway: timelines", daemon=True)
        self._thread.start()

    def add(self, name: str, seen: Seen) -> None:
        """A line for the file of this name."""
        with self._lock:
            accepted = self._pending + seen.size <= PENDING_BYTES
            if accepted:
                self._pending += seen.size
        if accepted:
            self._jobs.put(_Job(name, seen))
        else:
            told = "timelines: more comes in than can be written; some is dropped"
            self._complain("backlog", told)

    def close(self, seconds: float = 10.0) -> bool:
        """Write what is left; False when that takes longer than ``seconds``."""
        self._jobs.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # --- on the thread ---

    def _work(self) -> None:
        lines = self._make()
        while True:
            job = self._jobs.get()
            if job is None:
                return
            try:
                self._write(job.name, lines, job.seen)
            except OSError as error:
                self._complain(
                    type(error).__name__,
                    f"timelines cannot be written below {self.folder}: {error.strerror or error}. "
                    "Correct floway_timeline; the proxy goes on without",
                )
            except Exception as error:
                if self._is_new(type(error).__name__):
                    logger.warning("a line of a timeline was dropped", exc_info=True)
            finally:
                with self._lock:
                    self._pending -= job.seen.size

    def _write(self, name: str, lines: Lines, seen: Seen) -> None:
        sizes = self._known_files()
        size, share = sizes.get(name, 0), self.limit // SHARE
        if size > share:
            return
        text = _dumped(lines.of(seen))
        if size + len(text) > share:
            text = _dumped({"t": seen.facts.get("t", 0.0), "event": "full"})
            size = share  # the next one finds it so
        self._append(name, text)
        sizes[name] = size + len(text)
        total = sum(sizes.values())
        for oldest in list(sizes):
            if total <= self.limit or oldest == name:
                break
            (self.folder / oldest).unlink(missing_ok=True)
            total -= sizes.pop(oldest)

    def _append(self, name: str, text: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, text)
        finally:
            os.close(descriptor)

    def _known_files(self) -> dict[str, int]:
        if self._sizes is None:
            found = [
                (stat.st_mtime, path.name, stat.st_size)
                for path in self.folder.glob(f"*{SUFFIX}")
                for stat in [path.stat()]
            ]
            self._sizes = {name: size for _, name, size in sorted(found)}
        return self._sizes

    def _complain(self, kind: str, text: str) -> None:
        # A warning: mitmdump takes an error during its start for a reason to exit.
        if self._is_new(kind):
            logger.warning("%s", text)

    def _is_new(self, kind: str) -> bool:
        with self._lock:
            new = kind not in self._complaints
            self._complaints.add(kind)
        return new


def _dumped(line: dict[str, object]) -> bytes:
    text = json.dumps(line, ensure_ascii=False, default=str)
    return f"{text}\n".encode("utf-8", "replace")
