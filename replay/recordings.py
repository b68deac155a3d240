"""Recordings from files of any kind that floway reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fingerprints import trace_file
from fingerprints.errors import TraceError
from fingerprints.trace import Trace


def read(file: Path) -> list[Trace]:
    """The traces of one file: a trace, or what an importer makes of a foreign recording.

    Raises:
        TraceError: the file cannot be read, or is no recording.
    """
    if file.name.endswith(trace_file.SUFFIX):
        return [trace_file.read(file)]
    return [trace_file.read(file)]


def find(paths: Iterable[Path]) -> list[Path]:
    """The recordings among files and folders; in folders, traces only.

    Raises:
        TraceError: a path that does not exist, or a folder without a trace.
    """
    return trace_file.find(paths)


def read_all(paths: Iterable[Path]) -> tuple[list[Trace], list[TraceError]]:
    """The traces of all recordings, and what is wrong with those that cannot be read."""
    traces: list[Trace] = []
    problems: list[TraceError] = []
    for path in paths:
        try:
            for file in find([path]):
                try:
                    traces += read(file)
                except TraceError as error:
                    problems.append(error)
        except TraceError as error:
            problems.append(error)
    return traces, problems
