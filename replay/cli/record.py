"""``floway record``: recordings of real clients, as traces.

``floway record codex`` installs a release, drives it, and writes what it sent; further commands of
the group are in modules of their own. What they do is imported when they run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from replay.cli.failure import FAILED, USAGE, CommandFailed

if TYPE_CHECKING:
    from replay.record.scenarios import Scenario

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C or SIGTERM."""

EXIT_CODES: Final = (
    "Exit codes: 0 everything that the release has was recorded, 1 something failed, "
    "2 a wrong option, scenario or release."
)

record_app = typer.Typer(
    help="Record real clients, and exchange recordings with other tools.", no_args_is_help=True
)


@record_app.callback()
def _record() -> None:
    """Makes it a group even while it has one command."""


@record_app.command(epilog=EXIT_CODES)
def codex(
    version: Annotated[
        str, typer.Option(metavar="RELEASE", help="Release of @openai/codex on npm, or a tag.")
    ] = "latest",
    scenario: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Record only this one; may be given several times."),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Traces go to FOLDER/codex/RELEASE/.")
    ] = Path("traces"),
    runs: Annotated[
        int,
        typer.Option(
            min=1, max=20, metavar="N", help="Recordings of each case; two or more show the noise."
        ),
    ] = 2,
    jobs: Annotated[
        int,
        typer.Option(
            min=0, max=64, metavar="N", help="Recordings at the same time; 0: one for each core."
        ),
    ] = 0,
    list_: Annotated[bool, typer.Option("--list", help="Show the scenarios and end.")] = False,
) -> None:
    """Record the official Codex CLI. It needs npm and no account; only npm's servers are asked."""
    from replay.record import scenarios

    try:
        chosen = scenarios.select(scenarios.CODEX, scenario or ())
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None
    if list_:
        from replay.cli.record_report import show_scenarios

        show_scenarios(chosen)
        return
    if interruptible(_record_codex(version, chosen, out, runs, jobs or cores())):
        raise typer.Exit(FAILED)


async def _record_codex(
    version: str, chosen: Sequence[Scenario], out: Path, runs: int, jobs: int
) -> bool:
    """Whether something failed.

    Raises:
        CommandFailed: there is no such release, or it cannot be installed or run.
    """
    from replay.cli.record_report import Board
    from replay.record import install
    from replay.record.errors import RecordError, UnknownRelease
    from replay.record.runner import CodexRunner, plan

    cache = install.cache_folder()
    with Board() as board:
        try:
            installed = await install.install(install.CODEX, version, cache, tell=board.tell)
            wanted = plan(chosen, runs)
            totals = Counter(run.scenario.name for run in wanted)
            order = {scenario.name: totals[scenario.name] for scenario in chosen}
            board.begin(f"codex {installed.release}", order)
            runner = CodexRunner(installed, cache / "record", out, told=board.told)
            outcomes = await runner.record(wanted, jobs)
        except UnknownRelease as error:
            raise CommandFailed(str(error), USAGE) from None
        except RecordError as error:
            raise CommandFailed(f"{error}\n{error.output}".rstrip()) from None
    return board.summary(outcomes, out.joinpath("codex", installed.release))


def interruptible(work: Coroutine[Any, Any, bool]) -> bool:
    """Run to the end. Ctrl-C and SIGTERM cancel the work, which stops what it has started.

    Raises:
        CommandFailed: it was interrupted.
    """

    async def main() -> bool:
        task = asyncio.current_task()
        assert task is not None
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        message = "interrupted; everything that was started has been stopped"
        raise CommandFailed(message, INTERRUPTED) from None


def cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
