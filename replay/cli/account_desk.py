"""How the commands come at accounts: by the running floway, or what is kept where none runs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from addons.accounts.authority import Authority, Secret, Show
from addons.errors import FlowayError
from addons.operate import running, token
from addons.operate.desk import Desk
from addons.operate.errors import ControlError
from addons.operate.models import AccountCooldown, AccountView, AddedAccount
from addons.settings import Settings
from addons.store.sqlite import SqliteStore
from replay.cli.failure import FAILED, USAGE, CommandFailed
from replay.cli.tables import load

type MakeAuthority = Callable[[Settings], Authority]


def _codex(settings: Settings) -> Authority:
    from addons.providers.codex.authority import CodexAuthority

    return CodexAuthority(settings, trust_env=True)


def _cursor(settings: Settings) -> Authority:
    from addons.providers.cursor.sign_in.authority import CursorAuthority

    return CursorAuthority(settings, trust_env=True)


AUTHORITIES: Mapping[str, MakeAuthority] = {"codex": _codex, "cursor": _cursor}
"""Providers whose accounts can be added."""


class Accounts(Protocol):
    """What the commands ask for; :class:`addons.operate.desk.Desk` says what each does.

    Errors are :class:`addons.errors.FlowayError`, with the same texts either way.
    """

    async def views(self) -> list[AccountView]: ...

    async def named(self, name: str) -> AccountView: ...

    async def keep(
        self, provider: str, label: str, secret: Secret, *, imported: bool = False
    ) -> AddedAccount: ...

    async def sign_in(self, provider: str, label: str, show: Show, *, device: bool) -> AddedAccount:
        """Sign in, and keep it; ``show`` is told what a person has to do."""

    async def relabel(self, name: str, new: str) -> AccountView: ...

    async def switch(self, name: str, enabled: bool) -> AccountView: ...

    async def prefer(
        self, name: str, *, weight: float | None = None, priority: int | None = None
    ) -> AccountView: ...

    async def pin(self, name: str) -> AccountView: ...

    async def unpin(self) -> None: ...

    async def refresh(self, name: str) -> AccountView: ...

    async def remove(self, name: str) -> AccountView: ...

    async def cooldowns(self) -> list[AccountCooldown]: ...

    async def clear_cooldowns(self, name: str = "") -> list[AccountCooldown]: ...


class KeptAccounts(Desk):
    """Accounts without a running floway."""

    async def sign_in(self, provider: str, label: str, show: Show, *, device: bool) -> AddedAccount:
        self.check_label(provider, label)
        authority = self.authority(provider)
        login = authority.device_login if device else authority.browser_login
        return await self.keep(provider, label, await login(show))


@asynccontextmanager
async def kept(settings: Settings) -> AsyncIterator[KeptAccounts]:
    """Opens the store and looks at who may read the sign-ins.

    Raises:
        FlowayError: the store can't be opened, or others can read a sign-in.
    """
    async with await SqliteStore.open(settings.database) as store:
        opened = KeptAccounts(settings, store, AUTHORITIES)
        await asyncio.to_thread(opened.vault.check)
        try:
            yield opened
        finally:
            await opened.close()


@asynccontextmanager
async def accounts(settings: Settings) -> AsyncIterator[Accounts]:
    """Those of the running floway, or what is kept.

    Raises:
        FlowayError: as :func:`kept`.
    """
    from replay.cli.account_remote import RunningAccounts

    # In this thread: nothing else runs on this loop.
    found, known = running.found(settings.home), token.kept(settings.home)
    if found is not None and known is not None:
        async with RunningAccounts(found, known) as remote:
            problem = await remote.problem()
            if not problem:
                yield remote
                return
        sys.stderr.write(f"floway: note: {problem}; this goes by what is kept\n")
    async with kept(settings) as local:
        yield local


def with_accounts[T](work: Callable[[Accounts], Awaitable[T]]) -> T:
    """Run one command's work on them.

    Raises:
        CommandFailed: it could not be done.
    """
    settings = load().settings

    async def run() -> T:
        async with accounts(settings) as opened:
            return await work(opened)

    return finished(run)


def with_kept[T](work: Callable[[KeptAccounts], Awaitable[T]]) -> T:
    """As :func:`with_accounts`, for what never goes through a running floway: secrets.

    Raises:
        CommandFailed: it could not be done.
    """
    settings = load().settings

    async def run() -> T:
        async with kept(settings) as opened:
            return await work(opened)

    return finished(run)


def finished[T](run: Callable[[], Awaitable[T]]) -> T:
    """
    Raises:
        CommandFailed: it could not be done.
    """

    async def awaited() -> T:
        return await run()

    try:
        return asyncio.run(awaited())
    except KeyboardInterrupt:
        raise CommandFailed("interrupted; nothing was changed") from None
    except ControlError as error:
        usage = error.status in (404, 422) or error.code == "ambiguous"
        raise CommandFailed(str(error), USAGE if usage else FAILED) from None
    except FlowayError as error:
        raise CommandFailed(str(error)) from None


def authority_of(provider: str, settings: Settings) -> Authority:
    """
    Raises:
        CommandFailed: there is no such provider.
    """
    if provider not in AUTHORITIES:
        known = ", ".join(AUTHORITIES)
        raise CommandFailed(f"there is no provider {provider!r}; there are: {known}", USAGE)
    return AUTHORITIES[provider](settings)


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
