"""The Cursor provider: the facade that the gateway talks to.

What decides is pure and lives beside this file. What it takes to do so is loaded when there is
something to do (:mod:`.work`); a floway without an account of Cursor's has routes and an empty
pool.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from addons.accounts.authority import Secret
from addons.accounts.model import Account
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.models import ModelEntry
from addons.front.routes import Route
from addons.operate.contract import Operated
from addons.providers.contract import Answer, Outcome, Plan, Verdict
from addons.providers.cursor.official import passing
from addons.providers.cursor.routes import routes, serves
from addons.providers.cursor.serving import Serving
from addons.providers.cursor.sign_in import roster
from addons.providers.cursor.sign_in.authority import CursorAuthority
from addons.providers.cursor.sign_in.credentials import PROVIDER
from addons.sessions.journal import Journal
from addons.settings import Settings
from addons.store.contract import Store

if TYPE_CHECKING:
    from addons.providers.cursor.upstream import CursorUpstream
    from addons.providers.cursor.work import Work


class CursorProvider:
    """Implements :class:`addons.providers.contract.Provider`.

    Args:
        upstream: None: the one of the settings.
    """

    name = PROVIDER
    observed_events: frozenset[str] = frozenset()

    def __init__(
        self,
        settings: Settings,
        store: Store | None,
        authority: CursorAuthority,
        upstream: CursorUpstream | None,
        accounts: Sequence[tuple[Account, Secret]],
        more: Sequence[Account] = (),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._upstream = upstream
        self._clock = clock
        self._serving = Serving(settings, store, authority, accounts, more, clock=clock)
        self._journal = Journal(store)
        self._beginning = asyncio.Lock()
        self._work: Work | None = None
        if upstream is not None or not self.idle or _is_named(settings):
            self._work = self._made_work()

    @classmethod
    def of_settings(cls, settings: Settings, store: Store | None) -> CursorProvider:
        """With the user's own accounts, at the real host or the one that the settings name."""
        authority = CursorAuthority(settings)
        accounts = roster.configured(settings, authority)
        if store is None:
            return cls(settings, store, authority, None, accounts)
        more = roster.added(settings, authority)
        provider = cls(settings, store, authority, None, accounts, more)
        serving = provider._serving
        serving.keeper = roster.keeper(settings, store, serving.pool, [a for a, _ in accounts])
        return provider

    @classmethod
    def of_sandbox(
        cls,
        settings: Settings,
        store: Store | None,
        url: str,
        ca_file: str,
        sign_ins: Sequence[tuple[str, Mapping[str, Any]]],
    ) -> CursorProvider:
        """With the sandbox's made-up accounts: label and tokens of each."""
        from addons.providers.cursor.upstream import CursorUpstream

        authority = CursorAuthority(
            settings.model_copy(update={"upstreams": {PROVIDER: url}}), ca_file=ca_file
        )
        upstream = CursorUpstream(settings, url=url, ca_file=ca_file)
        return cls(settings, store, authority, upstream, roster.made_up(sign_ins))

    def routes(self) -> Sequence[Route]:
        return routes(self.name, self._settings.forward_hosts)

    def claims(self, model: str) -> bool:
        return serves(model)

    def knows(self, exchange: Exchange) -> bool:
        return passing.is_official(exchange)

    async def models(self) -> Sequence[ModelEntry]:
        return [] if self.idle else await (await self._at_work()).models()

    @property
    def accounts(self) -> Sequence[Account]:
        return self._serving.pool.accounts

    @property
    def idle(self) -> bool:
        return not self.accounts

    def operated(self) -> Operated:
        return Operated(self.name, self._serving.pool, self._serving.keeper, self._journal)

    async def start(self) -> None:
        await self._serving.start()
        if self._work is not None:
            await self._work.start()
        self._journal.start()

    async def stop(self) -> None:
        if self._work is not None:
            await self._work.stop()
        await self._journal.stop()
        await self._serving.stop()

    # --- work --------------------------------------------------------------------------------

    async def _at_work(self) -> Work:
        """In a thread the first time: the imports take too long for the event loop."""
        if self._work is None:
            async with self._beginning:
                if self._work is None:
                    work = await asyncio.to_thread(self._made_work)
                    await work.start()
                    self._work = work
        return self._work

    def _made_work(self) -> Work:
        """
        Raises:
            FlowayError: a setting can't be used.
        """
        from addons.providers.cursor.upstream import CursorUpstream
        from addons.providers.cursor.work import Work

        upstream = self._upstream or CursorUpstream(self._settings)
        return Work(
            self._settings, self._store, self._serving, self._journal, upstream, self._clock
        )

    async def plan(self, exchange: Exchange) -> Plan:
        return await (await self._at_work()).plan(exchange)

    def judge(self, exchange: Exchange, answer: Answer) -> Verdict:
        assert self._work is not None, "it planned the attempt"
        return self._work.judge(exchange, answer)

    async def after(self, exchange: Exchange, outcome: Outcome) -> None:
        if self._work is not None:
            await self._work.after(exchange, outcome)

    def explain(
        self,
        exchange: Exchange,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> ClientError | None:
        return None

    async def before_commit(self, exchange: Exchange) -> None:
        """Nothing: runs are given by ``plan``."""

    def observe(self, exchange: Exchange, event: dict[str, Any]) -> None:
        """Nothing: what a run says is noted where it is read."""

    def restore(self, exchange: Exchange, event: dict[str, Any]) -> bool:
        return False

    # --- websocket: there is none ------------------------------------------------------------

    def client_frame(self, exchange: Exchange, text: bytes) -> bytes:
        return text

    def server_frame(self, exchange: Exchange, text: bytes) -> bytes:
        return text

    def error_frame(self, exchange: Exchange, error: ClientError) -> bytes:
        return b""


def _is_named(settings: Settings) -> bool:
    """Whether settings speak of Cursor's hosts or clients: a mistake in them is told at start."""
    named = (settings.upstreams, settings.agent_upstreams, settings.client_versions)
    return any(PROVIDER in each for each in named)
