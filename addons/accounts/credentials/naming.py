"""What a credential is called: by its label, else by its subject, else by its provider. Pure."""

from __future__ import annotations

import re

from addons.accounts.errors import AccountError

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
"""As in the settings."""

HASH_DIGITS = 8
"""Hex digits of the account's handle that stand in for a label."""

SUFFIX = ".json"


def checked_label(label: str) -> str:
    """``label``, when it can be one.

    Raises:
        AccountError: says what is allowed.
    """
    if not LABEL.fullmatch(label):
        raise AccountError(
            f"the label {label[:80]!r} must be 1 to 64 letters, digits or . _ @ + -, starting with "
            "a letter or a digit"
        )
    return label


def credential_name(provider: str, label: str = "", handle: str = "") -> str:
    """``provider.label``, else ``provider.`` and the start of the handle, else ``provider``.

    Args:
        handle: of :func:`addons.accounts.model.account_handle`; "" where there is no subject.
    """
    tail = label or handle[:HASH_DIGITS]
    return f"{provider}.{tail}" if tail else provider


def same_name(one: str, other: str) -> bool:
    """Whether two names are one file on some platform: case does not tell them apart there."""
    return one.casefold() == other.casefold()


def shown_label(provider: str, name: str) -> str:
    """What people call the credential of this name: what follows the provider, else that."""
    return name.removeprefix(f"{provider}.") or provider
