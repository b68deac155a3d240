"""Options of ``floway learn`` and ``floway profiles``. What they do is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

EXIT_CODES: Final = (
    "Exit codes: 0 learned, 1 a recording differs from what was learned, or something cannot be "
    "read or written, 2 a wrong option."
)

profiles_app = typer.Typer(
    help="List, show and compare fingerprint profiles.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog=EXIT_CODES)(learn)
    app.add_typer(profiles_app, name="profiles")


def learn(
    traces: Annotated[
        list[Path],
        typer.Argument(metavar="TRACES…", help="Recordings of one release: files or folders."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Profile to write; overlays beside it are applied."),
    ] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option(metavar="TRACES", help="Recordings held back, to be checked as well."),
    ] = None,
    explain: Annotated[
        str,
        typer.Option(
            metavar="PATH", help="Show the evidence of a field, e.g. turn_metadata.turn_id; all: *."
        ),
    ] = "",
    vocabulary: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What fields are called; the client's own by default."),
    ] = None,
) -> None:
    """Learn a release's fingerprint profile from two recordings or more."""
    from replay.cli.learn import Learn
    from replay.cli.learn import learn as run

    chosen = Learn(
        traces=traces, out=out, check=check or (), explain=explain, vocabulary=vocabulary
    )
    run(chosen)


@profiles_app.command("list")
def list_profiles(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show the shipped profiles."""
    from replay.cli.profiles import list_all

    list_all(as_json=as_json)


@profiles_app.command()
def show(
    name: Annotated[str, typer.Argument(help="A profile: codex@0.169.0, codex@latest, a file.")],
    only: Annotated[
        str, typer.Option(metavar="KIND", help="Only one kind of request, e.g. turn.")
    ] = "",
) -> None:
    """Show what a release sends, kind by kind."""
    from replay.cli.profiles import show as run

    run(name, only)


@profiles_app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="The older profile.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The newer one.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    only: Annotated[
        str, typer.Option(metavar="KIND", help="Only one kind of request, e.g. turn.")
    ] = "",
) -> None:
    """Show what changed between two releases, as a change log."""
    from replay.cli.profiles import diff as run

    run(before, after, only, as_json=as_json)
