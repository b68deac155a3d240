"""A made-up authority: single-use refresh tokens, and failures on demand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from addons.accounts.authority import Description, Reason, Secret, Show
from addons.accounts.credentials.document import Document
from addons.accounts.credentials.store import Credentials
from addons.accounts.credentials.vault import Vault
from addons.accounts.errors import SignInEnded, SignInUnavailable
from addons.accounts.model import account_handle
from addons.accounts.quota import Quota
from addons.accounts.refresh import Refresher
from addons.accounts.states import States
from addons.store.contract import Store

PROVIDER = "one"


class Clock:
    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def secret(subject: str, generation: int = 0, expires_at: float = 2e9) -> Secret:
    return {
        "subject": subject,
        "access": f"access-{subject}-{generation}",
        "refresh": f"refresh-{subject}-{generation}",
        "expires_at": expires_at,
    }


@dataclass
class FakeAuthority:
    """Attributes:
    generations: of the refresh token that is good, by subject.
    asked: reasons of the refreshes that were asked for.
    fails: what the next ones end with, one after the other.
    gate: refreshes wait for it.
    """

    clock: Clock
    provider: str = PROVIDER
    generations: dict[str, int] = field(default_factory=dict)
    asked: list[Reason] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    def credential(self, secret: Secret) -> object:
        return secret["access"]

    def describe(self, secret: Secret) -> Description:
        handle = account_handle(PROVIDER, secret["subject"])
        return Description(handle, "plain", secret["access"], renewable="refresh" in secret)

    def stale(self, secret: Secret, now: float) -> bool:
        return bool(now >= secret["expires_at"] - 300)

    async def refresh(self, secret: Secret, reason: Reason) -> Secret:
        self.asked.append(reason)
        self.began.set()
        if self.gate is not None:
            await self.gate.wait()
        match self.fails.pop(0) if self.fails else "":
            case "later":
                raise SignInUnavailable("the server is down")
            case "over":
                raise SignInEnded("revoked", "The sign-in is over.")
        subject = secret["subject"]
        generation = self.generations.get(subject, 0)
        if secret["refresh"] != f"refresh-{subject}-{generation}":
            raise SignInEnded("reused", "That refresh token was used before.")
        self.generations[subject] = generation + 1
        return globals()["secret"](subject, generation + 1, self.clock() + 3600)

    async def quota(self, secret: Secret) -> Quota | None:
        return None

    async def browser_login(self, show: Show) -> Secret:
        raise NotImplementedError

    async def device_login(self, show: Show) -> Secret:
        raise NotImplementedError

    def with_key(self, key: str) -> Secret:
        raise NotImplementedError

    def read_file(self, path: Path) -> Secret:
        raise NotImplementedError

    def import_warning(self, secret: Secret) -> str:
        return ""

    async def close(self) -> None:
        self.closed = True


@dataclass
class House:
    """All that is kept, and as many refreshers as there are processes."""

    folder: Path
    store: Store
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.authority = FakeAuthority(self.clock)
        self.states = States(self.store, clock=self.clock)
        self.vault = Vault(self.folder, "file", lambda: None)
        self.credentials = Credentials(self.vault, self.states, clock=self.clock)

    def refresher(self) -> Refresher:
        async def soon(_seconds: float) -> None:
            await asyncio.sleep(0)

        return Refresher(
            self.authority, self.credentials, self.states, self.store, clock=self.clock, sleep=soon
        )

    async def add(self, subject: str, label: str, *, expires_in: float = 3600.0) -> Document:
        generation = self.authority.generations.setdefault(subject, 0)
        kept, _ = await self.credentials.put(
            Document(
                PROVIDER,
                label,
                account_handle(PROVIDER, subject),
                secret(subject, generation, self.clock() + expires_in),
            )
        )
        return kept
