"""An account of the user at a provider. The credential inside is the provider's own matter."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from addons.accounts.quota import Quota


class AccountState(StrEnum):
    """What a person, or a final refusal, made of an account; cooldowns are apart from it."""

    READY = "ready"
    NEEDS_LOGIN = "needs_login"
    DISABLED = "disabled"


@dataclass(slots=True, eq=False, weakref_slot=True)
class Account:
    """One account.

    Attributes:
        provider: the provider's name.
        label: the person's name for it; unique per provider; shown in logs and to clients.
        handle: opaque and stable (:func:`account_handle`); for keys, lanes and logs.
        credential: the provider's object; never shown.
        state: see :class:`AccountState`.
        reason: why it is not ready; a sentence for people.
        models: the models it can serve; None: not known, any may be tried.
        quota: the last that the upstream said of its limits; :meth:`Pool.observed` changes it.
        weight: its share of new conversations, where the strategy goes by weights; above 0.
        priority: accounts of a higher one are asked first.
    """

    provider: str
    label: str
    handle: str
    credential: object = field(repr=False)
    state: AccountState = AccountState.READY
    reason: str = ""
    models: frozenset[str] | None = None
    quota: Quota | None = None
    weight: float = 1.0
    priority: int = 0

    def serves(self, model: str) -> bool:
        return self.models is None or model in self.models


def account_handle(provider: str, subject: str) -> str:
    """16 hex digits of SHA-256: the same for the same subject, and not to be read back.

    Args:
        subject: what the provider calls the account; empty is not allowed.
    """
    if not subject:
        raise ValueError("an account needs a subject to be told from others")
    return hashlib.sha256(f"{provider}\0{subject}".encode()).hexdigest()[:16]
