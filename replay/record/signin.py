"""Made-up sign-ins for the official client: the content of its ``auth.json``. Never a real one.

The tokens are those of the sandbox (:mod:`replay.sandbox.accounts`): JWTs without a signature, with
the claims that clients read. A sandbox that has the account takes them; any other server, and any
sandbox without that account, does not.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Literal

from replay.sandbox.accounts import Account, Accounts
from replay.sandbox.config import AccountSpec

type Json = dict[str, Any]

LIFETIME = 9 * 86400.0
"""Seconds for which a token is good."""
_LONG_AGO = 60 * 86400.0
"""Seconds; longer than any release goes without a refresh of its own accord."""


def made_up_account(label: str = "ada", plan: str = "pro", account_id: str = "") -> Accounts:
    """One account of its own, which only a sandbox with the same label and id knows."""
    spec = AccountSpec(label, plan, account_id)
    return Accounts([spec], clock=time.time, token_lifetime=LIFETIME)


def chatgpt(
    accounts: Accounts, account: Account, state: Literal["good", "expired"] = "good"
) -> Json:
    """A ChatGPT sign-in.

    Args:
        state: ``expired``: the access token's time is over, and the last refresh long ago, so that
            a client refreshes before it does anything else.
    """
    content = accounts.auth_json(account)
    if state == "expired":
        then = time.time() - _LONG_AGO
        content = account.auth_json(then, LIFETIME)
    return content


def api_key(account: Account) -> Json:
    """A sign-in by API key. Releases before ``auth_mode`` go by the key alone."""
    return {"auth_mode": "apikey", "OPENAI_API_KEY": account.api_key}


def write(home: Path, content: Json) -> Path:
    """Write ``auth.json`` into a ``CODEX_HOME`` (made when missing), for its owner only."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / "auth.json"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        json.dump(content, target, indent=2)
    return file
