"""From a client's request to the response of a run: one that waits for it, or a new one.

The order of steps of one attempt: find the run whose tool calls the request answers; else choose an
account, decide what it is sent of the conversation, open a stream, begin a run. The first output is
awaited here, so that what fails before it is another attempt, which the client does not see.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.contract import Json
from addons.generation import Feed, answer
from addons.providers.contract import (
    Generated,
    NextAccount,
    Plan,
    Refuse,
    Tried,
)
from addons.providers.cursor.failures.errors import CursorError
from addons.providers.cursor.judging import Judging, tried
from addons.providers.cursor.model_choice import choose
from addons.providers.cursor.models import Model
from addons.providers.cursor.progress import Begun, Progress, Said, read_request
from addons.providers.cursor.run.events import Ending, ResponseEvents, ResponseWriter
from addons.providers.cursor.run.parking import Parking, RunOwner
from addons.providers.cursor.run.run import RunMachine
from addons.providers.cursor.run.run_limits import RunLimits
from addons.providers.cursor.run.run_outputs import Failed, TurnEnded
from addons.providers.cursor.run.session import RunResponse, RunSession
from addons.providers.cursor.serving import Serving
from addons.providers.cursor.sign_in.roster import credential_of
from addons.providers.cursor.telling.checkpoints import Checkpoints
from addons.providers.cursor.telling.continued import Continued
from addons.providers.cursor.telling.coverage import cover
from addons.providers.cursor.telling.demands import demanded
from addons.providers.cursor.telling.history import answers
from addons.providers.cursor.telling.reading import extended
from addons.providers.cursor.telling.request import Prepared, prepare
from addons.providers.cursor.telling.state import Checkpoint, Form, StatePlan, Telling, plan_state
from addons.providers.cursor.telling.tools import tools
from addons.providers.cursor.wire.channel import Channel, Opening
from addons.providers.cursor.wire.endpoint import Hosts

logger = logging.getLogger(__name__)

ROOM: Final = 16_000
"""Tokens of a model's window that are kept for its answer."""


class Upstream(Protocol):
    """What the runs need to know of the way to Cursor."""

    async def hosts(self, account: Account) -> Hosts:
        """Where the account's requests go."""

    def opening(self, account: Account, run_id: str, *, tools: bool) -> Opening:
        """The headers of a run. ``tools``: there are some that the model may call."""

    async def open(self, hosts: Hosts, opening: Opening, *, lane: str) -> Channel:
        """
        Raises:
            TransportError: no connection.
        """

    async def models(self, account: Account) -> Sequence[Model]:
        """The last good list; empty where there never was one."""


class Runs:
    """One per provider.

    Args:
        kept: the conversations' checkpoints.
        continued: responses that callers continue by their id.
        hold_seconds: longest wait for a first output before an answer is begun.
        telling: how a history is told where there is a choice.
    """

    def __init__(
        self,
        serving: Serving,
        upstream: Upstream,
        kept: Checkpoints,
        continued: Continued,
        *,
        hold_seconds: float,
        limits: RunLimits | None = None,
        telling: Telling | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.parking: Parking[RunSession] = Parking()
        self._serving = serving
        self._upstream = upstream
        self._kept = kept
        self._continued = continued
        self._limits = limits
        self._telling = telling or Telling()
        self._hold_seconds = hold_seconds
        self._clock = clock
        self.judging = Judging(serving, clock)
        self._begun: WeakKeyDictionary[RunSession, Begun] = WeakKeyDictionary()

    async def stop(self) -> None:
        """Cancel what waits, and see it end."""
        sessions = list(self._begun)
        for session in sessions:
            session.abandon("the proxy stops")
        self.parking.clear()
        await asyncio.gather(*(session.ended() for session in sessions))

    # --- plan --------------------------------------------------------------------------------

    async def plan(self, exchange: Exchange, progress: Progress) -> Plan:
        """
        Raises:
            ClientError: the request can't be served, by whichever account.
        """
        said = progress.said
        if said is None:
            said = read_request(exchange, progress, await self._continued.whole(exchange))
        refused, progress.refused = progress.refused, None
        if refused is not None and refused.spoiled:
            await self._kept.spoiled(said.conversation.key, refused.generation)
            told = progress.begun is not None and not progress.begun.with_state
            progress.as_text = told and refused.status != 429
        if not progress.resumed:
            progress.resumed = True
            resumed = await self._resume(exchange, progress, said)
            if resumed is not None:
                return resumed
        await self._bind(exchange, said)
        account = await self._serving.account(exchange, progress)
        if isinstance(account, ClientError):
            return Refuse(account)
        return await self._begin(exchange, progress, said, account)

    # --- a run that waits --------------------------------------------------------------------

    async def _resume(self, exchange: Exchange, progress: Progress, said: Said) -> Plan | None:
        """Give results to the run that waits for them; None: there is none, or not any more."""
        results = answers(said.history)
        waiting = [result.call_id for result in results]
        session = self.parking.claim(exchange.principal, waiting, _terms(exchange))
        if session is None:
            return None
        begun = self._begun[session]
        account = self._serving.may_go_on(session.owner.account)
        if account is None:
            session.abandon("its account serves no more")
            return None
        response = session.resume(results)
        if response is None:
            return None
        progress.begin(account, begun)
        exchange.summary["run"] = "continued"
        return await self._given(exchange, progress, begun, response)

    async def _bind(self, exchange: Exchange, said: Said) -> None:
        """After a restart, the account that owns the conversation's state is asked first."""
        affinity, now = self._serving.pool.affinity, self._clock()
        if affinity.get(exchange.conversation, now) is not None:
            return
        kept = await self._kept.find(said.conversation.key)
        if kept.checkpoint is not None:
            owner, started = kept.checkpoint.account, kept.checkpoint.started
            affinity.bind(exchange.conversation, owner, started, now)

    # --- a new run ---------------------------------------------------------------------------

    async def _begin(
        self, exchange: Exchange, progress: Progress, said: Said, account: Account
    ) -> Plan:
        assert exchange.turn is not None
        body, conversation = exchange.turn.body, said.conversation
        self.parking.abandon(exchange.principal, conversation.key)
        choice = choose(body, await self._upstream.models(account))
        given = tools(body)
        kept = await self._kept.find(conversation.key)
        plan = plan_state(
            kept.checkpoint,
            account.handle,
            said.history,
            generation=kept.generation,
            telling=replace(
                self._telling,
                form=Form.TEXT if progress.as_text else self._telling.form,
                window=choice.window,
                reserved=given.size // 4 + ROOM,
            ),
        )
        run_id = str(uuid.uuid4())
        prepared = prepare(
            plan,
            given,
            choice,
            conversation_id=conversation.id(kept.generation),
            run_id=run_id,
            system=said.history.system,
            demand=demanded(body),
            place=self._telling.system,
        )
        self._tell(exchange, prepared, plan)
        token = credential_of(account).access_token
        begun = Begun(
            prepared, token, kept.generation, self._clock(), with_state=plan.form is Form.CHECKPOINT
        )
        progress.begin(account, begun)
        opening = self._upstream.opening(account, run_id, tools=bool(given.names))
        hosts = await self._upstream.hosts(account)
        try:
            channel = await self._upstream.open(hosts, opening, lane=account.handle)
        except (CursorError, OSError) as error:
            progress.refused = self.judging.refused(progress, begun, error, 0)
            return tried(progress, (hosts, opening))
        machine = RunMachine(
            prepared.blobs,
            run_id=run_id,
            tools=given.names,
            request_context=prepared.request_context,
            limits=self._limits,
            close_execs=True,
        )
        owner = RunOwner(exchange.principal, conversation.key, account.handle, _terms(exchange))
        session = RunSession(channel, machine, owner, parking=self.parking)
        self._begun[session] = begun
        response = session.start(prepared.message)
        return await self._given(exchange, progress, begun, response, (hosts, opening))

    def _tell(self, exchange: Exchange, prepared: Prepared, plan: StatePlan) -> None:
        exchange.summary |= {"run": plan.form.value, "conversation_id": prepared.conversation_id}
        if plan.dropped is not None:
            exchange.summary["checkpoint"] = f"not used: {plan.dropped.value}"
        for note in prepared.notes:
            logger.info("exchange %s: %s", exchange.id, note)
        for note in prepared.asides:
            logger.debug("exchange %s: %s", exchange.id, note)

    # --- its response ------------------------------------------------------------------------

    async def _given(
        self,
        exchange: Exchange,
        progress: Progress,
        begun: Begun,
        response: RunResponse,
        sent: tuple[Hosts, Opening] | None = None,
    ) -> Generated | Tried:
        """The response as a plan: its first output has come, or it has failed unseen."""
        assert exchange.turn is not None
        assert progress.account is not None
        writer = ResponseWriter(
            f"{exchange.id}/{len(exchange.attempts)}",
            exchange.turn.model,
            exchange.turn.body,
            self._clock(),
            begun.prepared.tools.custom,
        )
        events = ResponseEvents(response, writer, partial(self._ended, progress, begun))
        feed = Feed(self._keeping(exchange, progress, begun, events))
        try:
            await feed.opened(self._hold_seconds)
            return await answer(exchange, feed, progress.account.label)
        except ClientError:  # the client has seen nothing of it, if it wants a stream or not
            if progress.refused is None:
                raise
            return tried(progress, sent)
        except BaseException:
            await feed.aclose()
            raise

    def _ended(self, progress: Progress, begun: Begun, ending: Ending) -> ClientError | None:
        """How the response ended; of a failure, what the client is told."""
        account = progress.account
        assert account is not None
        if isinstance(ending, Failed):
            progress.refused = self.judging.refused(
                progress, begun, ending.error, ending.produced_tokens
            )
            return progress.refused.verdict.error
        if isinstance(ending, TurnEnded):
            progress.ended = ending
        if ending.late_error is not None:
            late = self.judging.refused(progress, begun, ending.late_error, 1).verdict
            if isinstance(late, NextAccount):
                self._serving.cool(account, progress.model, late)
        return None

    async def _keeping(
        self, exchange: Exchange, progress: Progress, begun: Begun, events: ResponseEvents
    ) -> AsyncIterator[Json]:
        """The events; the conversation's state is kept before the client sees the last one."""
        try:
            async for event in events:
                if event.get("type") == "response.completed":
                    await self._keep(exchange, progress, begun, event["response"])
                yield event
        finally:
            await events.aclose()

    async def _keep(
        self, exchange: Exchange, progress: Progress, begun: Begun, response: Json
    ) -> None:
        said, ended, account = progress.said, progress.ended, progress.account
        assert said is not None
        assert account is not None
        self._continued.completed(exchange, account.handle, response)
        if ended is None or ended.checkpoint is None:
            return
        history = said.history
        checkpoint = Checkpoint(
            account.handle,
            begun.generation,
            ended.checkpoint,
            begun.prepared.blobs,
            cover(extended(history, response["output"]), history.system),
            begun.started,
        )
        problem = await self._kept.keep(said.conversation.key, checkpoint)
        if problem:
            logger.info("exchange %s: the checkpoint is not kept: %s", exchange.id, problem)


def _terms(exchange: Exchange) -> str:
    """What a request must have in common with the one that began a run, to be answered by it."""
    assert exchange.turn is not None
    reasoning = exchange.turn.body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    return f"{exchange.turn.model} {effort or ''}"
