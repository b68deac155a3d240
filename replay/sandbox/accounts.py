"""Made-up accounts: their tokens, their rotation, their quota."""

from __future__ import annotations

import datetime
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from replay.sandbox.config import AccountSpec
from replay.sandbox.quota import Quota
from replay.sandbox.tokens import BadToken, checksum, make_jwt, read_jwt

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
"""OAuth client id of the official client (codex-wire.md §5.3)."""
AUTH_CLAIM = "https://api.openai.com/auth"
PROFILE_CLAIM = "https://api.openai.com/profile"
_LABELS = ("ada", "ben", "cleo", "dora", "emil", "fay", "gus", "hana", "ivan", "june")
_PLANS = ("plus", "pro", "team")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "sandbox.floway.example.com")


class TokenRefused(Exception):
    """A bearer or refresh token is not good. ``code`` as in codex-wire.md §4.3 and §5.3."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True, eq=False)
class Account:
    """One made-up account.

    Attributes:
        generation: of access tokens; tokens of earlier generations are expired.
        invalid_before: tokens of generations below this one are invalidated (signed out).
        refresh_generation: of the refresh token that is good now; earlier ones were used.
        refresh_error: answer every refresh with this code instead, e.g. ``refresh_token_expired``.
        refreshes: how many refreshes have succeeded.
    """

    label: str
    plan: str
    id: str
    user_id: str
    email: str
    generation: int = 0
    invalid_before: int = 0
    refresh_generation: int = 0
    refresh_error: str = ""
    refreshes: int = 0
    requests: int = 0
    quota: Quota = field(default_factory=Quota)

    @property
    def api_key(self) -> str:
        """Key for ``/v1`` (API-key mode)."""
        return f"sk-sandbox-{self.label}-{checksum(self.id.encode())}"

    @property
    def refresh_token(self) -> str:
        """The refresh token that is good now."""
        return self._refresh_token(self.refresh_generation)

    def _refresh_token(self, generation: int) -> str:
        body = f"{self.label}.{generation}"
        return f"rt_{body}.{checksum(f'{self.id}.{body}'.encode())}"

    def _auth_claim(self) -> dict[str, Any]:
        return {
            "chatgpt_account_id": self.id,
            "chatgpt_plan_type": self.plan,
            "chatgpt_user_id": self.user_id,
            "chatgpt_account_is_fedramp": False,
            "user_id": self.user_id,
        }

    def access_token(self, now: float, lifetime: float) -> str:
        """A bearer token, good for ``lifetime`` seconds from ``now``."""
        claims = {
            "iss": "https://auth.openai.com",
            "aud": ["https://api.openai.com/v1"],
            "client_id": CLIENT_ID,
            "sub": self.user_id,
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now + lifetime),
            "jti": str(uuid.uuid4()),
            "sandbox_generation": self.generation,
            AUTH_CLAIM: self._auth_claim(),
            PROFILE_CLAIM: {"email": self.email, "email_verified": True},
        }
        return make_jwt(claims)

    def id_token(self, now: float) -> str:
        """An id token with the claims that clients read (codex-wire.md §5.2)."""
        claims = {
            "iss": "https://auth.openai.com",
            "aud": [CLIENT_ID],
            "sub": self.user_id,
            "iat": int(now),
            "exp": int(now + 3600),
            "email": self.email,
            "email_verified": True,
            AUTH_CLAIM: self._auth_claim(),
        }
        return make_jwt(claims)

    def expire_tokens(self) -> None:
        """Every access token given so far is answered ``token_expired``."""
        self.generation += 1

    def invalidate_tokens(self) -> None:
        """Every access token given so far is answered ``token_invalidated``."""
        self.generation += 1
        self.invalid_before = self.generation

    def auth_json(self, now: float, lifetime: float) -> dict[str, Any]:
        """The official client's ``auth.json`` of a ChatGPT sign-in (codex-wire.md §5.1)."""
        stamp = datetime.datetime.fromtimestamp(now, datetime.UTC)
        return {
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": None,
            "tokens": {
                "id_token": self.id_token(now),
                "access_token": self.access_token(now, lifetime),
                "refresh_token": self.refresh_token,
                "account_id": self.id,
            },
            "last_refresh": stamp.isoformat().replace("+00:00", "Z"),
        }


class Accounts:
    """All accounts of a sandbox, and the checks of what clients present."""

    def __init__(
        self,
        specs: int | Sequence[AccountSpec],
        *,
        clock: Callable[[], float],
        token_lifetime: float,
    ) -> None:
        """
        Raises:
            ValueError: no account, or two with one label or id.
        """
        self._clock = clock
        self._lifetime = token_lifetime
        if isinstance(specs, int):
            specs = [_made_up(number) for number in range(specs)]
        accounts = [_account(spec) for spec in specs]
        self._by_label = {account.label: account for account in accounts}
        self._by_id = {account.id: account for account in accounts}
        if not accounts:
            raise ValueError("accounts: a sandbox needs at least one account")
        if len(self._by_label) != len(accounts) or len(self._by_id) != len(accounts):
            raise ValueError("accounts: labels and account ids must differ from each other")

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_label.values())

    def __len__(self) -> int:
        return len(self._by_label)

    def __getitem__(self, position: int) -> Account:
        return list(self._by_label.values())[position]

    def find(self, name: str) -> Account | None:
        """By label, account id or e-mail address."""
        found = self._by_label.get(name) or self._by_id.get(name)
        if found is None:
            found = next((account for account in self if account.email == name), None)
        return found

    def bearer(self, token: str) -> Account:
        """The account of an access token.

        Raises:
            TokenRefused: ``token_expired``, or ``token_invalidated`` for everything else.
        """
        try:
            claims = read_jwt(token)
            account = self._by_id[claims[AUTH_CLAIM]["chatgpt_account_id"]]
            generation, expires = int(claims["sandbox_generation"]), float(claims["exp"])
        except (BadToken, KeyError, TypeError, ValueError) as error:
            raise TokenRefused("token_invalidated") from error
        if generation < account.invalid_before:
            raise TokenRefused("token_invalidated")
        if expires <= self._clock() or generation < account.generation:
            raise TokenRefused("token_expired")
        return account

    def api_key(self, key: str) -> Account | None:
        """The account of an API key."""
        return next((account for account in self if account.api_key == key), None)

    def refresh(self, token: str) -> tuple[Account, dict[str, Any]]:
        """Exchange a refresh token; it is used up and a new one takes its place.

        Returns:
            The account and the body of the answer (codex-wire.md §5.3).

        Raises:
            TokenRefused: ``refresh_token_expired``, ``refresh_token_reused`` or
                ``refresh_token_invalidated``.
        """
        account, generation = self._read_refresh(token)
        if account.refresh_error:
            raise TokenRefused(account.refresh_error)
        if generation < account.refresh_generation:
            raise TokenRefused("refresh_token_reused")
        # A generation ahead of ours was given by an earlier start of this sandbox.
        account.refresh_generation = generation + 1
        account.refreshes += 1
        return account, self.sign_in(account)

    def sign_in(self, account: Account) -> dict[str, Any]:
        """Tokens for a client that has proved itself; all its clients share one refresh token."""
        now = self._clock()
        return {
            "id_token": account.id_token(now),
            "access_token": account.access_token(now, self._lifetime),
            "refresh_token": account.refresh_token,
            "token_type": "Bearer",
            "expires_in": int(self._lifetime),
            "scope": "openid profile email offline_access",
        }

    def _read_refresh(self, token: str) -> tuple[Account, int]:
        label, _, generation = token.removeprefix("rt_").rpartition(".")[0].rpartition(".")
        account = self._by_label.get(label)
        if account is None or not generation.isdecimal():
            raise TokenRefused("refresh_token_invalidated")
        if token != account._refresh_token(int(generation)):
            raise TokenRefused("refresh_token_invalidated")
        return account, int(generation)

    def access_token(self, account: Account, *, lifetime: float | None = None) -> str:
        """A fresh bearer token; a negative ``lifetime`` gives an expired one."""
        return account.access_token(self._clock(), self._lifetime if lifetime is None else lifetime)

    def auth_json(self, account: Account) -> dict[str, Any]:
        """The official client's ``auth.json`` for this account, with fresh tokens."""
        return account.auth_json(self._clock(), self._lifetime)

    def write_auth_json(self, account: Account, path: Path) -> None:
        """Write the official client's ``auth.json`` (pretty JSON, mode 0600).

        Args:
            path: the file, usually ``$CODEX_HOME/auth.json``; its directory is made when missing.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self.auth_json(account), file, indent=2)


def _made_up(number: int) -> AccountSpec:
    label = _LABELS[number] if number < len(_LABELS) else f"user{number + 1}"
    return AccountSpec(label, _PLANS[number % len(_PLANS)])


def _account(spec: AccountSpec) -> Account:
    account_id = spec.account_id or str(uuid.uuid5(_NAMESPACE, spec.label))
    return Account(
        label=spec.label,
        plan=spec.plan,
        id=account_id,
        user_id=f"user-{uuid.uuid5(_NAMESPACE, 'user ' + spec.label).hex[:24]}",
        email=f"{spec.label}@example.com",
    )
