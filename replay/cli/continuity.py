"""``floway continuity``: conversations played against the sandbox, beside the official client."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any, Final

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

from replay.cli.failure import FAILED, USAGE, CommandFailed
from replay.cli.record import interruptible
from replay.continuity.play import CLIENTS, GOAL, Case, Result, Stage, cases
from replay.record.install import cache_folder

_OUTPUT_LINES: Final = 80


def play(turns: int, clients: Sequence[str], jobs: int, *, as_json: bool) -> int:
    """Play all conversations and say what came of them; the command's exit code.

    Raises:
        CommandFailed: a client is not known, or it was interrupted.
    """
    chosen = list(dict.fromkeys(clients)) or list(CLIENTS)
    unknown = [name for name in chosen if name not in CLIENTS]
    if unknown:
        known = ", ".join(CLIENTS)
        raise CommandFailed(f"no client is called {unknown[0]!r}; there are: {known}", USAGE)
    played: list[tuple[Result, list[Result]]] = []

    async def work() -> bool:
        played.append(await _play(turns, cases(chosen), jobs))
        return True

    interruptible(work())
    [(yardstick, results)] = played
    if as_json:
        rows = [row(each, yardstick) for each in (yardstick, *results) if each.measured]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        _console().print(table(yardstick, results))
    problems = told_problems(yardstick, results)
    if problems:
        console = Console(stderr=True)
        console.print("\n".join(problems), markup=False, highlight=False, soft_wrap=True)
    return 0 if all(good(each, yardstick) for each in (yardstick, *results)) else FAILED


async def _play(turns: int, wanted: Sequence[Case], jobs: int) -> tuple[Result, list[Result]]:
    free = asyncio.Semaphore(max(1, jobs))
    with Board(turns) as board:
        stage = Stage(cache_folder() / "continuity", turns, tell=board.tell, told=board.told)

        async def one(case: Case) -> Result:
            async with free:
                result = await stage.play(case)
            board.over(result)
            return result

        async def first() -> Result:
            async with free:
                result = await stage.yardstick()
            board.over(result)
            return result

        async with asyncio.TaskGroup() as group:
            yardstick = group.create_task(first())
            tasks = [group.create_task(one(case)) for case in wanted]
    return yardstick.result(), [task.result() for task in tasks]


# --- what is said --------------------------------------------------------------------------------


class Board:
    """A bar for each conversation under way on a terminal; a line for each elsewhere."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self._console = Console(stderr=True)
        self._bars: dict[Case, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
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
        self._progress.console.print(f"[dim]{escape(text)}[/]", highlight=False, soft_wrap=True)

    def told(self, case: Case, turn: int) -> None:
        """A turn is over."""
        if case not in self._bars:
            self._bars[case] = self._progress.add_task(title(case), total=self._turns)
        self._progress.update(self._bars[case], completed=turn)

    def over(self, result: Result) -> None:
        """A conversation is over."""
        if result.case in self._bars:
            self._progress.remove_task(self._bars.pop(result.case))
        if result.measured is not None:
            self.tell(f"{title(result.case)}: {percent(result.measured.ratio)}")
        else:
            self.tell(f"{title(result.case)}: {result.skipped or result.failure}")


def title(case: Case) -> str:
    """A case in a few words."""
    if not case.accounts:
        return case.client
    many = "1 account" if case.accounts == 1 else f"{case.accounts} accounts"
    return f"{case.client}, {many}, {case.name}"


def row(result: Result, yardstick: Result) -> dict[str, Any]:
    """A result as JSON; only for one that was measured."""
    found = result.measured
    assert found is not None
    share = of_yardstick(result, yardstick)
    return {
        "client": result.case.client,
        "accounts": result.case.accounts,
        "case": result.case.name,
        "turns": result.turns,
        "requests": found.requests,
        "eligible_tokens": found.eligible_tokens,
        "cached_tokens": found.cached_tokens,
        "ratio": round(found.ratio, 4),
        "of_yardstick": None if share is None else round(share, 4),
        "rebuilds": found.rebuilds,
    }


def of_yardstick(result: Result, yardstick: Result) -> float | None:
    """A result's ratio as a share of the yardstick's; None where one of them is missing."""
    if result.measured is None or yardstick.measured is None or not yardstick.measured.ratio:
        return None
    return result.measured.ratio / yardstick.measured.ratio


def good(result: Result, yardstick: Result) -> bool:
    """Whether the goal is reached, or the client is not there."""
    if result.skipped:
        return True
    share = of_yardstick(result, yardstick)
    return share is not None and share >= GOAL


def table(yardstick: Result, results: Sequence[Result]) -> Table:
    """One row per conversation, the yardstick first."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("client", "accounts", "case"):
        made.add_column(name, overflow="fold")
    for name in ("turns", "requests", "eligible", "cached", "ratio", "of yardstick"):
        made.add_column(name, justify="right")
    made.add_column("", overflow="fold")
    for each in (yardstick, *results):
        case, found = each.case, each.measured
        start = [case.client, str(case.accounts or ""), case.name if case.accounts else ""]
        if found is None:
            word = "[dim]skipped[/]" if each.skipped else "[red]failed[/]"
            made.add_row(*start, str(each.turns), "", "", "", "", "", word)
            continue
        share = of_yardstick(each, yardstick)
        note = "one rebuild not counted" if found.rebuilds else ""
        if each is yardstick:
            note = "the yardstick"
        elif not good(each, yardstick):
            note = f"[red]less than {GOAL:.0%}[/]"
        made.add_row(
            *start,
            str(each.turns),
            str(found.requests),
            f"{found.eligible_tokens:,}",
            f"{found.cached_tokens:,}",
            percent(found.ratio),
            "" if share is None else percent(share),
            note,
        )
    return made


def told_problems(yardstick: Result, results: Sequence[Result]) -> list[str]:
    """Lines on what failed or was not played."""
    lines = []
    for each in (yardstick, *results):
        if each.failure:
            lines.append(f"{title(each.case)}: {each.failure}")
            lines += [f"  {line}" for line in each.output.splitlines()[-_OUTPUT_LINES:]]
    skipped = dict.fromkeys((each.case.client, each.skipped) for each in results if each.skipped)
    lines += [f"{client}: skipped: {why}" for client, why in skipped]
    return lines


def percent(ratio: float) -> str:
    """Never rounded up."""
    return f"{int(ratio * 10_000) / 100:.2f} %"


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=160)
