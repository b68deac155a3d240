"""The accounts that were added with ``floway accounts add``, for a floway that serves them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from addons.accounts.credentials.store import Credentials
from addons.accounts.credentials.vault import Vault
from addons.accounts.keeper import Keeper, kept_accounts
from addons.accounts.model import Account
from addons.accounts.pool import Pool
from addons.accounts.refresh import Refresher
from addons.accounts.states import States
from addons.providers.codex.authority import CodexAuthority
from addons.providers.codex.credentials import Credential
from addons.settings import Settings
from addons.store.contract import Store


def added(settings: Settings) -> list[Account]:
    """Those that are kept, as they are now. Blocking.

    Raises:
        AccountError: a file can't be used, or others can read it.
    """
    return kept_accounts(vault_of(settings), CodexAuthority(settings))


def keeper(
    settings: Settings,
    store: Store,
    pool: Pool,
    configured: Sequence[Account],
    mode: str,
    clock: Callable[[], float] = time.time,
) -> Keeper:
    """What keeps the pool in step with them.

    Args:
        configured: accounts of the settings.
        mode: the way of signing in whose host is served.
    """

    def admit(account: Account) -> str:
        assert isinstance(account.credential, Credential)
        if account.credential.mode == mode:
            return ""
        return "its way of signing in goes to another host than that of the first account"

    states = States(store, clock=clock)
    credentials = Credentials(vault_of(settings), states, clock=clock)
    authority = CodexAuthority(settings, clock=clock)
    refresher = Refresher(authority, credentials, states, store, clock=clock)
    return Keeper(
        authority, credentials, states, refresher, pool, configured, admit=admit, clock=clock
    )


def vault_of(settings: Settings) -> Vault:
    return Vault(settings.credentials, settings.credential_store)
