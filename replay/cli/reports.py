"""What the commands that report have in common: options, outputs, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fingerprints.errors import TraceError
from replay.cli.failure import USAGE, CommandFailed
from replay.report import files, terminal
from replay.report.model import Report, Unreadable

SAME: Final = 0
DIFFERS: Final = 1
BROKEN: Final = 3

_WIDTH_WITHOUT_TERMINAL = 160


def tool() -> str:
    """``floway 0.1.0``"""
    return f"floway {version('floway')}"


def check_outputs(outputs: Sequence[Path]) -> None:
    """
    Raises:
        CommandFailed: a report's name does not say its kind.
    """
    try:
        files.check_names(outputs)
    except files.UnknownKind as error:
        raise CommandFailed(str(error), USAGE) from None


def unreadable(errors: Sequence[TraceError]) -> list[Unreadable]:
    """Files that could not be read, as a report has them."""
    return [Unreadable(file=str(error.file or ""), problem=str(error)) for error in errors]


def progress(*, quiet: bool = False) -> Progress:
    """A progress bar on stderr, that vanishes at its end; tasks may have a ``detail``."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
        console=Console(stderr=True),
        transient=True,
        disable=quiet or not sys.stderr.isatty(),
    )


def finish(
    report: Report, outputs: Sequence[Path], *, quiet: bool = False, everything: bool = False
) -> int:
    """Shows a report, writes its files, and gives the exit code.

    Raises:
        CommandFailed: a file cannot be written.
    """
    report.settle()
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    if not sys.stdout.isatty():
        console.width = _WIDTH_WITHOUT_TERMINAL
    if not quiet:
        terminal.show(report, console, everything=everything)
    try:
        files.write(report, outputs)
    except OSError as error:
        raise CommandFailed(f"{error.filename} cannot be written: {error.strerror}") from None
    for file in outputs:
        sys.stderr.write(f"floway: report: {file}\n")
    for broken in report.unreadable if quiet else ():
        sys.stderr.write(f"floway: {broken.problem}\n")
    return {"same": SAME, "differs": DIFFERS, "unreadable": BROKEN}[report.verdict]
