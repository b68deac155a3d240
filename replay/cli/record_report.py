"""What ``floway record`` shows: bars while it works, a table and the failures when it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from replay.record.runner import Outcome
from replay.record.scenarios import Scenario, label

_MARKS = {
    "recorded": "[green]recorded[/]",
    "lacking": "[dim]lacking[/]",
    "failed": "[red]failed[/]",
}
_OUTPUT_LINES = 20


class Board:
    """Bars on a terminal, one per scenario; a line per event elsewhere. On standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Board:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, text: str) -> None:
        """Something that takes time begins."""
        self._progress.console.print(f"[dim]{escape(text)}[/]", highlight=False)

    def begin(self, title: str, totals: Mapping[str, int]) -> None:
        """The recordings begin; ``totals``: runs by scenario."""
        self.tell(f"recording {title}: {sum(totals.values())} runs")
        for name, total in totals.items():
            self._bars[name] = self._progress.add_task(name, total=total, note="")

    def told(self, outcome: Outcome) -> None:
        """A run is over."""
        name = outcome.run.scenario.name
        note = "" if outcome.status == "recorded" else f"{outcome.status}: {outcome.reason}"
        self._progress.update(self._bars[name], advance=1)
        if note:
            self._progress.update(self._bars[name], note=escape(note))
        if not self._console.is_terminal and outcome.status == "failed":
            self.tell(f"{name}, {label(outcome.run.case)}: {note}")

    def summary(self, outcomes: Sequence[Outcome], folder: Path) -> bool:
        """The table on standard output, failures with their output; whether there were any."""
        console = Console()
        if not console.is_terminal:
            console = Console(width=160)
        console.print(_table(outcomes))
        failed = [outcome for outcome in outcomes if outcome.status == "failed"]
        for outcome in failed:
            console.print(
                f"\n[red]{outcome.run.scenario.name}, {label(outcome.run.case)}, "
                f"run {outcome.run.number}:[/] {escape(outcome.reason)}",
                highlight=False,
            )
            lines = outcome.output.splitlines()[-_OUTPUT_LINES:]
            console.print("\n".join(f"  {line}" for line in lines), markup=False, highlight=False)
        written = sum(outcome.status == "recorded" for outcome in outcomes)
        text = f"{written} traces in {folder}" if written else "no trace was written"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        return bool(failed)


def _table(outcomes: Sequence[Outcome]) -> Table:
    """One row per case: how many runs were recorded, exchanges, what is missing and why."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("scenario", "condition", "runs", "exchanges", "", "why"):
        right = column in ("runs", "exchanges")
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    for rows in _by_case(outcomes).values():
        recorded = [row for row in rows if row.status == "recorded"]
        counts = sorted({row.exchanges for row in recorded})
        spread = "" if not counts else str(counts[0])
        if len(counts) > 1:
            spread += f"-{counts[-1]}"
        worst = next((row for row in rows if row.status == "failed"), None)
        worst = worst or next((row for row in rows if row.status == "lacking"), rows[0])
        table.add_row(
            worst.run.scenario.name,
            label(worst.run.case),
            f"{len(recorded)}/{len(rows)}",
            spread,
            _MARKS[worst.status],
            escape(worst.reason),
        )
    return table


def _by_case(outcomes: Sequence[Outcome]) -> dict[tuple[str, str], list[Outcome]]:
    """Outcomes of equal cases together, in the order of the scenarios."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        key = (outcome.run.scenario.name, label(outcome.run.case))
        found.setdefault(key, []).append(outcome)
    names = list(dict.fromkeys(name for name, _ in found))
    return dict(sorted(found.items(), key=lambda item: names.index(item[0][0])))


def show_scenarios(chosen: Sequence[Scenario]) -> None:
    """``--list``: what is recorded, and under which conditions."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("scenario", "what", "conditions"):
        table.add_column(column, overflow="fold")
    for scenario in chosen:
        conditions = "; ".join(label(case) for case in scenario.cases)
        table.add_row(scenario.name, scenario.about, conditions)
    console = Console()
    (console if console.is_terminal else Console(width=1000)).print(table)
