"""Results as tables for the terminal, as Markdown for the README, as JSON for programs. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from replay.bench.bars import Bar, bars
from replay.bench.machine import Machine
from replay.bench.measurement import Case, Results, Series, Spread, added_p50, rate_ratio
from replay.bench.runner import Plan
from replay.bench.targets import BASE, MITMPROXY_OPTIONS, Target

FORMAT = 1
"""Of the JSON document; grows when a member changes its meaning."""

NONE = "–"


@dataclass(frozen=True, slots=True)
class Report:
    """One run, whole."""

    machine: Machine
    plan: Plan
    results: Results

    def tables(self) -> Iterable[RenderableType]:
        """For a terminal."""
        for case in self.plan.cases:
            yield _table(self._case_title(case), _columns(case), self._case_rows(case))
        if self.results.memory:
            yield _table("Memory (RSS, MB)", _MEMORY_COLUMNS, self._memory_rows())
        yield _bar_table(bars(self.results))
        yield from self._remarks()

    def markdown(self) -> str:
        """All cases in one table, for a README."""
        head = ["case", *_columns(None)[:-1]]
        rows = [
            [case.title, *cells[:-1]] for case in self.plan.cases for cells in self._case_rows(case)
        ]
        parts = [
            f"Measured by `scripts/bench` on {self.machine}; upstream leg {self.plan.leg}, "
            f"{self.plan.rounds} interleaved rounds of {self.plan.seconds:g} s; in parentheses the "
            "middle half of the rounds.",
            _markdown_table(head, rows),
        ]
        if self.results.memory:
            parts.append(_markdown_table(_MEMORY_COLUMNS, self._memory_rows()))
        return "\n\n".join(parts) + "\n"

    def document(self) -> dict[str, Any]:
        """For programs: milliseconds, answers a second, bytes."""
        plan = self.plan
        return {
            "format": FORMAT,
            "machine": asdict(self.machine),
            "plan": {
                "rounds": plan.rounds,
                "seconds": plan.seconds,
                "requests": plan.requests,
                "model": plan.model,
                "leg": plan.leg,
                "pinned": plan.pin,
                "mitmproxy_options": dict(MITMPROXY_OPTIONS),
            },
            "cases": [
                {
                    **asdict(case),
                    "targets": {
                        name: _figures(series, row.get(BASE)) for name, series in row.items()
                    },
                }
                for case in plan.cases
                if (row := self.results.series.get(case.name)) is not None
            ],
            "resident_after_matrix": dict(self.results.resident),
            "memory": {name: asdict(memory) for name, memory in self.results.memory.items()},
            "bars": [asdict(bar) for bar in bars(self.results)],
        }

    def _case_title(self, case: Case) -> str:
        plural = "s" if self.plan.rounds > 1 else ""
        return f"{case.title} ({self.plan.rounds} round{plural})"

    def _case_rows(self, case: Case) -> list[list[str]]:
        row = self.results.series.get(case.name, {})
        base = row.get(BASE)
        return [
            _cells(target, row[target.name], base)
            for target in self.plan.targets
            if target.name in row
        ]

    def _memory_rows(self) -> list[list[str]]:
        titles = {target.name: target.title for target in self.plan.targets}
        return [
            [
                titles[name],
                f"{memory.requests:,}",
                *(_megabytes(memory.resident[place]) for place in _memory_places(memory.resident)),
                f"{memory.growth / 1e3:.1f}" if not math.isnan(memory.growth) else NONE,
                _megabytes(self.results.resident.get(name)),
                str(memory.failed or NONE),
            ]
            for name, memory in self.results.memory.items()
        ]

    def _remarks(self) -> Iterable[RenderableType]:
        for case in self.plan.cases:
            for name, series in self.results.series.get(case.name, {}).items():
                if reasons := series.reasons:
                    yield Text(f"{case.name}, {name}: " + "; ".join(reasons), style="red")
        for name, memory in self.results.memory.items():
            if memory.reasons:
                yield Text(f"memory, {name}: " + "; ".join(memory.reasons), style="red")
        for name, lines in self.results.warnings.items():
            if lines:
                yield Text(f"{name} logged {len(lines)} warnings; the last: {lines[-1]}")
        for fault in self.results.faults:
            yield Text(fault, style="red")


_MEMORY_COLUMNS = [
    "target",
    "requests",
    "at start",
    "half way",
    "at end",
    "KB/1,000 requests in the second half",
    "after the matrix",
    "failed",
]


def _memory_places(resident: Sequence[int]) -> tuple[int, int, int]:
    return 0, len(resident) // 2, -1


def _columns(case: Case | None) -> list[str]:
    return [
        "target",
        "p50 ms",
        "p99 ms",
        "first byte p50 ms",
        case.unit if case else "answers/s",
        "of bare",
        "added p50 ms",
        "proxy CPU ms",
        "refused per answer",
        "failed",
    ]


def _cells(target: Target, series: Series, base: Series | None) -> list[str]:
    compared = base is not None and series is not base
    return [
        target.title,
        _number(series.p50),
        _number(series.p99),
        _number(series.first_p50),
        _number(series.rate, 0),
        _spread(rate_ratio(series, base) if base is not None and compared else None),
        _spread(added_p50(series, base) if base is not None and compared else None, sign="+"),
        _number(series.processor),
        _number(series.refusals) if target.failover else NONE,
        str(series.failed or NONE),
    ]


def _figures(series: Series, base: Series | None) -> dict[str, Any]:
    ratio = rate_ratio(series, base) if base is not None else None
    added = added_p50(series, base) if base is not None else None
    return {
        "answered": series.answered,
        "failed": series.failed,
        "reasons": series.reasons,
        "p50": _known(series.p50),
        "p99": _known(series.p99),
        "first_p50": _known(series.first_p50),
        "rate": _known(series.rate),
        "processor": series.processor,
        "refusals": series.refusals,
        "rate_ratio": asdict(ratio) if ratio else None,
        "added_p50": asdict(added) if added else None,
        "rounds": [
            {"answered": turn.answered, "p50": _known(turn.p50), "rate": turn.rate}
            for turn in series.turns
        ],
    }


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _number(value: float | None, digits: int = 2) -> str:
    if value is None or math.isnan(value):
        return NONE
    return f"{value:,.{digits}f}"


def _spread(value: Spread | None, sign: str = "") -> str:
    return NONE if value is None else value.text(sign)


def _megabytes(value: int | None) -> str:
    return NONE if value is None else f"{value / 1e6:.0f}"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _bar_table(measured: Sequence[Bar]) -> Table:
    table = Table(title="Bars (for information)", title_justify="left")
    for column in ("bar", "limit", "measured", ""):
        table.add_column(column)
    for bar in measured:
        word, style = {True: ("pass", "green"), False: ("miss", "red"), None: ("", "dim")}[bar.met]
        table.add_row(bar.title, bar.limit, bar.value, Text(word, style=style))
    return table


def _markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        "| " + " | ".join(columns) + " |",
        "|---" + "|---:" * (len(columns) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines)
