"""The accounts of this provider: from the settings, or made up by the sandbox."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
import weakref
from collections.abc import Sequence
from typing import Any

from addons.accounts.model import Account
from addons.errors import FlowayError
from addons.providers.codex.credentials import Credential, CredentialError, CredentialFile, parse
from addons.providers.codex.upstream import REAL, REAL_API, Upstream
from addons.settings import Settings
from addons.store.contract import NO_RECORD, Store

logger = logging.getLogger(__name__)

PROVIDER = "codex"
INSTALLATIONS = "codex.installations"


def configured(settings: Settings, added: Sequence[Account] = ()) -> tuple[Upstream, list[Account]]:
    """The accounts of the settings, and where they and those that were added are served.

    Raises:
        FlowayError: an account's file can't be read, or sign-ins and API keys are mixed (they go
            to different hosts).
    """
    accounts = []
    for entry in settings.accounts:
        if entry.provider != PROVIDER:
            continue
        if entry.auth_file is not None:
            account = _account(entry.label, CredentialFile(entry.auth_file))
        else:
            assert entry.api_key is not None
            key = json.dumps({"OPENAI_API_KEY": entry.api_key.get_secret_value()})
            account = _account(entry.label, parse(key, source=f"account {entry.label}"))
        account.weight, account.priority = entry.weight, entry.priority
        accounts.append(account)
    if len({credential_of(account).mode for account in accounts}) > 1:
        raise FlowayError(
            "accounts: sign-ins and API keys go to different hosts; configure one kind only"
        )
    mode = mode_of([*accounts, *added])
    url = settings.upstreams.get(PROVIDER) or (REAL_API if mode == "apikey" else REAL)
    return Upstream.parse(url), accounts


def mode_of(accounts: Sequence[Account]) -> str:
    """The way of signing in whose host is served: that of the first account; "" without any."""
    return credential_of(accounts[0]).mode if accounts else ""


def merged(accounts: Sequence[Account], added: Sequence[Account]) -> list[Account]:
    """Both kinds, one account for each subject: an added one can be refreshed, and so wins.

    Those that sign in otherwise than the first wait for their keeper, which says why.
    """
    mode = mode_of([*accounts, *added])
    found = {account.handle: account for account in accounts}
    found |= {a.handle: a for a in added if credential_of(a).mode == mode}
    return list(found.values())


def made_up(sign_ins: Sequence[tuple[str, dict[str, Any]]]) -> list[Account]:
    """The sandbox's accounts: label and ``auth.json`` of each."""
    return [_account(label, parse(json.dumps(auth), source=label)) for label, auth in sign_ins]


async def reload(account: Account, refused: str) -> bool:
    """Read the account's file again; True when the account has another token than ``refused``.

    The first step of the official client's chain after a 401: another process may have refreshed
    it (codex-wire.md §5.3), or another request here may have read it already. A file of the
    official client is never refreshed here: that would sign the client out.
    """
    if credential_of(account).access_token != refused:
        return True
    file = _FILES.get(account)
    if file is None:
        return False
    try:
        fresh = await asyncio.to_thread(file.load)
    except CredentialError as error:
        logger.warning("account %s: %s", account.label, error)
        return False
    account.credential = fresh
    return fresh.access_token != refused


async def installation(account: Account, store: Store) -> str:
    """The account's installation id, a UUIDv4: minted once, then kept."""
    minted = str(uuid.uuid4())
    await store.compare_and_set(INSTALLATIONS, account.handle, minted, version=NO_RECORD)
    kept = await store.get(INSTALLATIONS, account.handle)
    return kept.value if kept is not None and isinstance(kept.value, str) else minted


def credential_of(account: Account) -> Credential:
    """The account's credential, typed."""
    assert isinstance(account.credential, Credential)
    return account.credential


_FILES: weakref.WeakKeyDictionary[Account, CredentialFile] = weakref.WeakKeyDictionary()


def _account(label: str, source: Credential | CredentialFile) -> Account:
    credential = source.load() if isinstance(source, CredentialFile) else source
    account = Account(PROVIDER, label, credential.handle, credential)
    if isinstance(source, CredentialFile):
        _FILES[account] = source
    return account
