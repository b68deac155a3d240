"""Keeps a running pool in step with what is kept: accounts, their states, the pin.

The other way round, what the pool learns of limits and cooldowns, is in :mod:`~.ledger`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from addons.accounts.authority import Authority
from addons.accounts.credentials.document import Document
from addons.accounts.credentials.store import Credentials
from addons.accounts.credentials.vault import Vault
from addons.accounts.errors import AccountError, SignInEnded, SignInUnavailable
from addons.accounts.model import Account, AccountState
from addons.accounts.pool import Pool
from addons.accounts.refresh import Refresher
from addons.accounts.states import States
from addons.store.contract import StoreError

logger = logging.getLogger(__name__)

PERIOD: Final = 1.0
"""Seconds between looks at what is kept."""

type Admit = Callable[[Account], str]
"""Why an account can't be served here, or ""."""


def kept_accounts(vault: Vault, authority: Authority) -> list[Account]:
    """A provider's accounts that are kept, as they are now. Blocking.

    Raises:
        AccountError: a file can't be used, or others can read it.
    """
    vault.check()
    return [
        Account(authority.provider, each.shown, each.handle, authority.credential(each.secret))
        for each in vault.documents(authority.provider)
    ]


@dataclass(frozen=True, slots=True)
class _Kept:
    """Which credential an account has."""

    name: str
    label: str
    revision: str

    @classmethod
    def of(cls, document: Document) -> _Kept:
        return cls(document.name, document.label, document.revision)


class Keeper:
    """One per provider and process.

    Args:
        configured: accounts of the settings, which stay.
        admit: looked at for added accounts.

    Attributes:
        refresher: renews the accounts' sign-ins.
    """

    def __init__(
        self,
        authority: Authority,
        credentials: Credentials,
        states: States,
        refresher: Refresher,
        pool: Pool,
        configured: Sequence[Account],
        *,
        admit: Admit = lambda _: "",
        clock: Callable[[], float] = time.time,
        period: float = PERIOD,
    ) -> None:
        self._authority = authority
        self._credentials = credentials
        self._states = states
        self.refresher = refresher
        self._pool = pool
        self._configured = tuple(configured)
        self._admit = admit
        self._clock = clock
        self._period = period
        self._kept: dict[str, _Kept] = {}
        """Each added account's credential, by handle."""
        self._given = {each.handle: (each.weight, each.priority) for each in configured}
        """Weight and priority of the settings, where the store has no others."""
        self._stamp: object = None
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load all, then watch.

        Raises:
            AccountError: a file can't be used, or others can read it.
        """
        await asyncio.to_thread(self._credentials.vault.check)
        await self.look()
        self._task = asyncio.create_task(self._watch(), name="floway: watch accounts")

    async def stop(self) -> None:
        """A refresh that is under way is finished first."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.refresher.close()
        await self._authority.close()

    async def _watch(self) -> None:
        told = ""
        while True:
            await asyncio.sleep(self._period)
            try:
                await self.look()
                told = ""
            except (AccountError, StoreError) as error:
                if str(error) != told:
                    logger.warning("accounts stay as they are: %s", error)
                told = str(error)
            except Exception:
                logger.exception("accounts could not be looked at")

    # --- what is kept ------------------------------------------------------------------------

    async def look(self) -> bool:
        """Take over what has changed; True when something had."""
        async with self._looking:  # the watch, and who has just changed something
            return await self._look()

    async def _look(self) -> bool:
        stamp = (
            await self._states.version(),
            await asyncio.to_thread(self._credentials.vault.stamp),
        )
        if stamp == self._stamp:
            return False
        provider = self._authority.provider
        accounts = {account.handle: account for account in self._configured}
        kept: dict[str, _Kept] = {}
        for sheet in await self._credentials.sheets(provider):
            account = await self._account(sheet.document)
            if account is not None:
                accounts[account.handle] = account
                kept[account.handle] = _Kept.of(sheet.document)
        self._kept = kept
        for account in accounts.values():
            await self._judge(account)
        before = {account.handle for account in self._pool.accounts}
        self._pool.replace(accounts.values(), self._clock())
        self._pool.pinned = await self._states.pinned(provider)
        for account in accounts.values():
            if self._stamp is not None and account.handle not in before:
                logger.info("account %s: added", account.label)
        self._stamp = stamp
        return True

    async def _account(self, sheet: Document) -> Account | None:
        """The account of a kept sign-in: the known one, brought up to date, or a new one."""
        known = self._pool.account(sheet.handle)
        if any(known is each for each in self._configured):
            known = None  # it can be refreshed here, and the one of the settings can't
        if known is not None:
            known.label = sheet.shown
            if self._kept.get(sheet.handle) == _Kept.of(sheet):
                return known
        try:
            document = await self._credentials.read(sheet.name)
            if document is None:
                return None
            credential = self._authority.credential(document.secret)
        except AccountError as error:
            logger.warning("account %s can't be used: %s", sheet.shown, error)
            return known
        if known is None:
            return Account(sheet.provider, sheet.shown, sheet.handle, credential)
        known.credential = credential
        return known

    async def _judge(self, account: Account) -> None:
        """What a person, or a final refusal, made of it, and how much it is wanted."""
        state = await self._states.of(account.provider, account.handle)
        kept = self._kept.get(account.handle)
        account.state, account.reason = AccountState.READY, ""
        weight, priority = self._given.get(account.handle, (1.0, 0))
        account.weight = weight if state.weight is None else state.weight
        account.priority = priority if state.priority is None else state.priority
        if not state.enabled:
            account.state = AccountState.DISABLED
            account.reason = f"disabled; floway accounts enable {account.label}"
        elif kept and state.problem is not None and state.problem.revision == kept.revision:
            account.state = AccountState.NEEDS_LOGIN
            account.reason = needs_login(account.provider, kept.label, state.problem.code)
        elif kept and (problem := self._admit(account)):
            account.state, account.reason = AccountState.DISABLED, problem

    # --- before and after a request ----------------------------------------------------------

    async def ready(self, account: Account) -> bool:
        """Renew a sign-in that ends soon; False when the account can't be used now."""
        kept = self._kept.get(account.handle)
        if kept is None:
            return True
        try:
            document = await self.refresher.usable(kept.name)
        except SignInEnded as error:
            self._over(account, error)
            return False
        except SignInUnavailable:
            return True  # it ends soon; whether it has ended, the upstream will say
        except (AccountError, StoreError) as error:
            logger.warning("account %s: %s", account.label, error)
            return True
        self._take(account, document)
        return True

    async def reload(self, account: Account, refused: str) -> bool:
        """Whether another process has left a token that was not refused yet."""
        kept = self._kept.get(account.handle)
        if kept is None:
            return False
        try:
            document = await self._credentials.read(kept.name)
        except AccountError as error:
            logger.warning("account %s: %s", account.label, error)
            return False
        if document is None or self._authority.describe(document.secret).token == refused:
            return False
        self._take(account, document)
        return True

    async def renew(self, account: Account, refused: str) -> bool:
        """Refresh a sign-in that was refused; True when there is a new one."""
        kept = self._kept.get(account.handle)
        if kept is None:
            return False
        try:
            document = await self.refresher.usable(kept.name, refused=refused, reason="refused")
        except SignInEnded as error:
            self._over(account, error)
            return False
        except (AccountError, StoreError) as error:
            logger.warning("account %s: %s", account.label, error)
            return False
        self._take(account, document)
        return True

    def pause(self, account: Account) -> float:
        """Seconds until a refresh is tried again that failed for now; 0: none did."""
        kept = self._kept.get(account.handle)
        return self.refresher.pause(kept.name) if kept is not None else 0.0

    def _take(self, account: Account, document: Document) -> None:
        kept = _Kept.of(document)
        if self._kept.get(account.handle) != kept:
            account.credential = self._authority.credential(document.secret)
            self._kept[account.handle] = kept

    def _over(self, account: Account, error: SignInEnded) -> None:
        account.state = AccountState.NEEDS_LOGIN
        kept = self._kept.get(account.handle)
        label = kept.label if kept is not None else ""
        account.reason = needs_login(account.provider, label, error.code)


def login_command(provider: str, label: str) -> str:
    """The command that brings an account's sign-in up to date."""
    return f"floway accounts add {provider}" + (f" --label {label}" if label else "")


def needs_login(provider: str, label: str, code: str) -> str:
    """What has to be done; for people and for clients."""
    return f"needs login ({code}): {login_command(provider, label)}"
