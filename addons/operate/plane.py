"""What the control API answers: a running floway, its accounts, sessions, routes and profiles."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from addons.accounts.model import AccountState
from addons.front.routes import Route
from addons.operate import conversations
from addons.operate.contract import Operated
from addons.operate.desk import Desk
from addons.operate.exposition import Exposed, Exposition
from addons.operate.models import (
    AccountChange,
    AccountQuota,
    AccountView,
    AddedAccount,
    Health,
    NewAccount,
    NewSignIn,
    ProfileList,
    ProfileView,
    QuotaList,
    RouteList,
    RouteView,
    SessionDetail,
    SessionList,
)
from addons.operate.observer import Observer
from addons.operate.roster import Authorities
from addons.operate.signins import SignIns
from addons.settings import Settings
from addons.store.contract import Store
from fingerprints import library


@dataclass(frozen=True, slots=True)
class Served:
    """What runs in this process.

    Attributes:
        settings: those in force; they change while floway runs.
        providers: looked at anew for each request.
        address: where clients on this machine reach it.
    """

    settings: Callable[[], Settings]
    store: Store
    providers: Callable[[], Sequence[Operated]]
    routes: Sequence[Route]
    address: str
    sandbox: bool


class Plane:
    """One per running floway."""

    def __init__(
        self,
        served: Served,
        authorities: Authorities,
        observer: Observer,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._served = served
        self._observer = observer
        self._clock = clock
        self._started = clock()
        self._exposition = Exposition(observer.metrics)
        self.desk = Desk(served.settings(), served.store, authorities, served.providers, clock)
        self.sign_ins = SignIns(self.desk)

    async def close(self) -> None:
        await self.sign_ins.close()
        await self.desk.close()

    # --- accounts ----------------------------------------------------------------------------

    async def add(self, asked: NewAccount) -> AddedAccount:
        """
        Raises:
            ControlError: there is no such provider.
            AccountError: it can't be used, or the label is taken.
        """
        authority = self.desk.authority(asked.provider)
        if isinstance(asked, NewSignIn):
            return await self.desk.keep(asked.provider, asked.label, asked.sign_in, imported=True)
        secret = authority.with_key(asked.api_key.get_secret_value())
        return await self.desk.keep(asked.provider, asked.label, secret)

    async def change(self, name: str, asked: AccountChange) -> AccountView:
        """
        Raises:
            ControlError: there is none of that name, or it can't be changed.
            AccountError: the label is taken.
        """
        if asked.label is not None:
            view = await self.desk.relabel(name, asked.label)
            name = f"{view.provider}:{view.label}"
        if asked.weight is not None or asked.priority is not None:
            await self.desk.prefer(name, weight=asked.weight, priority=asked.priority)
        if asked.enabled is not None:
            return await self.desk.switch(name, asked.enabled)
        return await self.desk.named(name)

    async def quota(self) -> QuotaList:
        return QuotaList(
            accounts=[
                AccountQuota(
                    provider=view.provider,
                    label=view.label,
                    plan=view.plan,
                    observed_at=view.observed_at,
                    windows=view.windows,
                )
                for view in await self.desk.views()
            ]
        )

    # --- conversations -----------------------------------------------------------------------

    async def sessions(self, limit: int) -> SessionList:
        return await conversations.listed(self._served.store, limit)

    async def session(self, name: str) -> SessionDetail:
        return await conversations.shown(self._served.store, name)

    # --- what runs ---------------------------------------------------------------------------

    def health(self) -> Health:
        serving: Literal["accounts", "sandbox"] = "sandbox" if self._served.sandbox else "accounts"
        providers = self._served.providers()
        states = dict.fromkeys((state.value for state in AccountState), 0)
        for operated in providers:
            for account in operated.pool.accounts:
                states[account.state.value] += 1
        return Health(
            status="ok",
            version=version("floway"),
            pid=os.getpid(),
            started_at=self._started,
            address=self._served.address,
            serving=serving,
            providers=[operated.provider for operated in providers],
            accounts=states,
            open_requests=self._observer.open_requests,
        )

    def routes(self) -> RouteList:
        return RouteList(
            routes=[
                RouteView(
                    host=route.host,
                    method=route.method,
                    path=route.path,
                    kind=route.kind,
                    protocol=route.protocol,
                    provider=route.provider,
                    upstream=route.upstream,
                    note=route.note,
                )
                for route in self._served.routes
            ]
        )

    async def profiles(self) -> ProfileList:
        found = await asyncio.to_thread(library.available)
        return ProfileList(
            profiles=[
                ProfileView(name=each.name, client=each.client, release=each.release)
                for each in found
            ],
            in_force=self._served.settings().profile,
        )

    async def metrics(self, accept: str) -> Exposed:
        return await self._exposition.text(self._served.providers(), accept, self._clock())
