"""Traces on their way to the disk: redacted, built and written on a thread of their own.

Whoever gives recordings here is never kept waiting and never sees an error. What goes wrong is
logged once for each kind of failure, and the recording is dropped.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fingerprints import trace_file
from fingerprints.capture import Capture, Recording

logger = logging.getLogger(__name__)

PENDING_BYTES = 128 * 1024 * 1024
"""Bodies that may wait for the thread; what comes on top is dropped."""

PAUSE = 20.0
"""A trace is not written again before this many times as long as the last time took have passed,
so that a long one, which is written as a whole each time, leaves the processor to the proxy."""

LIVE = "live-"
"""How the scenario of live traces begins; only their files are ever removed."""


@dataclass(slots=True)
class Sink:
    """One trace that is being written.

    Attributes:
        capture: what has been recorded.
        live: its file counts against the limit, and may be removed.
        size: bytes of raw bodies that went into it.
        due: when it may be written again, seconds of the monotonic clock.
    """

    capture: Capture
    live: bool
    size: int = 0
    dirty: bool = False
    due: float = 0.0


@dataclass(slots=True)
class _Job:
    sink: Sink
    recordings: list[Recording] = field(default_factory=list)
    size: int = 0
    last: bool = False


class TraceWriter:
    """Writes traces below a folder.

    Args:
        folder: made when the first trace is written.
        limit: bytes that live traces may take up together; the oldest go first. Also the most
            bytes of bodies of one trace.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pending = 0
        self._lock = threading.Lock()
        self._complaints: set[str] = set()
        self._files: dict[Path, int] | None = None
        """Live traces on the disk, oldest first, with their bytes."""
        self._thread = threading.Thread(target=self._work, name="floway: traces", daemon=True)
        self._thread.start()

    def add(self, sink: Sink, *recordings: Recording, last: bool = False) -> None:
        """Recordings that are over. ``last``: nothing more comes for this trace."""
        if recordings and sink.size > self.limit:
            self._complain("full", "a trace has reached floway_capture_limit_mb; it ends here")
            recordings = ()
        size = sum(_size(recording) for recording in recordings)
        with self._lock:
            accepted = self._pending + size <= PENDING_BYTES
            if accepted:
                self._pending += size
        if not accepted:
            self._complain("backlog", "traces: more comes in than can be written; some is dropped")
            recordings, size = (), 0
        self._jobs.put(_Job(sink, list(recordings), size, last))

    def close(self, seconds: float = 20.0) -> bool:
        """Write what is left; False when that takes longer than ``seconds``."""
        self._jobs.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # --- on the thread ---

    def _work(self) -> None:
        dirty: dict[int, Sink] = {}
        ended = False
        while not ended:
            pause = min((sink.due for sink in dirty.values()), default=None)
            wait = None if pause is None else max(pause - time.monotonic(), 0.0)
            try:
                job = self._jobs.get(timeout=wait)
                while True:  # all that is there, before files are written
                    ended = ended or job is None
                    if job is not None:
                        self._guard(self._take, job)
                        if job.sink.dirty:
                            dirty[id(job.sink)] = job.sink
                    job = self._jobs.get_nowait()
            except queue.Empty:
                now = time.monotonic()
            for key, sink in list(dirty.items()):
                if ended or sink.due <= now:
                    del dirty[key]
                    self._guard(self._write, sink)

    def _take(self, job: _Job) -> None:
        try:
            for recording in job.recordings:
                job.sink.capture.add(recording)
                job.sink.dirty = True
        finally:
            job.sink.size += job.size
            with self._lock:
                self._pending -= job.size
        if job.last:
            job.sink.due = 0.0
            # Also when nothing came: whoever waits for the one trace finds that out.
            job.sink.dirty = job.sink.dirty or not job.sink.live

    def _write(self, sink: Sink) -> None:
        sink.dirty = False
        begin = time.monotonic()
        path = trace_file.write(sink.capture.trace(), self.folder)
        end = time.monotonic()
        sink.due = end + (end - begin) * PAUSE
        if sink.live:
            files = self._known_files()
            files.pop(path, None)
            files[path] = path.stat().st_size
            self._bound(files)

    def _known_files(self) -> dict[Path, int]:
        if self._files is None:
            found = [
                (stat.st_mtime, path, stat.st_size)
                for path in self.folder.rglob(f"{LIVE}*{trace_file.SUFFIX}")
                for stat in [path.stat()]
            ]
            self._files = {path: size for _, path, size in sorted(found)}
        return self._files

    def _bound(self, files: dict[Path, int]) -> None:
        total = sum(files.values())
        while total > self.limit and files:
            oldest = next(iter(files))
            oldest.unlink(missing_ok=True)
            total -= files.pop(oldest)

    def _guard[T](self, work: Callable[[T], None], subject: T) -> None:
        try:
            work(subject)
        except OSError as error:
            self._complain(
                type(error).__name__,
                f"traces cannot be written below {self.folder}: {error.strerror or error}. "
                "Correct floway_capture; the proxy goes on without",
            )
        except Exception as error:
            if self._is_new(type(error).__name__):
                logger.warning("a trace was dropped", exc_info=True)

    def _complain(self, kind: str, text: str) -> None:
        # A warning: mitmdump takes an error during its start for a reason to exit.
        if self._is_new(kind):
            logger.warning("%s", text)

    def _is_new(self, kind: str) -> bool:
        with self._lock:
            new = kind not in self._complaints
            self._complaints.add(kind)
        return new


def _size(recording: Recording) -> int:
    size = len(recording.body or b"") + sum(len(message.data) for message in recording.messages)
    if recording.answer is not None:
        size += sum(len(data) for _, data in recording.answer.chunks)
    return size
