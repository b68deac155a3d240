"""``floway logs``: the log file, filtered and followed."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from enum import StrEnum
from typing import Annotated, Final

import typer

PAUSE: Final = 0.25
"""Seconds between two looks at a file that is followed."""


class Level(StrEnum):
    """How serious a line is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def logs(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")
    ] = False,
    conversation: Annotated[
        str,
        typer.Option(metavar="ID", help="Only lines of a conversation: its id, or part of it."),
    ] = "",
    account: Annotated[
        str, typer.Option(metavar="LABEL", help="Only lines of an account: its label.")
    ] = "",
    level: Annotated[
        Level, typer.Option(help="Only lines of this level and of more serious ones.")
    ] = Level.DEBUG,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="The last so many lines; 0: all.")
    ] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, for programs.")] = False,
) -> None:
    """Show the log of floway, whether it runs or not, without secrets."""
    from addons import settings_layers
    from addons.operate.logs import reader
    from addons.operate.logs.mask import Mask, key_of
    from replay.cli.failure import USAGE, CommandFailed

    try:
        settings = settings_layers.load({}).settings
    except settings_layers.SettingsError as error:
        raise CommandFailed(str(error), USAGE) from None
    path = settings.log_path
    if path is None:
        raise CommandFailed("no log is kept; set log_file", USAGE)

    def masked(text: str) -> str:
        return Mask(key_of(settings.home)).line(text)

    wanted = reader.Wanted(conversation, account, level.value, masked)
    follower = reader.Follower(path, wanted) if follow else None  # first: no line is missed
    try:
        found = reader.kept(path, wanted, lines)
    except FileNotFoundError:
        found = []
        if follower is None:
            raise CommandFailed(f"there is no log yet at {path}; `floway run` writes it") from None
    except OSError as error:
        raise CommandFailed(f"{path} can't be read: {error.strerror}") from None
    for line in found:
        _show(line, as_json=as_json)
    with contextlib.suppress(KeyboardInterrupt):
        while follower is not None:
            sys.stdout.flush()
            time.sleep(PAUSE)
            for line in follower.new():
                _show(line, as_json=as_json)


def _show(line: dict[str, object], *, as_json: bool) -> None:
    from addons.operate.logs.reader import shown

    text = json.dumps(line, ensure_ascii=False) if as_json else shown(line)
    sys.stdout.write(f"{text}\n")


def register(app: typer.Typer) -> None:
    """Add the command to floway's own."""
    app.command()(logs)
