"""``floway record opencode`` and its like: clients that are no official Codex.

What they do is imported when they run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replay.cli.failure import FAILED, USAGE, CommandFailed
from replay.cli.record import EXIT_CODES, cores, interruptible

if TYPE_CHECKING:
    from replay.record.third_party import Client


Names = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Record only this one; may be given several times."),
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Traces go to FOLDER/CLIENT/RELEASE/.")]
Runs = Annotated[int, typer.Option(min=1, max=20, metavar="N", help="Recordings of each scenario.")]
Jobs = Annotated[
    int,
    typer.Option(
        min=0, max=64, metavar="N", help="Recordings at the same time; 0: one for each core."
    ),
]
Listed = Annotated[bool, typer.Option("--list", help="Show the scenarios and end.")]


TRACES = Path("traces")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for name, command in (
        ("opencode", opencode),
        ("claude-code", claude_code),
        ("openai-sdk", openai_sdk),
        ("cursor-sdk", cursor_sdk),
    ):
        app.command(name, epilog=EXIT_CODES)(command)


def opencode(
    version: Annotated[
        str, typer.Option(metavar="RELEASE", help="Release of opencode-ai on npm, or a tag.")
    ] = "latest",
    scenario: Names = None,
    out: Out = TRACES,
    runs: Runs = 1,
    jobs: Jobs = 0,
    list_: Listed = False,
) -> None:
    """Record OpenCode: what it sends to a gateway, by chat completions and by Responses."""
    from replay.record.opencode import CLIENT

    record(CLIENT, Chosen(version, scenario or (), out, runs, jobs, list_))


def claude_code(
    version: Annotated[
        str,
        typer.Option(metavar="RELEASE", help="Release of @anthropic-ai/claude-code, or a tag."),
    ] = "latest",
    scenario: Names = None,
    out: Out = TRACES,
    runs: Runs = 1,
    jobs: Jobs = 0,
    list_: Listed = False,
) -> None:
    """Record Claude Code: what it sends to a gateway. It needs npm and no account."""
    from replay.record.claude_code import CLIENT

    record(CLIENT, Chosen(version, scenario or (), out, runs, jobs, list_))


def openai_sdk(
    version: Annotated[
        str, typer.Option(metavar="RELEASE", help="Release of openai on PyPI, or latest.")
    ] = "latest",
    scenario: Names = None,
    out: Out = TRACES,
    runs: Runs = 1,
    jobs: Jobs = 0,
    list_: Listed = False,
) -> None:
    """Record the openai Python SDK: chat completions and Responses."""
    from replay.record.openai_sdk import CLIENT

    record(CLIENT, Chosen(version, scenario or (), out, runs, jobs, list_))


def cursor_sdk(
    version: Annotated[
        str, typer.Option(metavar="RELEASE", help="Release of cursor-sdk on PyPI, or latest.")
    ] = "latest",
    scenario: Names = None,
    out: Out = TRACES,
    runs: Runs = 1,
    jobs: Jobs = 0,
    list_: Listed = False,
) -> None:
    """Record Cursor's Python SDK against a made-up agent service. It needs no account."""
    from replay.record.cursor_sdk import CLIENT

    record(CLIENT, Chosen(version, scenario or (), out, runs, jobs, list_))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options of such a command; ``version`` "" for the client's own default."""

    version: str
    scenarios: Sequence[str]
    out: Path
    runs: int
    jobs: int
    list: bool


def record(client: Client, chosen: Chosen) -> None:
    """Record a client.

    Raises:
        CommandFailed: there is no such scenario or release, or it cannot be installed.
        Exit: something failed.
    """
    from replay.record import scenarios

    try:
        wanted = scenarios.select(client.scenarios, chosen.scenarios)
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None
    if chosen.list:
        from replay.cli.record_report import show_scenarios

        show_scenarios(wanted)
        return
    if interruptible(_record(client, chosen, {each.name for each in wanted})):
        raise typer.Exit(FAILED)


async def _record(client: Client, chosen: Chosen, names: set[str]) -> bool:
    """Whether something failed."""
    from replay.cli.record_report import Board
    from replay.record import install
    from replay.record.errors import RecordError, UnknownRelease
    from replay.record.third_party import ClientRunner, plan

    cache = install.cache_folder()
    wanted = [each for each in client.scenarios if each.name in names]
    with Board() as board:
        try:
            release = await client.install(chosen.version, cache, tell=board.tell)
            title = f"{client.name} {release.release}"
            board.begin(title, {each.name: chosen.runs for each in wanted})
            runner = ClientRunner(client, release, cache / "record", chosen.out, told=board.told)
            outcomes = await runner.record(plan(wanted, chosen.runs), chosen.jobs or cores())
        except UnknownRelease as error:
            raise CommandFailed(str(error), USAGE) from None
        except RecordError as error:
            raise CommandFailed(f"{error}\n{error.output}".rstrip()) from None
    return board.summary(outcomes, chosen.out.joinpath(client.name, release.release))
