"""OAuth as the official client does it: what is sent, and what answers mean. Pure.

Sources: codex-wire.md §5.3 (refresh), §5.4 (login).
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

from addons.accounts.authority import Reason, Secret
from addons.accounts.errors import AccountError, SignInEnded, SignInUnavailable

ISSUER = "https://auth.openai.com"
CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
SCOPE = "openid profile email offline_access api.connectors.read api.connectors.invoke"
ORIGINATOR = "codex_cli_rs"
CALLBACK = "/auth/callback"
OFFICIAL_PORTS = (1455, 1457)
"""The ports that the real authorization server sends back to."""

DEVICE_SECONDS = 15 * 60.0
"""How long the official client waits for a device's approval."""

REASONS: Mapping[Reason, str] = {
    "expiry": "proactive_expiry",
    "refused": "unauthorized_recovery",
    "asked": "forced",
}

TERMINAL = frozenset(
    {"refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated"}
    | {"invalid_grant", "invalid_client"}
)
"""Words that no second try changes."""

_MAX_WORD = 80


@dataclass(frozen=True, slots=True)
class Pkce:
    """A verifier that stays here, and the challenge that is shown (RFC 7636, S256)."""

    verifier: str = field(repr=False)
    challenge: str

    @classmethod
    def new(cls) -> Pkce:
        return cls.of(secrets.token_urlsafe(64))

    @classmethod
    def of(cls, verifier: str) -> Pkce:
        digest = hashlib.sha256(verifier.encode()).digest()
        return cls(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def redirect_uri(port: int) -> str:
    """Where the browser is sent back to; the server knows it by this name, not by the address."""
    return f"http://localhost:{port}{CALLBACK}"


def authorize_url(issuer: str, back: str, pkce: Pkce, state: str) -> str:
    """The page on which a person signs in; members in the official client's order."""
    members = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": back,
        "scope": SCOPE,
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "state": state,
        "originator": ORIGINATOR,
    }
    return f"{issuer}/oauth/authorize?{urlencode(members)}"


def code_form(code: str, back: str, verifier: str) -> bytes:
    """Body of the exchange of a code for tokens, form-encoded."""
    members = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "client_id": CLIENT_ID,
        "code_verifier": verifier,
    }
    return urlencode(members).encode()


def refresh_body(refresh_token: str, reason: Reason) -> dict[str, str]:
    """Members of a refresh, in order, for where the profile has none."""
    return {
        "client_id": CLIENT_ID,
        "grant_type": "refresh_token",
        "refresh_reason": REASONS[reason],
        "refresh_token": refresh_token,
    }


# --- answers -------------------------------------------------------------------------------------


def signed_in(answer: Mapping[str, Any], account_id: str, now: float) -> Secret:
    """The secret, in the form of ``auth.json``, of a login's tokens.

    Raises:
        AccountError: a token is missing; names it.
    """
    tokens: dict[str, str] = {}
    for name in ("id_token", "access_token", "refresh_token"):
        token = answer.get(name)
        if not isinstance(token, str) or not token:
            raise AccountError(f"the authorization server's answer has no {name}; begin again")
        tokens[name] = token
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {**tokens, "account_id": account_id},
        "last_refresh": stamp(now),
    }


def refreshed(secret: Secret, answer: Mapping[str, Any], now: float) -> Secret:
    """The secret with the tokens of a refresh: only those that are there replace others (§5.3)."""
    tokens = dict(secret["tokens"])
    for name in ("id_token", "access_token", "refresh_token"):
        token = answer.get(name)
        if isinstance(token, str) and token:
            tokens[name] = token
    return {**secret, "tokens": tokens, "last_refresh": stamp(now)}


def stamp(now: float) -> str:
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")


def compact(body: Mapping[str, str]) -> bytes:
    """A JSON body as the official client writes it."""
    return json.dumps(body, separators=(",", ":")).encode()


def json_object(body: bytes) -> dict[str, Any]:
    """The object in a body; {} when it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def error_code(body: bytes) -> str:
    """The error's word: ``error.code``, ``error`` (a text) or ``code``, in this order (§5.3)."""
    document = json_object(body)
    error = document.get("error")
    word = error.get("code") if isinstance(error, dict) else error
    word = word or document.get("code")
    text = word if isinstance(word, str) else ""
    return "".join(c for c in text[:_MAX_WORD] if c.isalnum() or c in "_-.")


def refresh_problem(status: int, body: bytes) -> SignInEnded | SignInUnavailable:
    """What a refused refresh means; the text holds nothing of the answer but its word."""
    code = error_code(body)
    if code in TERMINAL or status == 401:
        code = code or f"http_{status}"
        why = {
            "refresh_token_reused": "another program has used this refresh token, as a second "
            "copy of one sign-in does; give floway a login of its own",
            "refresh_token_expired": "it was not used for too long",
            "refresh_token_invalidated": "it was signed out",
        }.get(code, "the authorization server refuses it")
        return SignInEnded(code, f"The sign-in is over ({code}): {why}.")
    return SignInUnavailable(f"HTTP {status}" + (f", {code}" if code else ""))


type Waiting = Literal["authorization_pending", "slow_down"]


def device_wait(status: int, body: bytes) -> Waiting:
    """What an answer without a code tells a device.

    Raises:
        AccountError: it was declined, is too late, or is not understood.
    """
    code = error_code(body)
    if code == "slow_down":
        return "slow_down"
    if code in ("access_denied", "authorization_declined"):
        raise AccountError("the sign-in was declined")
    if code == "expired_token":
        raise AccountError("the code has expired; begin again")
    # The real server says with either status that nobody has approved yet.
    if code == "authorization_pending" or status in (403, 404):
        return "authorization_pending"
    if status == 429:
        return "slow_down"
    told = f" ({code})" if code else ""
    raise AccountError(f"the authorization server answered HTTP {status}{told}; begin again")


def device_interval(value: Any) -> float:
    """Seconds between polls; the official server says it as a text."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return 5.0
    return min(max(seconds, 0.0), 60.0) if math.isfinite(seconds) else 5.0
