"""Logins under way: authorization codes with PKCE, and device codes. No HTTP here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Literal

from replay.sandbox.accounts import Account

CODE_SECONDS = 600.0
DEVICE_SECONDS = 900.0
"""As long as the official client polls (codex-wire.md §5.4)."""

KEPT = 1000
"""Codes of each kind that are remembered."""

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ0123456789"

type DeviceAnswer = Literal["authorization_pending", "slow_down", "expired_token", "access_denied"]


@dataclass(slots=True)
class Grant:
    """An authorization code: what it is good for, once."""

    account: Account
    redirect_uri: str
    challenge: str
    until: float


@dataclass(slots=True)
class Device:
    """A device code.

    Attributes:
        account: who approved it.
        polled: when it was last asked for; 0: never.
    """

    id: str
    user_code: str
    verifier: str
    until: float
    account: Account | None = None
    denied: bool = False
    polled: float = 0.0


class LoginRefused(Exception):
    """An authorization code is not good; ``code`` as OAuth names it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Logins:
    """Attributes:
    interval: seconds between two polls of a device.
    """

    interval: float = 1.0
    _grants: dict[str, Grant] = field(default_factory=dict)
    _devices: dict[str, Device] = field(default_factory=dict)

    def grant(self, account: Account, redirect_uri: str, challenge: str, now: float) -> str:
        """A new authorization code."""
        code = f"ac_{secrets.token_urlsafe(24)}"
        self._grants[code] = Grant(account, redirect_uri, challenge, now + CODE_SECONDS)
        while len(self._grants) > KEPT:
            del self._grants[next(iter(self._grants))]
        return code

    def redeem(self, code: str, redirect_uri: str, verifier: str, now: float) -> Account:
        """The account of a code, which is used up, whatever comes out.

        Raises:
            LoginRefused: ``invalid_grant``.
        """
        grant = self._grants.pop(code, None)
        if grant is None or grant.until <= now:
            raise LoginRefused("invalid_grant", "The authorization code is unknown or too old.")
        if grant.redirect_uri != redirect_uri:
            raise LoginRefused("invalid_grant", "redirect_uri is not that of the authorization.")
        if not hmac.compare_digest(challenge_of(verifier), grant.challenge):
            raise LoginRefused("invalid_grant", "code_verifier does not fit code_challenge.")
        return grant.account

    def device(self, now: float) -> Device:
        """A new device code."""
        word = "".join(secrets.choice(_LETTERS) for _ in range(9))
        device = Device(
            f"deviceauth_{secrets.token_hex(12)}",
            f"{word[:4]}-{word[4:]}",
            secrets.token_urlsafe(48),
            now + DEVICE_SECONDS,
        )
        self._devices[device.id] = device
        while len(self._devices) > KEPT:
            del self._devices[next(iter(self._devices))]
        return device

    def waiting(self, user_code: str, now: float) -> Device | None:
        """The device that shows this code and waits for a person."""
        wanted = user_code.strip().upper()
        for device in self._devices.values():
            if device.user_code == wanted and device.until > now and device.account is None:
                return None if device.denied else device
        return None

    def poll(
        self, device_id: str, user_code: str, redirect_uri: str, now: float
    ) -> tuple[str, Device] | DeviceAnswer:
        """A device asks whether it was approved: an authorization code, or why there is none."""
        device = self._devices.get(device_id)
        if device is None or device.user_code != user_code or device.until <= now:
            return "expired_token"
        too_soon = device.polled and now - device.polled < self.interval * 0.9
        device.polled = now
        if device.denied:
            return "access_denied"
        if device.account is None:
            return "slow_down" if too_soon else "authorization_pending"
        del self._devices[device_id]
        challenge = challenge_of(device.verifier)
        return self.grant(device.account, redirect_uri, challenge, now), device


def challenge_of(verifier: str) -> str:
    """``code_challenge`` of RFC 7636, method S256."""
    return (
        base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    )
