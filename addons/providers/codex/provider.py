"""The Codex provider: the facade that the gateway talks to.

Everything that decides is pure and lives beside this file; here are the steps, in the order in
which an exchange takes them, and the memory between exchanges (pool, learned parameters, threads).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.models import ModelEntry
from addons.front.routes import Route
from addons.operate.contract import Operated
from addons.providers.codex import frames, roster, verdicts
from addons.providers.codex.added import added, keeper
from addons.providers.codex.catalogue import Catalogue
from addons.providers.codex.classification import client_error, transport
from addons.providers.codex.continuation import PREVIOUS, Continuation, limits_of
from addons.providers.codex.endpoints import sign_in_of
from addons.providers.codex.ids import Mint
from addons.providers.codex.listing import listed
from addons.providers.codex.memory import Memory
from addons.providers.codex.models import Model
from addons.providers.codex.observation import ITEM_DONE, observe
from addons.providers.codex.planners import Planners
from addons.providers.codex.planning import Caller, Planner
from addons.providers.codex.progress import Progress
from addons.providers.codex.refusals import from_answer
from addons.providers.codex.resolution import resolve
from addons.providers.codex.roster import credential_of
from addons.providers.codex.routes import ACCOUNTS_CHECK, routes
from addons.providers.codex.seals import left_out, readable_body
from addons.providers.codex.side import accounts_check, models_answer
from addons.providers.codex.sockets import Sockets
from addons.providers.codex.upstream import Upstream
from addons.providers.codex.usage import header_map, quota_from_headers
from addons.providers.contract import (
    Answer,
    Commit,
    Fail,
    Forward,
    Outcome,
    Plan,
    Refuse,
    SameAccount,
    Verdict,
)
from addons.sessions.journal import Journal
from addons.settings import Settings
from addons.store.contract import Store

logger = logging.getLogger(__name__)

NAME = "codex"


class CodexProvider:
    """Implements :class:`addons.providers.contract.Provider`."""

    name = NAME
    observed_events = frozenset(
        {
            "response.created",
            "response.in_progress",
            "response.completed",
            "response.incomplete",
            "response.failed",
            "response.queued",
            "codex.rate_limits",
            "error",
            ITEM_DONE,
            "response.metadata",
            "codex.response.metadata",
        }
    )

    def __init__(
        self,
        settings: Settings,
        store: Store | None,
        upstream: Upstream,
        accounts: Sequence[Account],
        *,
        ca_file: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._mint = Mint()
        self._memory = Memory(upstream.url, accounts, store, settings, clock)
        self._journal = Journal(store)
        self._continuation = Continuation(
            store,
            limits_of(settings),
            clock,
            lineages=self._memory.lineages,
            pool=self._memory.pool,
        )
        self._planners = Planners(settings, upstream, accounts)
        self._planner = self._planners.usual
        self._catalogue = Catalogue(
            clock=clock, ca_file=ca_file, http2=self._planner.asks_for_models_over_http2
        )
        self._sockets = Sockets(
            self._planner,
            self._memory,
            self._continuation,
            self._catalogue,
            self._mint,
            clock,
            observed=self.observed_events,
            observe=self.observe,
        )

    @classmethod
    def of_settings(cls, settings: Settings, store: Store | None) -> CodexProvider:
        """With the user's own accounts, at the real host or the one that the settings name."""
        if store is None:
            return cls(settings, store, *roster.configured(settings))
        more = added(settings)
        upstream, accounts = roster.configured(settings, more)
        provider = cls(settings, store, upstream, roster.merged(accounts, more))
        provider._memory.keeper = keeper(
            settings, store, provider._memory.pool, accounts, roster.mode_of([*accounts, *more])
        )
        return provider

    @classmethod
    def of_sandbox(
        cls,
        settings: Settings,
        store: Store | None,
        url: str,
        ca_file: str,
        sign_ins: Sequence[tuple[str, dict[str, Any]]],
    ) -> CodexProvider:
        """With the sandbox's made-up accounts: label and ``auth.json`` of each."""
        accounts = roster.made_up(sign_ins)
        return cls(settings, store, Upstream.parse(url), accounts, ca_file=ca_file)

    def routes(self) -> Sequence[Route]:
        return routes(self.name, self._settings.forward_hosts)

    def claims(self, model: str) -> bool:
        """None by name: it serves what nobody else does."""
        return False

    def knows(self, exchange: Exchange) -> bool:
        """None: its official client asks elsewhere."""
        return False

    async def models(self) -> Sequence[ModelEntry]:
        return await listed(self._planner, self._catalogue, self._memory.pool, self._clock())

    @property
    def accounts(self) -> Sequence[Account]:
        return self._memory.pool.accounts

    @property
    def idle(self) -> bool:
        return not self.accounts

    def operated(self) -> Operated:
        memory = self._memory
        return Operated(self.name, memory.pool, memory.keeper, self._journal)

    @property
    def _upstream_remembers(self) -> bool:
        """Whether it takes ``previous_response_id`` over HTTP: that of API keys does."""
        return any(sign_in_of(account) == "api_key" for account in self.accounts)

    async def start(self) -> None:
        await self._memory.start()
        await self._continuation.load()
        self._journal.start()

    async def stop(self) -> None:
        await self._catalogue.close()
        await self._memory.stop()
        await self._journal.stop()
        await self._continuation.close()

    # --- plan --------------------------------------------------------------------------------

    async def plan(self, exchange: Exchange) -> Plan:
        now = self._clock()
        progress = await self._progress(exchange, now)
        account = await self._memory.account(exchange, progress)
        if isinstance(account, ClientError):
            return Refuse(account)
        progress.account, progress.token = account, credential_of(account).access_token
        progress.asked[account.handle] = progress.asked.get(account.handle, 0) + 1
        progress.begin(now)
        await self._memory.install(account)
        match exchange.route.kind:
            case "model":
                assert exchange.turn is not None
                assert progress.body is not None
                planner = progress.planner = await self._planners.of(exchange)
                models = await self._models(account)
                body = readable_body(progress.body, account.handle, self._memory.seals)
                progress.dropped = left_out(progress.body, body)
                progress.shaped = shaped = planner.shape(
                    body,
                    progress.identity,
                    account,
                    self._memory.parameters,
                    models,
                    now,
                    caller=exchange.turn.body,
                )
                identity = self._memory.with_state(progress.identity, account)
                if progress.identity.turn_state and not identity.turn_state:
                    progress.dropped.append("turn state")
                request = planner.turn(shaped, identity, self._caller(exchange, account, planner))
                self._memory.remember(progress.identity, now, progress.model, exchange.principal)
            case "model_socket":
                progress.handshake = progress.identity
                await self._models(account)
                request = self._planner.upgrade(
                    progress.identity,
                    self._caller(exchange, account),
                    model=progress.model,
                    websocket_key=exchange.header("sec-websocket-key"),
                )
            case "models" if not self._planner.asks_for_models:
                return models_answer(exchange, self._planner.known_models(), account)
            case "models" if sign_in_of(account) == "chatgpt":
                models = await self._catalogue.required(lambda: self._planner.models(account))
                return models_answer(exchange, models, account)
            case _ if exchange.path.partition("?")[0] == ACCOUNTS_CHECK:
                return accounts_check(exchange, account)
            case _:
                request = self._planner.side(exchange, self._caller(exchange, account))
        return Forward(request, account.label, self._summary(progress))

    async def _models(self, account: Account) -> Sequence[Model]:
        """The upstream's list; API keys have none of this form (codex-wire.md §1.1)."""
        if sign_in_of(account) == "api_key" or not self._planner.asks_for_models:
            return ()
        return await self._catalogue.refreshed(lambda: self._planner.models(account))

    def _caller(
        self, exchange: Exchange, account: Account, planner: Planner | None = None
    ) -> Caller:
        installation = self._memory.installation(account)
        return Caller(account, installation, (planner or self._planner).originator(exchange))

    async def _progress(self, exchange: Exchange, now: float) -> Progress:
        """
        Raises:
            BadRequest: the request continues a response that can't be continued.
        """
        if isinstance(exchange.state, Progress):
            return exchange.state
        own = body = exchange.turn.body if exchange.turn is not None else {}
        scope = None
        if own.get(PREVIOUS):
            if not self._upstream_remembers:
                body = await self._continuation.whole(exchange.principal, own)
            scope = self._continuation.scope(exchange.principal, own[PREVIOUS])
        identity = resolve(
            exchange.headers,
            body,
            websocket=exchange.websocket,
            principal=exchange.principal,
            now=now,
            mint=self._mint,
            stored=self._memory.lineages,
            continued=scope,
        )
        for note in identity.notes:
            logger.info("exchange %s: %s", exchange.id, note)
        model = exchange.turn.model if exchange.turn is not None else ""
        if exchange.websocket:  # an account that cools for the model is not asked
            model = self._sockets.model_of(exchange, identity, now)
        progress = exchange.state = Progress(identity, model, body=body or None)
        exchange.conversation = f"{exchange.principal}:side"
        if exchange.route.kind.startswith("model"):
            exchange.conversation = identity.conversation(exchange.principal)
        return progress

    def _summary(self, progress: Progress) -> dict[str, Any]:
        return {
            "profile": (progress.planner or self._planner).profile.name,
            "session": progress.identity.session_id,
            "sources": dict(progress.identity.sources),
            **({"model": progress.model} if progress.model else {}),
            **({"notes": list(progress.shaped.notes)} if progress.shaped else {}),
        }

    # --- judge -------------------------------------------------------------------------------

    def judge(self, exchange: Exchange, answer: Answer) -> Verdict:
        progress: Progress = exchange.state
        now = self._clock()
        account = progress.account
        assert account is not None
        if not progress.headers_read and answer.status is not None:
            progress.headers_read = True
            headers = header_map(answer.headers)
            self._catalogue.announced(headers.get("x-models-etag"))
            if state := headers.get("x-codex-turn-state"):
                self._memory.state_given(progress.identity, account, state)
            if (quota := quota_from_headers(headers, now)) is not None:
                self._memory.pool.observed(account, quota)
        if exchange.turn is None and not exchange.websocket:
            if answer.status is None and exchange.method in ("GET", "HEAD"):
                return transport(answer.error, retried=progress.asked[account.handle] > 1)
            return Commit()

        def learnable(path: str) -> bool:
            sent = progress.shaped.content if progress.shaped is not None else {}
            if not self._memory.parameters.learnable(sent, path):
                return False
            progress.refused = path
            return True

        verdict = verdicts.judge(
            answer,
            model=progress.model,
            now=now,
            retried=progress.asked[account.handle] > 1,
            learnable=learnable,
            scan=progress.scan,
            known=account.quota,
            rules=self._memory.rules,
        )
        if isinstance(verdict, Fail) and answer.status is not None and progress.shaped is not None:
            refusal = from_answer(answer.status, answer.headers, answer.body, now)
            if self._memory.unsealed(refusal, progress.shaped, account):
                error = client_error(refusal, model=progress.model, now=now)
                return SameAccount("reasoning of another account", error)
        return verdict

    def explain(
        self,
        exchange: Exchange,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> ClientError | None:
        # The official client acts on what stands there (codex-wire.md §4.3). A 401 would make it
        # refresh, and doubt, a sign-in of its own that was never sent.
        if status != 401 and self._planner.is_official(exchange):
            return None
        return verdicts.explain(status, headers, body, now=self._clock())

    async def before_commit(self, exchange: Exchange) -> None:
        if exchange.turn is not None and isinstance(exchange.state, Progress):
            self._continuation.prepare(exchange, exchange.state, exchange.turn.body)

    # --- observe -----------------------------------------------------------------------------

    def observe(self, exchange: Exchange, event: dict[str, Any]) -> None:
        observe(exchange, event, self._memory, self._journal, self._clock())

    def restore(self, exchange: Exchange, event: dict[str, Any]) -> bool:
        progress: Progress = exchange.state
        return progress.restore(event)

    # --- websocket ---------------------------------------------------------------------------

    def client_frame(self, exchange: Exchange, text: bytes) -> bytes:
        return self._sockets.client_frame(exchange, text)

    def server_frame(self, exchange: Exchange, text: bytes) -> bytes:
        return self._sockets.server_frame(exchange, text)

    def error_frame(self, exchange: Exchange, error: ClientError) -> bytes:
        return frames.error_message(error)

    # --- after -------------------------------------------------------------------------------

    async def after(self, exchange: Exchange, outcome: Outcome) -> None:
        progress = exchange.state
        if not isinstance(progress, Progress) or progress.account is None:
            return
        await self._memory.settle(exchange, progress)
        if outcome is Outcome.COMPLETED and not exchange.websocket:
            self._memory.pool.succeeded(
                exchange.binding,
                progress.account,
                progress.model,
                self._clock(),
                started=progress.started,
            )
            if progress.answered:
                self._continuation.completed(exchange, progress)
        progress.pending = None
