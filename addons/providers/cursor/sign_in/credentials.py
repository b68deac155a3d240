"""What a request needs to be let in by Cursor: tokens of a login, or of an API key. Pure.

A secret is kept as its official client keeps it: ``accessToken``, ``refreshToken``, ``apiKey``.
The file of CLIProxyAPI (``access_token``, ``refresh_token``, ``expires_at``) is read, too.
Source: cursor-protocol.md §5.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from addons.accounts.model import account_handle
from addons.errors import FlowayError

PROVIDER: Final = "cursor"

SKEW: Final = 300.0
"""Seconds before its end from which a token counts as ended (§5.2)."""

_REMEDY = "sign in again: floway accounts add cursor"
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "accessToken": ("accessToken", "access_token"),
    "refreshToken": ("refreshToken", "refresh_token"),
    "apiKey": ("apiKey", "api_key"),
    "expiresAt": ("expiresAt", "expires_at"),
    "subject": ("subject", "sub", "authId"),
}


class CredentialError(FlowayError):
    """A sign-in can't be used; the text names the source, the member and the remedy."""


@dataclass(frozen=True, slots=True)
class Credential:
    """
    Attributes:
        access_token: a JWT; "" for an API key that was not exchanged yet.
        refresh_token: "" when there is none.
        api_key: ``crsr_…``; good for the exchange alone (§1.6). "" for a login.
        expires_at: unix seconds; None when not known.
        subject: names the account for :func:`~addons.accounts.model.account_handle`.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    expires_at: float | None = None
    subject: str = field(default="", repr=False)

    @property
    def mode(self) -> str:
        """``login`` or ``api_key``."""
        return "api_key" if self.api_key else "login"

    @property
    def handle(self) -> str:
        """Opaque and stable name of the account."""
        return account_handle(PROVIDER, self.subject)

    @property
    def renewable(self) -> bool:
        """Whether new tokens can be had without a person."""
        return bool(self.api_key or self.refresh_token)

    def stale(self, now: float) -> bool:
        """Whether it is to be renewed before use."""
        if not self.access_token:
            return True
        return self.expires_at is not None and now >= self.expires_at - SKEW


def parse(document: Any, *, source: str) -> Credential:
    """The credential in a secret or in a client's file.

    Args:
        source: for errors.

    Raises:
        CredentialError: what is wrong, and how to mend it.
    """
    if not isinstance(document, dict):
        raise CredentialError(f"{source} must hold a JSON object; {_REMEDY}")
    known = {name: _found(document, name) for name in _NAMES}
    texts = {name: _text(known[name], name, source) for name in known if name != "expiresAt"}
    access, key = bare(texts["accessToken"]), texts["apiKey"]
    if not access and not key:
        raise CredentialError(f"{source}: accessToken is missing; {_REMEDY}")
    claims = jwt_claims(access)
    named = claims.get("sub") or texts["subject"]
    if key:  # the same account before its first exchange and after it
        named = f"key:{hashlib.sha256(key.encode()).hexdigest()}"
    if not isinstance(named, str) or not named:
        raise CredentialError(f"{source}: accessToken names no account; {_REMEDY}")
    ends = _seconds(claims.get("exp"))
    return Credential(
        access,
        texts["refreshToken"],
        key,
        ends if ends is not None else _seconds(known["expiresAt"]),
        named,
    )


def load(text: str | bytes, *, source: str) -> Credential:
    """As :func:`parse`, from a file's text.

    Raises:
        CredentialError: what is wrong, and how to mend it.
    """
    return parse(read(text, source=source), source=source)


def read(text: str | bytes, *, source: str) -> dict[str, Any]:
    """A client's file as a secret in the form that is kept here.

    Raises:
        CredentialError: it is no JSON object.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise CredentialError(f"{source} is not JSON; {_REMEDY}") from None
    if not isinstance(document, dict):
        raise CredentialError(f"{source} must hold a JSON object; {_REMEDY}")
    found = {name: _found(document, name) for name in _NAMES}
    return {name: value for name, value in found.items() if value is not None}


def bare(token: str) -> str:
    """The token without the ``<user>::`` that the web's cookies put before it (§1.2)."""
    for separator in ("%3A%3A", "::"):
        _, found, rest = token.partition(separator)
        if found:
            return rest
    return token


def jwt_claims(token: str) -> dict[str, Any]:
    """Claims of a JWT, unchecked; {} when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        raw = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _found(document: Mapping[str, Any], name: str) -> Any:
    given = (document.get(each) for each in _NAMES[name])
    return next((value for value in given if value is not None), None)


def _text(value: Any, name: str, source: str) -> str:
    if value is None:
        return ""
    safe = isinstance(value, str) and len(value) <= 16_384 and value.isascii()
    if not safe or (value and (not value.isprintable() or " " in value)):
        raise CredentialError(f"{source}: {name} is no token; {_REMEDY}")
    return str(value)


def _seconds(value: Any) -> float | None:
    """Unix seconds of a number or of an RFC 3339 text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            return None
    return None
