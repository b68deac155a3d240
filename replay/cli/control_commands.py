"""``floway cooldowns``: options. What the commands do is imported when they run."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]

cooldowns_app = typer.Typer(help="Show which accounts are not asked at present, or ask them again.")


@cooldowns_app.callback(invoke_without_command=True)
def cooldowns(context: typer.Context, as_json: AsJson = False) -> None:
    """Show which accounts are not asked at present, or ask them again."""
    if context.invoked_subcommand is None:
        list_(as_json=as_json)


@cooldowns_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List them with the reason and the end; `floway cooldowns` alone does the same."""
    from replay.cli.account_desk import as_json as dumped
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_tables import show_cooldowns

    found = with_accounts(lambda accounts: accounts.cooldowns())
    told = [each.model_dump() for each in found]
    if as_json:
        sys.stdout.write(dumped({"cooldowns": told}))
    else:
        show_cooldowns(told)


@cooldowns_app.command()
def clear(
    name: Annotated[
        str, typer.Argument(metavar="[ACCOUNT]", help="Its label, or PROVIDER:LABEL; none: all.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Ask an account, or all, again at once."""
    from replay.cli.account_desk import as_json as dumped
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_steps import clear as run

    cleared = with_accounts(lambda accounts: run(accounts, name))
    if as_json:
        sys.stdout.write(dumped({"cleared": [each.model_dump() for each in cleared]}))


def register(app: typer.Typer) -> None:
    """Add the commands to floway's own."""
    app.add_typer(cooldowns_app, name="cooldowns")
