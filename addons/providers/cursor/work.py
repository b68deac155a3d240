"""The provider at work: models, plans, verdicts, and what follows.

Apart from the facade (:mod:`.provider`), because it takes the messages of the agent service and all
that makes and reads them: much for a floway that has no account of Cursor's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from addons.accounts.model import Account
from addons.choice import once
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.models import ModelEntry, model_list, one_model
from addons.providers.contract import (
    Answer,
    Commit,
    Ended,
    Fail,
    Forward,
    Generated,
    Hold,
    NextAccount,
    Outcome,
    Plan,
    Refuse,
    Verdict,
)
from addons.providers.cursor import metering
from addons.providers.cursor.limits import Limits
from addons.providers.cursor.models import entries
from addons.providers.cursor.official import passing
from addons.providers.cursor.official.watching import RunWatch
from addons.providers.cursor.progress import Progress
from addons.providers.cursor.routes import PREFIX
from addons.providers.cursor.runs import Runs
from addons.providers.cursor.serving import LENT, Serving
from addons.providers.cursor.sign_in.credentials import PROVIDER
from addons.providers.cursor.sign_in.roster import credential_of
from addons.providers.cursor.telling import preferences
from addons.providers.cursor.telling.checkpoints import Checkpoints
from addons.providers.cursor.telling.continued import Continued
from addons.providers.cursor.upstream import CursorUpstream
from addons.providers.cursor.wire.answer import refusal
from addons.sessions.journal import Journal
from addons.settings import Settings
from addons.store.contract import Store
from fingerprints.serial import dumps


class Work:
    """One per provider. Its methods are those of the contract."""

    def __init__(
        self,
        settings: Settings,
        store: Store | None,
        serving: Serving,
        journal: Journal,
        upstream: CursorUpstream,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._serving = serving
        self._journal = journal
        self._upstream = upstream
        self._clock = clock
        self._kept = Checkpoints(store, clock, preferences.checkpoint_limits(settings))
        self._continued = Continued(store, settings, clock)
        self._limits = Limits(serving.pool, upstream.quota, clock)
        self._runs = Runs(
            serving,
            upstream,
            self._kept,
            self._continued,
            hold_seconds=settings.hold_seconds,
            telling=preferences.telling(settings),
            clock=clock,
        )

    async def start(self) -> None:
        await self._kept.load()
        await self._continued.load()

    async def stop(self) -> None:
        await self._runs.stop()
        await self._limits.stop()
        await self._upstream.close()
        await self._continued.close()

    async def models(self) -> Sequence[ModelEntry]:
        ready = [each for each in self._serving.pool.accounts if await self._serving.usable(each)]
        if not ready:
            return []
        return entries(await self._upstream.all_models(ready))

    # --- plan --------------------------------------------------------------------------------

    async def plan(self, exchange: Exchange) -> Plan:
        if not isinstance(exchange.state, Progress):
            exchange.state = Progress()
        match exchange.route.kind:
            case "model":
                return await self._runs.plan(exchange, exchange.state)
            case "models" if not passing.is_official(exchange):
                return await self._listed(exchange)
            case _:
                return await self._passed(exchange, exchange.state)

    async def _listed(self, exchange: Exchange) -> Generated:
        """Where no other provider has a list.

        Raises:
            ClientError: there is no list, or no such model in it.
        """
        found = await self.models()
        wanted = exchange.path.partition("?")[0].partition("/v1/models")[2].strip("/")
        shown = one_model(found, wanted) if wanted else model_list(found)
        return Generated(200, [(b"content-type", b"application/json")], once(dumps(shown)))

    async def _passed(self, exchange: Exchange, progress: Progress) -> Plan:
        """An official client's call: as its own, or lent an account.

        That is where the user wants it, and where the client's only sign-in is a key of floway's.
        """
        hosts = self._upstream.own_hosts
        if progress.watch is None:
            path = exchange.path.partition("?")[0]
            progress.watch = exchange.watch = RunWatch.of_path(
                path, exchange.header("connect-content-encoding")
            )
        own = not any(passing.is_floway_s(exchange, header) for header in exchange.headers)
        if not passing.is_swappable(exchange) or (
            own and PROVIDER not in self._settings.swap_accounts
        ):
            return Forward(passing.request(exchange, hosts), "")
        account = await self._serving.lent(exchange, progress)
        if isinstance(account, ClientError):
            return Refuse(account)
        token = credential_of(account).access_token
        progress.lend(account, token, self._clock())
        if exchange.route.host is None:
            hosts = await self._upstream.hosts(account)
        request = passing.request(exchange, hosts, token=token, lane=account.handle)
        return Forward(request, account.label)

    # --- judge -------------------------------------------------------------------------------

    def judge(self, exchange: Exchange, answer: Answer) -> Verdict:
        """An official client is given what comes, unless another account can do better unseen."""
        progress: Progress = exchange.state
        if progress.watch is not None and answer.status is not None:
            progress.watch.head(answer.status, answer.headers)
        refused = answer.status is not None and answer.status >= 400
        if progress.account is None or not refused or exchange.route.kind == "duplex":
            return Commit()
        if answer.ended is Ended.OPEN:
            return Hold()
        assert answer.status is not None
        error = refusal(answer.status, answer.body, _metadata(answer))
        verdict = self._runs.judging.refused(progress, None, error, 0).verdict
        return Commit() if isinstance(verdict, Fail) else verdict

    # --- after -------------------------------------------------------------------------------

    async def after(self, exchange: Exchange, outcome: Outcome) -> None:
        progress = exchange.state
        if not isinstance(progress, Progress):
            return
        if progress.watch is not None:
            exchange.summary["passed"] = progress.watch.summary()
        if progress.account is None:
            return
        await self._serving.settle(exchange, progress)
        self._limits.used(progress.account)
        if progress.begun is None:
            self._judge_passed(exchange, progress, progress.account, outcome)
            return
        if exchange.usage is not None:
            told = metering.facts(exchange, progress, exchange.usage)
            if told is not None:
                self._journal.report(told)
        if outcome is Outcome.COMPLETED:
            self._serving.pool.succeeded(
                exchange.binding,
                progress.account,
                progress.model,
                self._clock(),
                started=progress.begun.started,
            )

    def _judge_passed(
        self, exchange: Exchange, progress: Progress, account: Account, outcome: Outcome
    ) -> None:
        """A call that passed with a lent account may have told of its limits; else it stays."""
        error = progress.watch.error if progress.watch is not None else None
        if error is None:
            if outcome is Outcome.COMPLETED:
                self._serving.pool.succeeded(
                    exchange.conversation, account, LENT, self._clock(), started=progress.lent_at
                )
            return
        assert progress.watch is not None
        watch = progress.watch
        verdict = self._runs.judging.refused(progress, None, error, watch.produced).verdict
        if isinstance(verdict, NextAccount):
            # A run is lent an account before its model is known: the limit of one model counts
            # for all that are lent.
            for model in (PREFIX + watch.model, LENT):
                self._serving.cool(account, model, verdict)


def _metadata(answer: Answer) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in answer.headers:
        key = name.decode("latin-1").lower()
        found[key] = (*found.get(key, ()), value.decode("latin-1"))
    return found
