"""Made-up OAuth tokens: JWTs that clients can read, and sealed content that only we can.

Access and id tokens are JWTs whose third segment is a keyed checksum, not a real signature: a
client sees well-formed claims (codex-wire.md §5.2), and the sandbox recognises its own tokens
without remembering them, also after a restart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

_KEY = b"floway sandbox: made-up accounts, no secret"


class BadToken(ValueError):
    """Not one of our tokens."""


def checksum(data: bytes) -> str:
    """URL-safe keyed checksum, 22 characters."""
    return _b64(hmac.new(_KEY, data, hashlib.sha256).digest()[:16])


def make_jwt(claims: dict[str, Any]) -> str:
    """A JWT with these claims, ``alg`` none."""
    head = _b64(json.dumps({"alg": "none", "typ": "JWT"}, separators=(",", ":")).encode())
    payload = _b64(json.dumps(claims, separators=(",", ":")).encode())
    signed = f"{head}.{payload}"
    return f"{signed}.{checksum(signed.encode())}"


def read_jwt(token: str) -> dict[str, Any]:
    """Claims of a token made by :func:`make_jwt`.

    Raises:
        BadToken: malformed, or not ours.
    """
    signed, _, mark = token.rpartition(".")
    if not signed or not hmac.compare_digest(checksum(signed.encode()).encode(), mark.encode()):
        raise BadToken("not a token of this sandbox")
    try:
        claims = json.loads(_unb64(signed.split(".")[1]))
    except (IndexError, ValueError, binascii.Error) as error:
        raise BadToken("malformed token") from error
    if not isinstance(claims, dict):
        raise BadToken("malformed token")
    return claims


def seal(account_id: str, purpose: str, value: dict[str, Any]) -> str:
    """Opaque text that only the same account can have opened again."""
    data = json.dumps({"purpose": purpose, **value}, separators=(",", ":")).encode()
    return _fernet(account_id).encrypt(data).decode()


def unseal(account_id: str, text: str) -> dict[str, Any]:
    """What :func:`seal` was given.

    Raises:
        BadToken: damaged, not ours, or sealed for another account.
    """
    try:
        value = json.loads(_fernet(account_id).decrypt(text.encode()))
    except (InvalidToken, ValueError) as error:
        raise BadToken("sealed for another account, or damaged") from error
    if not isinstance(value, dict):
        raise BadToken("damaged")
    return value


def _fernet(account_id: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(_KEY + account_id.encode()).digest()))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
