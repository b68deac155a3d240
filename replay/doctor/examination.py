"""All that the doctor looks at, in order."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from addons.accounts.credentials.keyring_items import platform_keyring
from addons.accounts.errors import AccountError
from addons.errors import FlowayError
from addons.operate import running
from addons.operate.models import AccountView
from addons.providers.codex.upstream import REAL
from addons.providers.cursor.wire.endpoint import BACKEND
from addons.settings import Settings
from replay.cli import clients
from replay.cli.account_desk import accounts
from replay.doctor import machine, outside, selftest, state, trust
from replay.doctor.finding import Finding, fault, note
from replay.record.install import CODEX, newest

REAL_URLS = {"codex": REAL, "cursor": BACKEND}
CA_FILE = clients.CA_FILE.expanduser()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for.

    Attributes:
        offline: ask nobody outside this machine.
        selftest: send a request through a floway of its own.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    offline: bool = False
    selftest: bool = True


async def examine(settings: Settings, wish: Wish) -> AsyncIterator[Finding]:
    """Finding after finding, as they are made."""
    now = time.time()
    yield machine.python(sys.version_info[:3])
    yield machine.port(wish.host, wish.port, running.found(settings.home))
    yield state.home(settings.home)
    yield state.database(settings.database)
    private = state.modes(settings.credentials)
    yield private
    yield state.keyring(settings, await asyncio.to_thread(platform_keyring))
    views: list[AccountView] = []
    try:
        async with accounts(settings) as opened:
            views = await opened.views()
    except (AccountError, FlowayError) as error:
        if str(error).partition(";")[0] not in private.told:
            yield fault("accounts", str(error), "mend what it names, then call floway doctor again")
    else:
        for finding in state.accounts(views, now, sandbox=settings.sandbox):
            yield finding
    async for finding in _outside(settings, wish, {view.provider for view in views}):
        yield finding
    yield trust.authority(CA_FILE, os.environ)
    if wish.selftest:
        yield await asyncio.to_thread(selftest.selftest, settings.profile)


async def _outside(settings: Settings, wish: Wish, used: set[str]) -> AsyncIterator[Finding]:
    urls = outside.upstreams(settings.upstreams, REAL_URLS, used)
    ask = None if wish.offline else lambda: newest(CODEX)
    if wish.offline:
        yield note("upstreams", "not asked (--offline)")
    elif urls:
        reached = await asyncio.gather(*(outside.reachable(*each) for each in urls.items()))
        for each in reached:
            yield each.finding
        date = next((each.date for each in reached if each.date), None)
        yield machine.clock(time.time(), date)
    yield await outside.profile(settings.profile, "codex", ask)
