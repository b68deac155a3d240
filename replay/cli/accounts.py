"""``floway accounts``: options. What the commands do is imported when they run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from addons.operate.models import Answered

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its label, or PROVIDER:LABEL.")]

accounts_app = typer.Typer(
    help="Add, list and steer your accounts; a running floway notices within seconds.",
    no_args_is_help=True,
)


@accounts_app.command()
def add(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="codex or cursor.")],
    label: Annotated[
        str, typer.Option(metavar="NAME", help="Your own word for it, e.g. work.")
    ] = "",
    device: Annotated[
        bool, typer.Option("--device", help="Sign in by a code, on any machine.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address to open.")
    ] = False,
    api_key: Annotated[
        bool, typer.Option("--api-key", help="Ask for an API key, or read it from stdin.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            "--import", metavar="FILE", help="Copy the official client's sign-in, e.g. auth.json."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign in to an account, and keep it. The same account again is brought up to date."""
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_login import Add
    from replay.cli.account_login import add as run
    from replay.cli.tables import load

    asked, settings = Add(provider, label, device, not no_browser, api_key, file), load().settings
    _show(with_accounts(lambda accounts: run(accounts, settings, asked)), as_json, quiet=True)


@accounts_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show all accounts: state, plan, limits with their reset times, and why one cools."""
    from replay.cli.account_desk import as_json as dumped
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_tables import show_list

    views = [view.model_dump() for view in with_accounts(lambda accounts: accounts.views())]
    if as_json:
        sys.stdout.write(dumped({"accounts": views}))
    else:
        show_list(views)


@accounts_app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show one account."""
    from replay.cli.account_desk import with_accounts

    _show(with_accounts(lambda accounts: accounts.named(name)), as_json)


@accounts_app.command()
def label(
    name: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new label.")],
    as_json: AsJson = False,
) -> None:
    """Give an added account another label."""
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_steps import relabel

    _show(with_accounts(lambda accounts: relabel(accounts, name, new)), as_json, quiet=True)


@accounts_app.command()
def enable(name: Name, as_json: AsJson = False) -> None:
    """Let floway use an account again."""
    _switch(name, True, as_json)


@accounts_app.command()
def disable(name: Name, as_json: AsJson = False) -> None:
    """Keep an account, and don't use it."""
    _switch(name, False, as_json)


@accounts_app.command()
def use(
    name: Annotated[
        str, typer.Argument(metavar="[ACCOUNT]", help="Its label, or PROVIDER:LABEL.")
    ] = "",
    auto: Annotated[bool, typer.Option("--auto", help="Let floway choose again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Use this account for every conversation while it can serve, at once; it outlives restarts."""
    from addons.operate.models import Unpinned
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_steps import pin

    view = with_accounts(lambda accounts: pin(accounts, name, auto=auto))
    _show(view if view is not None else Unpinned(), as_json, quiet=True)


@accounts_app.command()
def prefer(
    name: Name,
    weight: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=1000, metavar="N", help="Share of new conversations, if `weighted`."
        ),
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(min=-1000, max=1000, metavar="N", help="Higher ones are asked first."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how much an account is wanted for new conversations (see the setting strategy)."""
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_steps import prefer as run

    view = with_accounts(lambda accounts: run(accounts, name, weight, priority))
    _show(view, as_json, quiet=True)


@accounts_app.command()
def refresh(name: Name, as_json: AsJson = False) -> None:
    """Refresh an added account's sign-in now, and ask for its limits."""
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_steps import refresh as run

    _show(with_accounts(lambda accounts: run(accounts, name)), as_json)


@accounts_app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Forget an added account and its sign-in."""
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_steps import remove as run

    _show(with_accounts(lambda accounts: run(accounts, name)), as_json, quiet=True)


@accounts_app.command()
def export(
    name: Name,
    file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write it there (mode 0600), not to stdout."),
    ] = None,
) -> None:
    """Write an added account's sign-in, secrets included, in its official client's form."""
    from replay.cli.account_desk import with_kept
    from replay.cli.account_steps import export as run

    with_kept(lambda kept: run(kept, name, file))


def _switch(name: str, enabled: bool, as_json: bool) -> None:
    from replay.cli.account_desk import with_accounts
    from replay.cli.account_steps import switch

    _show(with_accounts(lambda accounts: switch(accounts, name, enabled)), as_json, quiet=True)


def _show(view: Answered, as_json: bool, *, quiet: bool = False) -> None:
    """The result: as JSON, as a table, or (quiet) not at all, the work having said what it did."""
    from replay.cli.account_desk import as_json as dumped
    from replay.cli.account_tables import show_one

    if as_json:
        sys.stdout.write(dumped(view.model_dump()))
    elif not quiet:
        show_one(view.model_dump())
