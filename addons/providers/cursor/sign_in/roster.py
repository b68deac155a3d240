"""The accounts of this provider: of the settings, added with a command, or the sandbox's."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from addons.accounts.authority import Reason, Secret
from addons.accounts.credentials.store import Credentials
from addons.accounts.credentials.vault import Vault
from addons.accounts.errors import AccountError
from addons.accounts.keeper import Keeper, kept_accounts
from addons.accounts.model import Account
from addons.accounts.pool import Pool
from addons.accounts.refresh import Refresher
from addons.accounts.states import States
from addons.providers.cursor.sign_in.authority import CursorAuthority
from addons.providers.cursor.sign_in.credentials import PROVIDER, Credential, parse
from addons.settings import Settings
from addons.store.contract import Store

logger = logging.getLogger(__name__)

type SignIns = Sequence[tuple[str, Mapping[str, Any]]]
"""Label and secret of each account."""


def credential_of(account: Account) -> Credential:
    """The account's credential, typed."""
    assert isinstance(account.credential, Credential)
    return account.credential


def configured(settings: Settings, authority: CursorAuthority) -> list[tuple[Account, Secret]]:
    """The accounts that the settings name, and their secrets. Blocking.

    Raises:
        FlowayError: a file can't be read or used.
    """
    found = []
    for entry in settings.accounts:
        if entry.provider != PROVIDER:
            continue
        if entry.auth_file is not None:
            secret = authority.read_file(entry.auth_file)
        else:
            assert entry.api_key is not None
            secret = authority.with_key(entry.api_key.get_secret_value())
        account = _account(entry.label, secret)
        account.weight, account.priority = entry.weight, entry.priority
        found.append((account, secret))
    return found


def made_up(sign_ins: SignIns) -> list[tuple[Account, Secret]]:
    """The sandbox's accounts."""
    return [(_account(label, secret), dict(secret)) for label, secret in sign_ins]


def added(settings: Settings, authority: CursorAuthority) -> list[Account]:
    """Those that were added with a command, as they are now. Blocking.

    Raises:
        AccountError: a file can't be used, or others can read it.
    """
    return kept_accounts(_vault(settings), authority)


def keeper(
    settings: Settings,
    store: Store,
    pool: Pool,
    configured_ones: Sequence[Account],
    clock: Callable[[], float] = time.time,
) -> Keeper:
    """What keeps the pool in step with the accounts that were added."""
    states = States(store, clock=clock)
    credentials = Credentials(_vault(settings), states, clock=clock)
    authority = CursorAuthority(settings, clock=clock)
    refresher = Refresher(authority, credentials, states, store, clock=clock)
    return Keeper(authority, credentials, states, refresher, pool, configured_ones, clock=clock)


class Renewal:
    """New tokens for accounts that nobody keeps: those of the settings and of the sandbox.

    They are renewed in memory only: a file of the official client stays as it is, and a refresh
    token stays good (cursor-protocol.md §5.3).
    """

    def __init__(
        self, authority: CursorAuthority, accounts: Sequence[tuple[Account, Secret]]
    ) -> None:
        self._authority = authority
        self._secrets = {account.handle: secret for account, secret in accounts}
        self._locks: dict[str, asyncio.Lock] = {}

    async def usable(self, account: Account, now: float, *, refused: str | None = None) -> bool:
        """See that the account has a token that is good, as far as is known.

        Args:
            refused: a token that the upstream refused; another one is needed.
        """
        async with self._locks.setdefault(account.handle, asyncio.Lock()):
            credential = credential_of(account)
            renew = credential.stale(now)
            if refused is not None:
                renew = credential.access_token == refused
            if not renew:
                return True
            secret = self._secrets.get(account.handle)
            if secret is None or not credential.renewable:
                return refused is None and bool(credential.access_token)
            return await self._renew(account, secret, "expiry" if refused is None else "refused")

    async def _renew(self, account: Account, secret: Secret, reason: Reason) -> bool:
        try:
            fresh = await self._authority.refresh(secret, reason)
            account.credential = self._authority.credential(fresh)
        except AccountError as error:
            logger.warning("account %s: %s", account.label, error)
            return False
        self._secrets[account.handle] = fresh
        return True

    async def close(self) -> None:
        await self._authority.close()


def _account(label: str, secret: Mapping[str, Any]) -> Account:
    credential = parse(dict(secret), source=f"account {label}")
    return Account(PROVIDER, label, credential.handle, credential)


def _vault(settings: Settings) -> Vault:
    return Vault(settings.credentials, settings.credential_store)
