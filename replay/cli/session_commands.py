"""``floway sessions`` and ``floway continuity``: their options. What they do is imported when they
run."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]

sessions_app = typer.Typer(
    help="Show conversations, what their prompt caches gave, and why not more."
)


@sessions_app.callback(invoke_without_command=True)
def sessions(context: typer.Context, as_json: AsJson = False) -> None:
    """Show conversations, what their prompt caches gave, and why not more."""
    if context.invoked_subcommand is None:
        list_(as_json=as_json)


@sessions_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List conversations, the last used one first; `floway sessions` alone does the same."""
    from replay.cli.sessions import show_list

    show_list(as_json=as_json)


@sessions_app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="A session id, or its beginning.")],
    as_json: AsJson = False,
) -> None:
    """Explain a conversation request by request: what was read from the cache, and why not all."""
    from replay.cli.sessions import show_one

    show_one(name, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the commands to floway's own."""
    app.add_typer(sessions_app, name="sessions")
