"""The accounts as the command line sees them: those of floway.toml and those that were added."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from addons.accounts.authority import Authority, Description, Secret
from addons.accounts.credentials.document import Document
from addons.accounts.credentials.naming import same_name
from addons.accounts.credentials.store import Credentials
from addons.accounts.credentials.vault import Vault
from addons.accounts.errors import AccountError
from addons.accounts.keeper import login_command
from addons.accounts.refresh import Refresher
from addons.accounts.seen import load_cooldowns, load_quota
from addons.accounts.states import States
from addons.errors import FlowayError
from addons.settings import AccountEntry, Settings
from addons.store.contract import Store
from addons.store.sqlite import SqliteStore
from replay.cli.failure import USAGE, CommandFailed
from replay.cli.tables import load

type MakeAuthority = Callable[[Settings], Authority]


def _codex(settings: Settings) -> Authority:
    from addons.providers.codex.authority import CodexAuthority

    return CodexAuthority(settings, trust_env=True)


AUTHORITIES: Mapping[str, MakeAuthority] = {"codex": _codex}
"""Providers whose accounts can be added."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One account.

    Attributes:
        document: of an added one, without the secret; None for one of floway.toml.
        description: what its secret says of itself; None when it can't be read.
        problem: why it can't.
    """

    provider: str
    label: str
    handle: str
    document: Document | None
    description: Description | None = None
    problem: str = ""
    in_keyring: bool = False


class Desk:
    """What the commands work with. Made by :func:`desk`."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.states = States(store)
        self.vault = Vault(settings.credentials, settings.credential_store)
        self.credentials = Credentials(self.vault, self.states)
        self._authorities: dict[str, Authority] = {}

    def authority(self, provider: str) -> Authority:
        """
        Raises:
            CommandFailed: there is no such provider.
        """
        if provider not in AUTHORITIES:
            known = ", ".join(AUTHORITIES)
            raise CommandFailed(f"there is no provider {provider!r}; there are: {known}", USAGE)
        if provider not in self._authorities:
            self._authorities[provider] = AUTHORITIES[provider](self.settings)
        return self._authorities[provider]

    def refresher(self, provider: str) -> Refresher:
        authority = self.authority(provider)
        return Refresher(authority, self.credentials, self.states, self.store)

    async def close(self) -> None:
        for authority in self._authorities.values():
            await authority.close()

    # --- accounts ----------------------------------------------------------------------------

    async def entries(self) -> list[Entry]:
        """All accounts: the added ones by name, then those of the settings that are not added."""
        found = []
        for sheet in await self.credentials.sheets():
            document = sheet.document
            if document.provider not in AUTHORITIES:
                continue
            description, problem = None, ""
            try:
                whole = await self.credentials.read(document.name)
                if whole is None:
                    continue
                description = self.authority(document.provider).describe(whole.secret)
            except AccountError as error:
                problem = str(error)
            found.append(
                Entry(
                    document.provider,
                    document.shown,
                    document.handle,
                    document,
                    description,
                    problem,
                    bool(sheet.item),
                )
            )
        known = {(entry.provider, entry.handle) for entry in found}
        for given in self.settings.accounts:
            entry = await asyncio.to_thread(self._configured, given)
            if entry is not None and (entry.provider, entry.handle) not in known:
                found.append(entry)
        return found

    def _configured(self, given: AccountEntry) -> Entry | None:
        if given.provider not in AUTHORITIES:
            return None
        authority = self.authority(given.provider)
        try:
            if given.auth_file is not None:
                secret = authority.read_file(given.auth_file)
            else:
                assert given.api_key is not None
                secret = authority.with_key(given.api_key.get_secret_value())
            description = authority.describe(secret)
        except AccountError as error:
            return Entry(given.provider, given.label, "", None, None, str(error))
        return Entry(given.provider, given.label, description.handle, None, description)

    async def find(self, name: str) -> Entry:
        """By label, or by ``PROVIDER:LABEL``.

        Raises:
            CommandFailed: none has it, or several have.
        """
        provider, colon, label = name.partition(":")
        entries = await self.entries()
        if colon:
            found = [e for e in entries if e.provider == provider and same_name(e.label, label)]
        else:
            found = [e for e in entries if same_name(e.label, name)]
        if not found:
            names = ", ".join(entry.label for entry in entries) or "none yet (floway accounts add)"
            raise CommandFailed(f"no account is called {name!r}; there are: {names}", USAGE)
        if len(found) > 1:
            names = " or ".join(f"{entry.provider}:{entry.label}" for entry in found)
            raise CommandFailed(f"several accounts are called {name!r}; say {names}", USAGE)
        return found[0]

    async def added(self, name: str) -> tuple[Entry, Document]:
        """As :meth:`find`, for what can only be done with an added account.

        Raises:
            CommandFailed: it is one of floway.toml.
        """
        entry = await self.find(name)
        document = entry.document
        if document is None:
            raise CommandFailed(
                f"{entry.label} is an account of {self.settings.file}; change it there, or add it "
                f"with: floway accounts add {entry.provider}"
            )
        return entry, document

    async def secret(self, document: Document) -> Secret:
        whole = await self.credentials.read(document.name)
        if whole is None:
            raise CommandFailed(f"{document.shown} is gone")
        return whole.secret

    # --- how they are ------------------------------------------------------------------------

    async def view(self, entry: Entry, now: float | None = None) -> dict[str, Any]:
        """An account for people and programs; holds no secret.

        ``state`` is one of ready, cooling, disabled, needs_login, unreadable.
        """
        now = time.time() if now is None else now
        state = await self.states.of(entry.provider, entry.handle or "-")
        seen = await self.states.seen(entry.provider, entry.handle or "-")
        cooldowns = load_cooldowns(entry.handle, seen, now)
        quota = load_quota(seen)
        described, document = entry.description, entry.document
        word, reason = "ready", ""
        revision = document.revision if document is not None else None
        if entry.problem:
            word, reason = "unreadable", entry.problem
        elif not state.enabled:
            word, reason = "disabled", f"floway accounts enable {entry.label}"
        elif state.problem is not None and state.problem.revision == revision:
            word = "needs_login"
            label = document.label if document is not None else ""
            reason = f"{state.problem.text} {login_command(entry.provider, label)}"
        elif whole := [each for each in cooldowns if each.model is None]:
            word, reason = "cooling", whole[0].reason
        plan = described.plan if described is not None else None
        return {
            "provider": entry.provider,
            "label": entry.label,
            "state": word,
            "reason": reason,
            "pinned": bool(entry.handle)
            and await self.states.pinned(entry.provider) == entry.handle,
            "origin": "added" if document is not None else "floway.toml",
            "kept": None if document is None else ("keyring" if entry.in_keyring else "file"),
            "kind": described.kind if described is not None else "",
            "who": described.who if described is not None else "",
            "plan": (quota.plan if quota is not None else None) or plan,
            "expires_at": described.expires_at if described is not None else None,
            "renewable": document is not None and described is not None and described.renewable,
            "cooldowns": [
                {"model": c.model, "until": c.until, "since": c.since, "reason": c.reason}
                for c in cooldowns
            ],
            "observed_at": quota.observed_at if quota is not None else None,
            "windows": [
                {
                    "limit": window.limit,
                    "name": window.name,
                    "span": window.span,
                    "used_percent": window.used_percent,
                    "resets_at": window.resets_at,
                }
                for window in (quota.at(now).windows if quota is not None else ())
            ],
        }


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    """Opens the store and looks at who may read the sign-ins.

    Raises:
        FlowayError: the store can't be opened, or others can read a sign-in.
    """
    settings = load().settings
    async with await SqliteStore.open(settings.database) as store:
        opened = Desk(settings, store)
        await asyncio.to_thread(opened.vault.check)
        try:
            yield opened
        finally:
            await opened.close()


def at_the_desk[T](work: Callable[[Desk], Awaitable[T]]) -> T:
    """Run one command's work.

    Raises:
        CommandFailed: it could not be done.
    """

    async def run() -> T:
        async with desk() as opened:
            return await work(opened)

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:
        raise CommandFailed("interrupted; nothing was changed") from None
    except FlowayError as error:
        raise CommandFailed(str(error)) from None


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
