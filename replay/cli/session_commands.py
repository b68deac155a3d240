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


CONTINUITY_EXIT_CODES = (
    "Exit codes: 0 every conversation reaches 99 % of the yardstick, 1 one does not or failed, "
    "2 a wrong option."
)


def continuity(
    turns: Annotated[
        int, typer.Option(min=2, max=200, metavar="N", help="Turns of each conversation.")
    ] = 20,
    clients: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Only these: opencode-chat, opencode-responses, sdk-chat, sdk-responses, "
            "websocket.",
        ),
    ] = "",
    jobs: Annotated[
        int, typer.Option(min=1, max=16, metavar="N", help="Conversations at the same time.")
    ] = 2,
    as_json: AsJson = False,
) -> None:
    """Play long conversations against the sandbox's prompt cache, and compare what is read from it
    with the official client's. Needs npm for two of the clients, and no account."""
    from replay.cli.continuity import play

    named = [name.strip() for name in clients.split(",") if name.strip()]
    code = play(turns, named, jobs, as_json=as_json)
    if code:
        raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    """Add the commands to floway's own."""
    app.add_typer(sessions_app, name="sessions")
    app.command(epilog=CONTINUITY_EXIT_CODES)(continuity)
