"""The quality bars of the project, held against results. For information: nothing fails on them.

They are bars for a quiet machine; a shared one misses them by its noise alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from replay.bench.measurement import Results, Series, Spread, added_p50, rate_ratio
from replay.bench.targets import BASE

MEMORY_LIMIT = 150e6
"""Bytes after :data:`MEMORY_REQUESTS` requests."""
MEMORY_REQUESTS = 10_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. ``met`` None: what it needs was not measured."""

    title: str
    limit: str
    value: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class _Comparison:
    title: str
    case: str
    target: str
    compare: Callable[[Series, Series], Spread | None]
    limit: float
    at_most: bool
    unit: str

    def judge(self, results: Results) -> Bar:
        row = results.series.get(self.case, {})
        sign = "≤" if self.at_most else "≥"
        limit = f"{sign} {self.limit:g}{self.unit}"
        spread = None
        if self.target in row and BASE in row:
            spread = self.compare(row[self.target], row[BASE])
        if spread is None:
            return Bar(self.title, limit, "not measured", None)
        met = spread.median <= self.limit if self.at_most else spread.median >= self.limit
        return Bar(self.title, limit, spread.text(unit=self.unit), met)


_COMPARISONS = (
    _Comparison(
        "added p50, 8 KB, c=1", "body8k-c1", "responses", added_p50, 0.5, at_most=True, unit=" ms"
    ),
    _Comparison(
        "added p50, 256 KB, c=1",
        "body256k-c1",
        "responses",
        added_p50,
        2.0,
        at_most=True,
        unit=" ms",
    ),
    *(
        _Comparison(
            f"requests/s of bare, {title}, c=32",
            case,
            "responses",
            rate_ratio,
            0.85,
            at_most=False,
            unit="",
        )
        for title, case in (("8 KB", "body8k-c32"), ("256 KB", "body256k-c32"))
    ),
    *(
        _Comparison(
            f"SSE streams/s of bare, {title}, c={concurrency}",
            f"sse200-c{concurrency}",
            target,
            rate_ratio,
            limit,
            at_most=False,
            unit="",
        )
        for title, target, limit in (("responses", "responses", 0.9), ("chat", "chat", 0.5))
        for concurrency in (1, 32)
    ),
)


def bars(results: Results) -> list[Bar]:
    """All bars, measured or not."""
    return [*(each.judge(results) for each in _COMPARISONS), _memory(results)]


def _memory(results: Results) -> Bar:
    title = f"RSS after {MEMORY_REQUESTS:,} requests"
    limit = f"< {MEMORY_LIMIT / 1e6:.0f} MB"
    seen = results.memory.get("responses")
    if seen is None or seen.requests < MEMORY_REQUESTS:
        return Bar(title, limit, "not measured", None)
    last = seen.resident[-1]
    return Bar(title, limit, f"{last / 1e6:.0f} MB", last < MEMORY_LIMIT)
