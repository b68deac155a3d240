"""What the commands of ``floway accounts`` do to one account."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from addons.accounts.credentials.files import write_private
from addons.accounts.credentials.naming import checked_label
from addons.accounts.seen import dump_quota
from replay.cli.account_desk import AUTHORITIES, Desk, as_json
from replay.cli.account_login import say
from replay.cli.failure import USAGE, CommandFailed

type View = dict[str, Any]


async def relabel(desk: Desk, name: str, new: str) -> View:
    entry, document = await desk.added(name)
    kept = await desk.credentials.relabel(document.name, checked_label(new))
    say(f"{entry.label} is called {kept.shown} now")
    return await desk.view(await desk.find(f"{kept.provider}:{kept.shown}"))


async def switch(desk: Desk, name: str, enabled: bool) -> View:
    entry = await desk.find(name)
    if not entry.handle:
        raise CommandFailed(f"{entry.label} can't be read: {entry.problem}")
    await desk.states.enable(entry.provider, entry.handle, enabled)
    say(f"{entry.label} is {'enabled' if enabled else 'disabled'}")
    return await desk.view(entry)


async def pin(desk: Desk, name: str, *, auto: bool) -> list[View]:
    """The views of what was pinned; none with ``auto``."""
    if auto == bool(name):
        raise CommandFailed("name one account, or say --auto", USAGE)
    if auto:
        for provider in AUTHORITIES:
            await desk.states.pin(provider, None)
        say("floway chooses by itself")
        return []
    entry = await desk.find(name)
    if not entry.handle:
        raise CommandFailed(f"{entry.label} can't be read: {entry.problem}")
    await desk.states.pin(entry.provider, entry.handle)
    view = await desk.view(entry)
    say(f"every conversation uses {entry.label} now, while it can serve")
    if view["state"] != "ready":
        say(f"note: it is {view['state'].replace('_', ' ')} at present ({view['reason']})")
    return [view]


async def refresh(desk: Desk, name: str) -> View:
    entry, document = await desk.added(name)
    authority = desk.authority(entry.provider)
    secret = await desk.secret(document)
    described = authority.describe(secret)
    if described.renewable:
        refresher = desk.refresher(entry.provider)
        fresh = await refresher.usable(document.name, refused=described.token, reason="asked")
        secret = fresh.secret
        say(f"{entry.label} is refreshed")
    else:
        say(f"{entry.label} has nothing to refresh")
    quota = await authority.quota(secret)
    if quota is not None:
        seen = await desk.states.seen(entry.provider, entry.handle)
        await desk.states.see(
            entry.provider, entry.handle, {"cooldowns": [], **seen, "quota": dump_quota(quota)}
        )
    await desk.states.touch()
    return await desk.view(await desk.find(f"{entry.provider}:{entry.label}"))


async def remove(desk: Desk, name: str) -> View:
    entry, document = await desk.added(name)
    view = await desk.view(entry)
    await desk.credentials.remove(document.name)
    await desk.states.forget(entry.provider, entry.handle)
    say(f"{entry.label} is removed; its sign-in is still good elsewhere, if it was copied")
    return view


async def export(desk: Desk, name: str, file: Path | None) -> None:
    entry, document = await desk.added(name)
    secret = await desk.secret(document)
    text = as_json(secret)
    if file is None:
        sys.stdout.write(text)
    else:
        await asyncio.to_thread(lambda: write_private(file.expanduser().absolute(), text.encode()))
        say(f"{entry.label} is written to {file}")
    if desk.authority(entry.provider).describe(secret).renewable:
        say(
            "note: two programs with one sign-in sign each other out when they refresh it; remove "
            f"it here before you use it there (floway accounts remove {entry.label})"
        )
