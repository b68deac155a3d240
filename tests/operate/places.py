"""A control plane over made-up accounts: what the API's tests ask, and a command line could."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import httpx
from starlette.types import ASGIApp

from addons.accounts.authority import Prompt, Secret, Show
from addons.accounts.credentials.document import Document
from addons.accounts.errors import AccountError
from addons.accounts.keeper import Keeper
from addons.accounts.model import Account, account_handle
from addons.accounts.pool import Pool
from addons.accounts.quota import Quota, Window
from addons.accounts.refresh import Refresher
from addons.front.routes import Route
from addons.operate import PREFIX
from addons.operate.api import application
from addons.operate.contract import Operated
from addons.operate.metrics import Metrics
from addons.operate.observer import Observer
from addons.operate.plane import Plane, Served
from addons.operate.token import Token
from addons.sessions.journal import Journal
from addons.settings import Settings
from addons.store.contract import Store
from addons.store.memory import MemoryStore
from tests.accounts.authorities import PROVIDER, Clock, FakeAuthority, secret

TOKEN = "0123456789abcdef" * 4
ROUTES = [Route(None, "POST", "/v1/responses", "model", "responses", PROVIDER, note="A model.")]


@dataclass
class Signing(FakeAuthority):
    """With logins: a person signs in as ``subject`` once ``person`` is set.

    Attributes:
        busy: no login can be begun, for this reason.
        declined: the person says no.
    """

    subject: str = "ada"
    person: asyncio.Event = field(default_factory=asyncio.Event)
    busy: str = ""
    declined: bool = False
    limits: Quota | None = None

    async def browser_login(self, show: Show) -> Secret:
        if self.busy:
            raise AccountError(self.busy)
        show(Prompt("https://sign.in/page", expires_in=900.0))
        await self.person.wait()
        if self.declined:
            raise AccountError("the sign-in was not allowed; begin again")
        return secret(self.subject, self.generations.setdefault(self.subject, 0))

    async def device_login(self, show: Show) -> Secret:
        show(Prompt("https://sign.in/device", "AB-CD", 60.0))
        await self.person.wait()
        return secret(self.subject, self.generations.setdefault(self.subject, 0))

    def with_key(self, key: str) -> Secret:
        if " " in key:
            raise AccountError("that is no API key: it must have no spaces")
        return {"subject": key, "access": key, "expires_at": 2e9}

    def credential(self, secret: Secret) -> object:
        self.describe(secret)
        return secret["access"]

    def describe(self, secret: Secret) -> Any:
        if not isinstance(secret.get("subject"), str) or not secret["subject"]:
            raise AccountError("the sign-in names nobody; add the account again")
        if not isinstance(secret.get("access"), str):
            raise AccountError("the sign-in has no access; add the account again")
        return super().describe(secret)

    async def quota(self, secret: Secret) -> Quota | None:
        return self.limits


@dataclass
class Place:
    """A floway, as far as the control API sees it."""

    settings: Settings
    store: Store
    clock: Clock
    authority: Signing
    pool: Pool
    plane: Plane
    app: ASGIApp
    observer: Observer
    operated: Operated

    async def add(self, subject: str, label: str) -> Document:
        """An account that was added by a command line."""
        generation = self.authority.generations.setdefault(subject, 0)
        document = Document(
            PROVIDER,
            label,
            account_handle(PROVIDER, subject),
            secret(subject, generation, self.clock() + 3600),
        )
        kept, _ = await self.plane.desk.credentials.put(document)
        if self.operated.keeper is not None:
            await self.operated.keeper.look()
        return kept

    def account(self, label: str) -> Account:
        (found,) = [each for each in self.pool.accounts if each.label == label]
        return found

    def client(
        self, *, peer: str = "127.0.0.1", token: str = TOKEN, **headers: str
    ) -> httpx.AsyncClient:
        STAGE.plane = self.plane
        if token:
            headers["authorization"] = f"Bearer {token}"
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(peer, 5), raise_app_exceptions=False),
            base_url="http://127.0.0.1:8080",
            headers=headers,
        )

    async def ask(
        self, method: str, path: str, *, expect: int = 200, **more: Any
    ) -> dict[str, Any]:
        """An answer's JSON; its status must be as expected."""
        async with self.client() as client:
            answer = await client.request(method, f"{PREFIX}{path}", **more)
        assert answer.status_code == expect, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found


class _Stage:
    """Stands for the plane of the test that runs: making an application takes a while."""

    plane: Plane

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plane, name)


STAGE = _Stage()


@cache
def _application() -> ASGIApp:
    token = Token(TOKEN, Path("control.token"))
    return application(cast("Plane", STAGE), token, lambda: STAGE.plane.desk.settings.control_hosts)


@asynccontextmanager
async def place(
    folder: Path, *, made_up: Sequence[str] = (), **settings: Any
) -> AsyncIterator[Place]:
    """With a live pool that follows what is kept, or with made-up accounts of these labels."""
    clock = Clock()
    given = Settings(home=folder, credential_store="file", **settings)
    async with MemoryStore() as store:
        authority = Signing(clock)
        accounts = [
            Account(PROVIDER, label, account_handle(PROVIDER, label), object()) for label in made_up
        ]
        pool = Pool(accounts)
        observer = Observer(Metrics())
        parts: list[Operated] = []
        served = Served(
            lambda: given, store, lambda: parts, ROUTES, "http://127.0.0.1:8080", bool(made_up)
        )
        plane = Plane(served, {PROVIDER: lambda _: authority}, observer, clock=clock)
        desk, keeper = plane.desk, None
        if not made_up:
            refresher = Refresher(authority, desk.credentials, desk.states, store, clock=clock)
            keeper = Keeper(
                authority, desk.credentials, desk.states, refresher, pool, [], clock=clock
            )
            await keeper.look()
        parts.append(Operated(PROVIDER, pool, keeper, Journal(store)))
        observer.watch(parts[0])
        STAGE.plane = plane
        app = _application()
        try:
            yield Place(given, store, clock, authority, pool, plane, app, observer, parts[0])
        finally:
            await plane.close()


def used(percent: float, resets_at: float, now: float) -> Quota:
    """A quota with one window."""
    return Quota(now, (Window(PROVIDER, "primary", percent, 300, resets_at),), "pro")
