"""Signing in on Cursor's page: it is opened with a challenge, and asked after with its verifier.

The page can be opened on any machine; nothing comes back to this one (cursor-protocol.md §5.1).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import httpx
import orjson

from addons.accounts.authority import Prompt, Secret, Show
from addons.accounts.errors import AccountError
from addons.providers.cursor.sign_in.credentials import CredentialError, parse

PAGE: Final = "https://cursor.com"

FIRST_WAIT: Final = 1.0
SLOWER: Final = 1.2
LONGEST_WAIT: Final = 10.0
TRIES: Final = 150
"""Polls, and how the waits between them grow; in all about 24 minutes (ibid.)."""

FAILURES: Final = 10
"""Network errors in a row after which it is given up."""

type Get = Callable[[str], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Challenge:
    """Cursor's form of PKCE."""

    id: str
    verifier: str

    @classmethod
    def new(cls) -> Challenge:
        return cls(str(uuid.uuid4()), _base64url(secrets.token_bytes(32)))

    def page(self, site: str) -> str:
        """The address to open."""
        asked = {
            "challenge": _base64url(hashlib.sha256(self.verifier.encode()).digest()),
            "uuid": self.id,
            "mode": "login",
            "redirectTarget": "cli",
        }
        return f"{site}/loginDeepControl?{urlencode(asked)}"

    def poll(self, backend: str) -> str:
        return f"{backend}/auth/poll?{urlencode({'uuid': self.id, 'verifier': self.verifier})}"


@dataclass(slots=True)
class Login:
    """One way in.

    Attributes:
        site: base URL of the page; ``backend``: of the polls.
    """

    site: str
    backend: str
    get: Get
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, show: Show) -> Secret:
        """
        Raises:
            AccountError: nobody signed in in time, it was declined, or there is no answer.
        """
        challenge = Challenge.new()
        show(Prompt(challenge.page(self.site), expires_in=_total()))
        failures, wait = 0, FIRST_WAIT
        for _ in range(TRIES):
            await self.sleep(wait)
            wait = min(wait * SLOWER, LONGEST_WAIT)
            try:
                answer = await self.get(challenge.poll(self.backend))
            except httpx.HTTPError as error:
                failures += 1
                if failures >= FAILURES:
                    raise AccountError(
                        f"{self.backend} can't be reached ({type(error).__name__})"
                    ) from None
                continue
            failures = 0
            if answer.is_success:
                return tokens(answer.content)
            if answer.status_code != 404:
                raise _refused(answer)
        raise AccountError(f"nobody signed in within {_total() / 60:.0f} minutes; begin again")


def tokens(content: bytes) -> Secret:
    """The secret in the answer to a poll or an exchange.

    Raises:
        AccountError: there is none in it.
    """
    try:
        found = orjson.loads(content)
        parse(found, source="the answer")
    except (orjson.JSONDecodeError, CredentialError):
        raise AccountError("Cursor's answer has no usable accessToken") from None
    kept = ("accessToken", "refreshToken")
    return {name: found[name] for name in kept if isinstance(found.get(name), str)}


def _refused(answer: httpx.Response) -> AccountError:
    if answer.status_code == 403 and b"sign_in_policy_violation" in answer.content:
        return AccountError("your organisation's policy does not allow this sign-in")
    return AccountError(f"Cursor refused the sign-in: HTTP {answer.status_code}; begin again")


def _total() -> float:
    """Seconds that all polls take."""
    total, wait = 0.0, FIRST_WAIT
    for _ in range(TRIES):
        total += wait
        wait = min(wait * SLOWER, LONGEST_WAIT)
    return total


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
