"""What the commands of ``floway accounts`` do to one account, and what they say of it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from addons.accounts.credentials.files import write_private
from addons.accounts.credentials.naming import checked_label
from addons.operate.models import AccountCooldown, AccountView
from replay.cli.account_desk import Accounts, KeptAccounts, as_json
from replay.cli.account_login import say
from replay.cli.failure import USAGE, CommandFailed


async def relabel(accounts: Accounts, name: str, new: str) -> AccountView:
    before = await accounts.named(name)
    view = await accounts.relabel(name, checked_label(new))
    say(f"{before.label} is called {view.label} now")
    return view


async def switch(accounts: Accounts, name: str, enabled: bool) -> AccountView:
    view = await accounts.switch(name, enabled)
    say(f"{view.label} is {'enabled' if enabled else 'disabled'}")
    return view


async def prefer(
    accounts: Accounts, name: str, weight: float | None, priority: int | None
) -> AccountView:
    if weight is None and priority is None:
        raise CommandFailed("give --weight or --priority, or both", USAGE)
    view = await accounts.prefer(name, weight=weight, priority=priority)
    say(f"{view.label} has weight {view.weight:g} and priority {view.priority} now")
    return view


async def pin(accounts: Accounts, name: str, *, auto: bool) -> AccountView | None:
    """The view of what was pinned; None with ``auto``."""
    if auto == bool(name):
        raise CommandFailed("name one account, or say --auto", USAGE)
    if auto:
        await accounts.unpin()
        say("floway chooses by itself")
        return None
    view = await accounts.pin(name)
    say(f"every conversation uses {view.label} now, while it can serve")
    if view.state != "ready":
        say(f"note: it is {view.state.replace('_', ' ')} at present ({view.reason})")
    return view


async def refresh(accounts: Accounts, name: str) -> AccountView:
    view = await accounts.refresh(name)
    say(f"{view.label} {'is refreshed' if view.renewable else 'has nothing to refresh'}")
    return view


async def remove(accounts: Accounts, name: str) -> AccountView:
    view = await accounts.remove(name)
    say(f"{view.label} is removed; its sign-in is still good elsewhere, if it was copied")
    return view


async def clear(accounts: Accounts, name: str) -> list[AccountCooldown]:
    cleared = await accounts.clear_cooldowns(name)
    for each in cleared:
        model = f" ({each.model})" if each.model else ""
        say(f"{each.label}: no longer cooling{model}: {each.reason}")
    if not cleared:
        say("nothing was cooling")
    return cleared


async def export(accounts: KeptAccounts, name: str, file: Path | None) -> None:
    entry, document = await accounts.added(name)
    secret = await accounts.secret(document)
    text = as_json(secret)
    if file is None:
        sys.stdout.write(text)
    else:
        await asyncio.to_thread(lambda: write_private(file.expanduser().absolute(), text.encode()))
        say(f"{entry.label} is written to {file}")
    if accounts.authority(entry.provider).describe(secret).renewable:
        say(
            "note: two programs with one sign-in sign each other out when they refresh it; remove "
            f"it here before you use it there (floway accounts remove {entry.label})"
        )
