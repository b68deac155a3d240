"""Recordings from files of any kind that floway reads: traces, and what importers turn into one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fingerprints import trace_file
from fingerprints.errors import TraceError
from fingerprints.trace import SCHEMA, Trace

REMEDY = "Recordings are traces, mitmproxy flow files, HAR files and vcrpy cassettes"
_BEGINNING = 200


def read(file: Path) -> Trace:
    """The trace of one file.

    Raises:
        TraceError: the file cannot be read, or is no recording.
    """
    if file.name.endswith(trace_file.SUFFIX) or _is_trace(file):
        return trace_file.read(file)
    from replay.interchange import files
    from replay.interchange.errors import InterchangeError

    try:
        return files.load(file, files.Labels())
    except InterchangeError as error:
        raise TraceError(str(error), file=file, remedy=REMEDY) from error


def _is_trace(file: Path) -> bool:
    """Whether a file of any name begins as a trace does."""
    try:
        with file.open("rb") as opened:
            beginning = opened.read(_BEGINNING)
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror}", file=file) from error
    return f'"format": {SCHEMA}'.encode() in beginning and beginning.lstrip().startswith(b"{")


def read_all(paths: Iterable[Path]) -> tuple[list[Trace], list[TraceError]]:
    """The traces of all recordings among files and folders (in folders, traces only), and what is
    wrong with those that cannot be read."""
    traces: list[Trace] = []
    problems: list[TraceError] = []
    for path in paths:
        try:
            files = trace_file.find([path])
        except TraceError as error:
            problems.append(error)
            continue
        for file in files:
            try:
                traces.append(read(file))
            except TraceError as error:
                problems.append(error)
    return traces, problems
