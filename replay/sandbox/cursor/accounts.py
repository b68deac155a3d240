"""Made-up accounts of Cursor: their tokens, their API keys, what they have spent.

Tokens are JWTs with the claims that clients read (cursor-protocol.md §5.2); as with the other
accounts, the sandbox recognises its own without remembering them.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from addons.providers.cursor.proto import aiserver_pb2
from replay.sandbox.tokens import BadToken, checksum, make_jwt, read_jwt

_LABELS = ("kim", "lea", "max", "nina", "otto", "pia", "quinn", "rosa")
_PLANS = ("pro", "ultra", "free")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "cursor.sandbox.floway.example.com")
_CLAIM = "sandbox_cursor"
LIMIT_CENTS = 2000
"""What a plan includes; generous for made-up prices."""
TOKENS_PER_CENT = 10_000


class CursorTokenRefused(Exception):
    """A token or key is not good; the text says why."""


@dataclass(slots=True, eq=False)
class CursorAccount:
    """One made-up account.

    Attributes:
        id: the token's ``sub``, e.g. ``auth0|user_01…``.
        generation: of access tokens; those of earlier generations are expired.
        refresh_error: answer every exchange with this status instead; 0: none.
        exchanges: how many exchanges have succeeded.
        spent: cents of the plan.
        runs: agent runs that were begun.
    """

    label: str
    plan: str
    id: str
    email: str
    number: int
    generation: int = 0
    refresh_error: int = 0
    exchanges: int = 0
    spent: float = 0.0
    runs: int = 0

    @property
    def api_key(self) -> str:
        """``crsr_…``: good for the exchange alone."""
        return f"crsr_{self.label}{checksum(self.id.encode()).replace('-', '0').replace('_', '0')}"

    def token(self, kind: str, now: float, lifetime: float) -> str:
        """A token; ``kind``: ``session`` or ``refresh``."""
        return make_jwt(
            {
                "sub": self.id,
                "time": str(int(now)),
                "randomness": str(uuid.uuid4()),
                "exp": int(now + lifetime),
                "iss": "https://authentication.cursor.sh",
                "scope": "openid profile email offline_access",
                "aud": "https://cursor.com",
                "type": kind,
                _CLAIM: self.generation,
            }
        )

    def spend(self, tokens: int) -> None:
        self.spent += tokens / TOKENS_PER_CENT

    @property
    def exhausted(self) -> bool:
        return self.spent >= LIMIT_CENTS

    def usage(self, now: float) -> aiserver_pb2.GetCurrentPeriodUsageResponse:
        """What ``GetCurrentPeriodUsage`` says; the cycle is the month of ``now``."""
        start, end = _month(now)
        spent = min(round(self.spent), LIMIT_CENTS)
        percent = min(100.0, 100.0 * self.spent / LIMIT_CENTS)
        return aiserver_pb2.GetCurrentPeriodUsageResponse(
            billing_cycle_start=start,
            billing_cycle_end=end,
            plan_usage=aiserver_pb2.PlanUsage(
                total_spend=spent,
                included_spend=spent,
                remaining=LIMIT_CENTS - spent,
                limit=LIMIT_CENTS,
                api_spend=spent,
                api_limit=LIMIT_CENTS,
                api_percent_used=percent,
                total_percent_used=percent,
            ),
            display_threshold=200,
            enabled=True,
            display_message=f"You've used {percent:.0f}% of your included usage",
        )


class CursorAccounts:
    """All of them, and the checks of what clients present.

    Raises:
        ValueError: two accounts with one label.
    """

    def __init__(
        self,
        labels: int | Sequence[str],
        *,
        clock: Callable[[], float],
        token_lifetime: float,
    ) -> None:
        if isinstance(labels, int):
            labels = [_label(number) for number in range(labels)]
        if len(set(labels)) != len(labels):
            raise ValueError("cursor_accounts: labels must differ from each other")
        accounts = [_account(number, label) for number, label in enumerate(labels)]
        self._clock = clock
        self._lifetime = token_lifetime
        self._by_label = {account.label: account for account in accounts}
        self._by_id = {account.id: account for account in accounts}

    def __iter__(self) -> Iterator[CursorAccount]:
        return iter(self._by_label.values())

    def __len__(self) -> int:
        return len(self._by_label)

    def __getitem__(self, position: int) -> CursorAccount:
        return list(self._by_label.values())[position]

    def find(self, name: str) -> CursorAccount | None:
        """By label, id or e-mail address."""
        found = self._by_label.get(name) or self._by_id.get(name)
        return found or next((account for account in self if account.email == name), None)

    def knows(self, credential: str) -> bool:
        """Whether it looks like one of Cursor's, be it good or not."""
        if credential.startswith("crsr_"):
            return True
        try:
            return _CLAIM in read_jwt(credential)
        except BadToken:
            return False

    def owner(self, credential: str) -> CursorAccount | None:
        """Whose credential it is, be it good or not."""
        for account in self:
            if account.api_key == credential:
                return account
        try:
            return self._by_id.get(str(read_jwt(credential).get("sub")))
        except BadToken:
            return None

    def bearer(self, token: str) -> CursorAccount:
        """The account of an access token.

        Raises:
            CursorTokenRefused: expired, replaced, or nobody's; API keys are none (§1.6).
        """
        account, claims = self._read(token)
        if claims.get("type") != "session":
            raise CursorTokenRefused("it is no access token")
        if claims[_CLAIM] < account.generation:
            raise CursorTokenRefused("the token has expired")
        return account

    def exchange(self, credential: str) -> tuple[CursorAccount, dict[str, Any]]:
        """New tokens for a refresh token or an API key (§5.3); a refresh token stays good.

        Raises:
            CursorTokenRefused: see there.
        """
        account = self.owner(credential)
        if account is None or account.api_key != credential:
            account, claims = self._read(credential)
            if claims.get("type") != "refresh":
                raise CursorTokenRefused("it is neither a refresh token nor an API key")
        if account.refresh_error:
            raise CursorTokenRefused("the session has ended")
        account.exchanges += 1
        return account, self.sign_in(account)

    def sign_in(self, account: CursorAccount) -> dict[str, Any]:
        """What a client gets that has proved itself."""
        return {
            "accessToken": self.access_token(account),
            "refreshToken": account.token("refresh", self._clock(), 60 * 24 * 3600.0),
            "authId": account.id,
        }

    def access_token(self, account: CursorAccount, *, lifetime: float | None = None) -> str:
        """A fresh access token; a negative ``lifetime`` gives an expired one."""
        seconds = self._lifetime if lifetime is None else lifetime
        return account.token("session", self._clock(), seconds)

    def _read(self, token: str) -> tuple[CursorAccount, dict[str, Any]]:
        try:
            claims = read_jwt(token)
            account = self._by_id[claims["sub"]]
            expires, generation = float(claims["exp"]), claims[_CLAIM]
        except (BadToken, KeyError, TypeError, ValueError) as error:
            raise CursorTokenRefused("the token is unknown") from error
        if expires <= self._clock() or not isinstance(generation, int):
            raise CursorTokenRefused("the token has expired")
        return account, claims


def _label(number: int) -> str:
    return _LABELS[number] if number < len(_LABELS) else f"cursor{number + 1}"


def _account(number: int, label: str) -> CursorAccount:
    user = uuid.uuid5(_NAMESPACE, label).hex[:24].upper()
    plan = _PLANS[number % len(_PLANS)]
    return CursorAccount(
        label, plan, f"auth0|user_{user}", f"{label}@example.com", 100_001 + number
    )


def _month(now: float) -> tuple[int, int]:
    """First moments of this month and of the next, in ms."""
    first = datetime.datetime.fromtimestamp(now, datetime.UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    following = (first + datetime.timedelta(days=32)).replace(day=1)
    return int(first.timestamp() * 1000), int(following.timestamp() * 1000)
