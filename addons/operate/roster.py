"""Which accounts there are, and how they are: of floway.toml, added, or the sandbox's.

One class for both ways: inside a running floway (the control API) it looks at the live pools; on a
command line without one it has only what is kept. Both give the same answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from addons.accounts.authority import Authority, Secret
from addons.accounts.cooldowns import Cooldown
from addons.accounts.credentials.document import Document
from addons.accounts.credentials.naming import same_name
from addons.accounts.credentials.store import Credentials
from addons.accounts.credentials.vault import Vault
from addons.accounts.errors import AccountError
from addons.accounts.model import Account
from addons.accounts.seen import load_cooldowns, load_quota
from addons.accounts.states import States
from addons.operate.account_view import Entry, Look, view_of
from addons.operate.contract import Operated
from addons.operate.errors import ControlError
from addons.operate.models import AccountCooldown, AccountView
from addons.settings import AccountEntry, Settings
from addons.store.contract import Store

type Authorities = Mapping[str, Callable[[Settings], Authority]]
"""By provider: what makes its authority."""


class Roster:
    """All accounts of the providers whose accounts can be added.

    Args:
        authorities: of the providers whose accounts can be added.
        live: the providers of this process; none where floway does not run in it.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        authorities: Authorities,
        live: Callable[[], Sequence[Operated]] = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.states = States(store, clock=clock)
        self.vault = Vault(settings.credentials, settings.credential_store)
        self.credentials = Credentials(self.vault, self.states, clock=clock)
        self.store = store
        self._makers = authorities
        self._authorities: dict[str, Authority] = {}
        self.live = live
        self.clock = clock

    @property
    def providers(self) -> list[str]:
        """Those whose accounts can be added."""
        return list(self._makers)

    def authority(self, provider: str) -> Authority:
        """
        Raises:
            ControlError: there is no such provider.
        """
        if provider not in self._makers:
            known = ", ".join(self._makers)
            raise ControlError(
                404, "no_such_provider", f"there is no provider {provider!r}", f"there are: {known}"
            )
        if provider not in self._authorities:
            self._authorities[provider] = self._makers[provider](self.settings)
        return self._authorities[provider]

    async def close(self) -> None:
        for authority in self._authorities.values():
            await authority.close()

    # --- which there are ---------------------------------------------------------------------

    async def entries(self) -> list[Entry]:
        """All accounts: the added ones by name, then those of the settings, then the sandbox's."""
        found = []
        for sheet in await self.credentials.sheets():
            document = sheet.document
            if document.provider not in self._makers:
                continue
            description, problem = None, ""
            try:
                whole = await self.credentials.read(document.name)
                if whole is None:
                    continue
                description = self.authority(document.provider).describe(whole.secret)
            except AccountError as error:
                problem = str(error)
            found.append(Entry.added(document, description, problem, in_keyring=bool(sheet.item)))
        known = {(entry.provider, entry.handle) for entry in found}
        for given in self.settings.accounts:
            if given.provider not in self._makers:
                continue
            entry = await asyncio.to_thread(self._configured, given)
            if (entry.provider, entry.handle) not in known:
                found.append(entry)
        known |= {(entry.provider, entry.handle) for entry in found}
        for operated in self.live():
            if operated.keeper is None:
                found += [
                    Entry.made_up(account)
                    for account in operated.pool.accounts
                    if (account.provider, account.handle) not in known
                ]
        return found

    def _configured(self, given: AccountEntry) -> Entry:
        authority = self.authority(given.provider)
        try:
            if given.auth_file is not None:
                secret = authority.read_file(given.auth_file)
            else:
                assert given.api_key is not None
                secret = authority.with_key(given.api_key.get_secret_value())
            description = authority.describe(secret)
        except AccountError as error:
            return Entry(given.provider, given.label, "", "floway.toml", problem=str(error))
        return Entry(
            given.provider,
            given.label,
            description.handle,
            "floway.toml",
            description=description,
            weight=given.weight,
            priority=given.priority,
        )

    async def find(self, name: str) -> Entry:
        """By label, or by ``PROVIDER:LABEL``.

        Raises:
            ControlError: none has it, or several have.
        """
        provider, colon, label = name.partition(":")
        entries = await self.entries()
        if colon:
            found = [e for e in entries if e.provider == provider and same_name(e.label, label)]
        else:
            found = [e for e in entries if same_name(e.label, name)]
        if not found:
            raise no_such_account(name, [entry.label for entry in entries])
        if len(found) > 1:
            names = " or ".join(f"{entry.provider}:{entry.label}" for entry in found)
            raise ControlError(
                409, "ambiguous", f"several accounts are called {name!r}", f"say {names}"
            )
        return found[0]

    async def added(self, name: str) -> tuple[Entry, Document]:
        """As :meth:`find`, for what can only be done with an added account.

        Raises:
            ControlError: it was not added.
        """
        entry = await self.find(name)
        document = entry.document
        if document is None:
            where = "the sandbox" if entry.origin == "sandbox" else str(self.settings.file)
            change = "" if entry.origin == "sandbox" else "change it there, or "
            raise ControlError(
                409,
                "not_added",
                f"{entry.label} is an account of {where}",
                f"{change}add it with: floway accounts add {entry.provider}",
            )
        return entry, document

    async def view(self, entry: Entry) -> AccountView:
        """An account for people and programs."""
        now = self.clock()
        live = self.account(entry)
        if live is not None:
            cooldowns, quota = self._cooling(entry, now), live.quota
        else:
            seen = await self.states.seen(entry.provider, entry.handle or "-")
            cooldowns, quota = load_cooldowns(entry.handle, seen, now), load_quota(seen)
        look = Look(
            now=now,
            state=await self.states.of(entry.provider, entry.handle or "-"),
            pinned=await self._pinned(entry),
            cooldowns=cooldowns,
            quota=quota,
            live=live,
        )
        return view_of(entry, look)

    async def views(self) -> list[AccountView]:
        return [await self.view(entry) for entry in await self.entries()]

    async def named(self, name: str) -> AccountView:
        """
        Raises:
            ControlError: as :meth:`find`.
        """
        return await self.view(await self.find(name))

    async def cooldowns(self) -> list[AccountCooldown]:
        """All that are open, the first to end first."""
        found = [cooldowns_of(view) for view in await self.views()]
        return sorted((each for own in found for each in own), key=lambda each: each.until)

    async def secret(self, document: Document) -> Secret:
        """
        Raises:
            ControlError: it was removed meanwhile.
        """
        whole = await self.credentials.read(document.name)
        if whole is None:
            raise ControlError(404, "no_such_account", f"{document.shown} is gone")
        return whole.secret

    # --- this process ------------------------------------------------------------------------

    def account(self, entry: Entry) -> Account | None:
        """The live one, where this process serves it."""
        live = self.live_of(entry.provider)
        return live.pool.account(entry.handle) if live is not None and entry.handle else None

    def live_of(self, provider: str) -> Operated | None:
        """What this process serves of a provider."""
        return next((each for each in self.live() if each.provider == provider), None)

    def _cooling(self, entry: Entry, now: float) -> list[Cooldown]:
        """Open cooldowns in the live pool, the longest first."""
        live = self.live_of(entry.provider)
        found = live.pool.cooldowns if live is not None else ()
        own = [each for each in found if each.handle == entry.handle and each.until > now]
        return sorted(own, key=lambda each: -each.until)

    async def _pinned(self, entry: Entry) -> bool:
        if not entry.handle:
            return False
        live = self.live_of(entry.provider)
        if live is not None and entry.origin == "sandbox":
            return live.pool.pinned == entry.handle
        return await self.states.pinned(entry.provider) == entry.handle


def cooldowns_of(view: AccountView) -> list[AccountCooldown]:
    return [
        AccountCooldown(provider=view.provider, label=view.label, **each.model_dump())
        for each in view.cooldowns
    ]


def no_such_account(name: str, labels: Sequence[str]) -> ControlError:
    """
    Args:
        labels: of all accounts.
    """
    there = ", ".join(labels) or "none yet (floway accounts add)"
    return ControlError(
        404, "no_such_account", f"no account is called {name!r}", f"there are: {there}"
    )
