"""Credentials of the official client's ``auth.json``: reading, claims, and when they are stale.

Form of the file: codex-wire.md §5.1; claims: §5.2. Signatures are not checked: a token is shown to
the server that made it, and what its claims say here chooses nothing but labels and times.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from addons.accounts.model import account_handle
from addons.errors import FlowayError
from addons.providers.codex.usage import number

type Json = dict[str, Any]

AUTH_CLAIM = "https://api.openai.com/auth"
PROFILE_CLAIM = "https://api.openai.com/profile"

SKEW = 300.0
"""Seconds before its end at which a token counts as stale, as in the official client (§5.3)."""

MAX_AGE = 8 * 86_400.0
"""Seconds after the last refresh at which a token without an end counts as stale (§5.3)."""

_MAX_FILE = 1024 * 1024


class CredentialError(FlowayError):
    """A credential file can't be used; the text names file, member and remedy, and no secret."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request needs to be let in.

    Attributes:
        mode: ``chatgpt`` or ``apikey``.
        access_token: a JWT, or the API key.
        account_id: value of ``chatgpt-account-id``; "" with an API key.
        refresh_token: "" when there is none.
        expires_at: unix seconds; None when not known.
        refreshed_at: unix seconds of the last refresh; None when not known.
        subject: names the account for :func:`~addons.accounts.model.account_handle`.
    """

    mode: str
    access_token: str = field(repr=False)
    account_id: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    plan: str | None = None
    expires_at: float | None = None
    refreshed_at: float | None = None
    subject: str = field(default="", repr=False)
    email: str | None = field(default=None, repr=False)
    fedramp: bool = False

    @property
    def handle(self) -> str:
        """Opaque and stable name of the account."""
        return account_handle("codex", self.subject)

    def stale(self, now: float) -> bool:
        """Whether it is to be refreshed before use. An API key never is."""
        if self.mode == "apikey":
            return False
        if self.expires_at is not None:
            return now >= self.expires_at - SKEW
        return self.refreshed_at is not None and now >= self.refreshed_at + MAX_AGE


def parse(text: str | bytes, *, source: str) -> Credential:
    """The credential in the text of an ``auth.json``.

    Args:
        source: the file's name, for errors.

    Raises:
        CredentialError: what is wrong, where, and how to mend it.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise CredentialError(
            f"{source} is not JSON{where}; sign in again with the official client"
        ) from None
    if not isinstance(document, dict):
        raise CredentialError(f"{source} must hold a JSON object, as `codex login` writes it")
    mode = document.get("auth_mode")
    tokens, key = document.get("tokens"), document.get("OPENAI_API_KEY")
    if mode is None:  # older files: what is there decides
        mode = "chatgpt" if isinstance(tokens, dict) else "apikey"
    if mode == "apikey":
        return _api_key(key, source)
    if mode not in ("chatgpt", "chatgptAuthTokens"):
        raise CredentialError(
            f"{source}: auth_mode {str(mode)[:40]!r} is not supported; sign in with ChatGPT "
            "(`codex login`) or with an API key (`codex login --with-api-key`)"
        )
    return _chatgpt(tokens, document.get("last_refresh"), source)


def _api_key(key: Any, source: str) -> Credential:
    if not isinstance(key, str) or not _header_safe(key):
        raise CredentialError(
            f"{source}: OPENAI_API_KEY is missing or not a key; "
            "sign in again with `codex login --with-api-key`"
        )
    return Credential("apikey", key, subject=f"key:{key}")


def _chatgpt(tokens: Any, refreshed: Any, source: str) -> Credential:
    remedy = "sign in again with `codex login`"
    if not isinstance(tokens, dict):
        raise CredentialError(f"{source}: tokens is missing; {remedy}")
    access = tokens.get("access_token")
    if not isinstance(access, str) or not _header_safe(access):
        raise CredentialError(f"{source}: tokens.access_token is missing or no token; {remedy}")
    refresh, identity = tokens.get("refresh_token"), tokens.get("id_token")
    claims = jwt_claims(identity) if isinstance(identity, str) else {}
    own = jwt_claims(access)
    auth = _object(claims, AUTH_CLAIM) | _object(own, AUTH_CLAIM)
    account = tokens.get("account_id") or auth.get("chatgpt_account_id")
    if not isinstance(account, str) or not _header_safe(account):
        raise CredentialError(
            f"{source}: tokens.account_id is missing, and the token names no account; {remedy}"
        )
    email = claims.get("email") or _object(claims, PROFILE_CLAIM).get("email")
    email = email or own.get("email") or _object(own, PROFILE_CLAIM).get("email")
    user = auth.get("chatgpt_user_id") or auth.get("user_id") or claims.get("sub") or ""
    plan = auth.get("chatgpt_plan_type")
    return Credential(
        "chatgpt",
        access,
        account_id=account,
        refresh_token=refresh if isinstance(refresh, str) else "",
        id_token=identity if isinstance(identity, str) else "",
        plan=plan if isinstance(plan, str) else None,
        expires_at=number(own.get("exp")),
        refreshed_at=_time(refreshed),
        # One user may have seats in several workspaces, and a workspace several users.
        subject=f"{account}:{user}",
        email=email if isinstance(email, str) else None,
        fedramp=auth.get("chatgpt_account_is_fedramp") is True,
    )


def jwt_claims(token: str) -> Json:
    """Claims of a JWT, unchecked; {} when it is none (access tokens may be opaque)."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    payload = parts[1]
    try:
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        claims = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _object(claims: Json, name: str) -> Json:
    value = claims.get(name)
    return value if isinstance(value, dict) else {}


def _header_safe(value: str) -> bool:
    return 0 < len(value) <= 16_384 and value.isascii() and value.isprintable() and " " not in value


def _time(value: Any) -> float | None:
    """Unix seconds of an RFC 3339 text; nanoseconds, as the official client writes, are cut."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        return None


class CredentialFile:
    """An ``auth.json`` that is read again when it has changed. Read only: it is never written.

    Reading is blocking; call it off the event loop.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._credential: Credential | None = None

    @property
    def last(self) -> Credential | None:
        """What was read last, if anything."""
        return self._credential

    def load(self) -> Credential:
        """The credential of the file as it is now.

        Raises:
            CredentialError: the file can't be read or used. :attr:`last` stays what it was, so
                that a file that is just being written does no harm.
        """
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._credential is not None and stamp == self._stamp:
                return self._credential
            if status.st_size > _MAX_FILE:
                raise CredentialError(f"{self.path} is larger than 1 MiB; it is no auth.json")
            text = self.path.read_bytes()
        except FileNotFoundError:
            raise CredentialError(
                f"{self.path} does not exist; sign in with `codex login`"
            ) from None
        except OSError as error:
            raise CredentialError(f"{self.path} can't be read: {error.strerror}") from error
        credential = parse(text, source=str(self.path))
        self._credential, self._stamp = credential, stamp
        return credential

    def changed(self) -> bool:
        """Whether the file differs from what was read last; False when it is gone."""
        try:
            status = self.path.stat()
        except OSError:
            return False
        return (status.st_mtime_ns, status.st_size, status.st_ino) != self._stamp
