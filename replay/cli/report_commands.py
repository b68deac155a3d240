"""Options of ``floway check``, ``diff`` and ``regress``. What they do is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

EXIT_CODES: Final = (
    "Exit codes: 0 the same, 1 something differs, 2 a wrong option, 3 a recording cannot be read."
)

Reports = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write a report too; the name's end says which: .html, .json or .xml (JUnit).",
    ),
]
Everything = Annotated[
    bool, typer.Option("--all", help="Show requests without a difference as well.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Write nothing to the terminal.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog=EXIT_CODES)(check)
    app.command(epilog=EXIT_CODES)(diff)
    app.command(epilog=EXIT_CODES)(regress)


def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Recordings, or folders with traces.", exists=False),
    ],
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Profile or its file; own: the one of the release that a recording names.",
        ),
    ] = "own",
    only: Annotated[
        str, typer.Option(metavar="TEXT", help="Only requests with this in their path.")
    ] = "",
    mutations: Annotated[
        bool,
        typer.Option(
            "--mutations", help="Check the checker as well: change every field, one at a time."
        ),
    ] = False,
    report: Reports = None,
    everything: Everything = False,
    quiet: Quiet = False,
) -> None:
    """Compare recorded traffic with a profile, field by field."""
    from replay.cli.check import Check
    from replay.cli.check import check as run

    chosen = Check(
        files=files,
        profile=profile,
        reports=report or (),
        mutations=mutations,
        only=only,
        everything=everything,
        quiet=quiet,
    )
    run(chosen)


def diff(
    golden: Annotated[
        Path, typer.Argument(metavar="GOLDEN", help="A good recording, or a folder.")
    ],
    candidate: Annotated[
        Path, typer.Argument(metavar="CANDIDATE", help="The recording to judge, or a folder.")
    ],
    more: Annotated[
        list[Path] | None,
        typer.Option(
            "--golden", metavar="FILE", help="Another run of the same: shows what is noise."
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=RULE", help="Let a difference pass; reports suggest the rule for each."
        ),
    ] = None,
    content: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Compare only the JSON type there, as in body:input."),
    ] = None,
    report: Reports = None,
    everything: Everything = False,
    quiet: Quiet = False,
) -> None:
    """Compare recordings with each other; what differs between good runs is noise."""
    from replay.cli.diff import Diff
    from replay.cli.diff import diff as run

    chosen = Diff(
        golden=golden,
        candidate=candidate,
        more=more or (),
        allow=allow or (),
        content=content or (),
        reports=report or (),
        everything=everything,
        quiet=quiet,
    )
    run(chosen)


def regress(
    traces: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Recordings; by default those that floway has."),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Profile or its file; own: the one of the release that a recording names.",
        ),
    ] = "own",
    expressions: Annotated[
        list[str] | None,
        typer.Option(
            "-k",
            metavar="EXPR",
            help="Only recordings with this in their name; not, and, or are understood.",
        ),
    ] = None,
    online: Annotated[
        bool,
        typer.Option(
            "--online/--offline",
            help="Send the recorded requests through a floway as well, and check what comes out.",
        ),
    ] = True,
    report: Reports = None,
    everything: Everything = False,
    quiet: Quiet = False,
) -> None:
    """Check all recorded traffic: against profiles, against other runs, and through a floway."""
    from replay.cli.regress import Regress
    from replay.cli.regress import regress as run

    chosen = Regress(
        traces=traces or (),
        profile=profile,
        expressions=expressions or (),
        online=online,
        reports=report or (),
        everything=everything,
        quiet=quiet,
    )
    run(chosen)
