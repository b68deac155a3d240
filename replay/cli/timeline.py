"""``floway timeline``: what happened on WebSockets, from the files that floway wrote."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def timeline(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE|FOLDER]", help="One connection, or all; none: the setting `timeline`."
        ),
    ] = None,
    conversation: Annotated[
        str,
        typer.Option(metavar="ID", help="Only a conversation's connections: its id or part of it."),
    ] = "",
    headers: Annotated[bool, typer.Option("--headers", help="With the headers.")] = False,
    bodies: Annotated[bool, typer.Option("--bodies", help="With what the frames say.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, for programs.")] = False,
) -> None:
    """Show the connections of WebSockets: handshakes, attempts, frames, closes, reconnects."""
    from addons import settings_layers
    from addons.debug import timeline_view
    from replay.cli.failure import USAGE, CommandFailed

    if path is None:
        try:
            path = settings_layers.load({}).settings.timeline
        except settings_layers.SettingsError as error:
            raise CommandFailed(str(error), USAGE) from None
    if path is None:
        raise CommandFailed("name a file or a folder, or set timeline", USAGE)
    try:
        found = timeline_view.read(path)
    except OSError as error:
        raise CommandFailed(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise CommandFailed(f"{path} can't be read: {error}") from None
    wanted = timeline_view.of_conversation(found, conversation)
    if not wanted:
        raise CommandFailed(
            f"no connection of that conversation in {path}" if found else f"no timelines in {path}"
        )
    if as_json:
        for each in wanted:
            for line in each.lines:
                sys.stdout.write(json.dumps({"file": each.name, **line}, ensure_ascii=False) + "\n")
    else:
        detail = timeline_view.Detail(headers, bodies)
        sys.stdout.write(timeline_view.shown(wanted, detail) + "\n")


def register(app: typer.Typer) -> None:
    """Add the command to floway's own."""
    app.command()(timeline)
