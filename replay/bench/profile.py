"""What a profile says: functions and packages by their share. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from rich.table import Table

FLOWAY = ("addons", "fingerprints", "replay")


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a profile.

    Attributes:
        own: share of all time in its own code, 0 to 1.
        total: the same with everything that it called.
        calls: None from a sampling profiler.
    """

    file: str
    line: int
    name: str
    own: float
    total: float
    calls: int | None

    @property
    def package(self) -> str:
        """Whose code it is, in a word."""
        parts = PurePath(self.file).parts
        if "site-packages" in parts:
            return parts[parts.index("site-packages") + 1].removesuffix(".py")
        if not self.file or self.file.startswith("<"):
            return "built in"
        if len(parts) > 1 and (mine := [part for part in parts[:-1] if part in FLOWAY]):
            return f"floway ({mine[-1]})"
        return "asyncio" if "asyncio" in parts else "standard library"

    @property
    def place(self) -> str:
        """Short and still unique: path from its package on, line, name."""
        parts = PurePath(self.file).parts
        for mark in ("site-packages", *FLOWAY):
            if mark in parts:
                start = parts.index(mark) + (mark == "site-packages")
                return f"{'/'.join(parts[start:])}:{self.line} {self.name}"
        return f"{'/'.join(parts[-2:])}:{self.line} {self.name}" if self.file else self.name


def read(file: Path) -> list[Function]:
    """The functions that :mod:`replay.bench.profiler` wrote."""
    return [Function(**each) for each in json.loads(file.read_text())]


def by_package(functions: Iterable[Function]) -> list[tuple[str, float]]:
    """Own shares summed, the largest first."""
    shares: defaultdict[str, float] = defaultdict(float)
    for function in functions:
        shares[function.package] += function.own
    return sorted(shares.items(), key=lambda item: -item[1])


def tables(functions: Sequence[Function], per_answer: float | None, top: int) -> list[Table]:
    """``per_answer``: milliseconds of processor time that one answer took, for scale."""
    packages = Table(title="Own time by package", title_justify="left")
    packages.add_column("package")
    packages.add_column("share", justify="right")
    packages.add_column("ms per answer", justify="right")
    for name, share in by_package(functions):
        packages.add_row(name, f"{share:.1%}", _scaled(share, per_answer))
    own = _functions("Functions by own time")
    for function in sorted(functions, key=lambda each: -each.own)[:top]:
        own.add_row(*_row(function, per_answer))
    total = _functions("floway's functions by total time")
    mine = [
        each for each in functions if each.package in ("floway (addons)", "floway (fingerprints)")
    ]
    for function in sorted(mine, key=lambda each: -each.total)[:top]:
        total.add_row(*_row(function, per_answer))
    return [packages, own, total]


def _functions(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("function", overflow="fold")
    for column in ("own", "own ms", "total", "total ms", "calls"):
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _row(function: Function, per_answer: float | None) -> list[str]:
    return [
        function.place,
        f"{function.own:.1%}",
        _scaled(function.own, per_answer),
        f"{function.total:.1%}",
        _scaled(function.total, per_answer),
        "" if function.calls is None else f"{function.calls:,}",
    ]


def _scaled(share: float, per_answer: float | None) -> str:
    return "" if per_answer is None else f"{share * per_answer:.3f}"
