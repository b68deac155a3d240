"""Which recordings there are, and what they are checked against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import fingerprints
from fingerprints import library, trace_file
from fingerprints.profile import Profile
from fingerprints.trace import Trace

TRACES = Path(fingerprints.__file__).with_name("traces")
"""Folder of the shipped recordings."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording and its file."""

    file: Path
    trace: Trace

    @property
    def official(self) -> bool:
        """Whether its client is one that floway has profiles of."""
        return any(shelved.client == self.trace.client for shelved in library.available())


def load(folders: Sequence[Path], expressions: Sequence[str] = ()) -> list[Recorded]:
    """The recordings of some folders, sorted by name.

    Args:
        expressions: see :func:`chosen`.

    Raises:
        TraceError: a folder without traces, or a trace that cannot be read.
    """
    found = [Recorded(file, trace_file.read(file)) for file in trace_file.find(folders)]
    found.sort(key=lambda recorded: recorded.trace.name)
    return [recorded for recorded in found if chosen(recorded.trace.name, expressions)]


def chosen(name: str, expressions: Sequence[str]) -> bool:
    """Whether every expression holds: a part of the name, ``not PART``, or several joined by
    ``and`` or ``or`` (``and`` binds more strongly); letter case does not matter."""
    return all(_holds(name.lower(), expression.lower()) for expression in expressions)


def _holds(name: str, expression: str) -> bool:
    return any(
        all(_part(name, part.strip()) for part in either.split(" and "))
        for either in expression.split(" or ")
    )


def _part(name: str, part: str) -> bool:
    if part.startswith("not "):
        return part.removeprefix("not ").strip() not in name
    return part in name


def own_profile(trace: Trace) -> Profile | None:
    """The shipped profile of a recording's release, None where there is none."""
    for shelved in library.available():
        if (shelved.client, shelved.release) == (trace.client, trace.release):
            return library.load(shelved.file)
    return None


def by_scenario(recorded: Iterable[Recorded]) -> dict[str, list[Recorded]]:
    """Recordings of the same scenario, release and conditions, by their common name."""
    out: dict[str, list[Recorded]] = {}
    for each in recorded:
        out.setdefault(each.trace.name.rpartition("#")[0], []).append(each)
    return out
