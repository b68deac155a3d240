"""Messages of an open WebSocket: the client's in the release's form, the upstream's looked at.

A connection has one account; nothing on it can be sent again. What a message says of limits and
refusals counts for the requests after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.sse import ServerEvent, event_type
from addons.providers.codex import frames, verdicts
from addons.providers.codex.catalogue import Catalogue
from addons.providers.codex.continuation import Continuation
from addons.providers.codex.ids import Mint
from addons.providers.codex.memory import Memory
from addons.providers.codex.observation import ITEM_DONE
from addons.providers.codex.planning import Caller, Planner
from addons.providers.codex.progress import Progress
from addons.providers.codex.refusals import from_event
from addons.providers.codex.resolution import resolve
from addons.providers.codex.seals import left_out, readable_body
from addons.providers.codex.shape import prefix_key
from addons.providers.codex.turns import continued, counted
from addons.providers.contract import NextAccount, Verdict

ENDS = frozenset({"response.completed", "response.incomplete"})

type Observe = Callable[[Exchange, dict[str, Any]], None]


class Sockets:
    """The messages of all connections of one provider.

    Args:
        observed: types of the upstream's messages that are looked at.
        observe: notes what such a message says of usage, limits and sealed values.
    """

    def __init__(
        self,
        planner: Planner,
        memory: Memory,
        continuation: Continuation,
        catalogue: Catalogue,
        mint: Mint,
        clock: Callable[[], float],
        *,
        observed: frozenset[str],
        observe: Observe,
    ) -> None:
        self._planner = planner
        self._memory = memory
        self._continuation = continuation
        self._catalogue = catalogue
        self._mint = mint
        self._clock = clock
        self._observed = observed
        self._observe = observe

    def client_frame(self, exchange: Exchange, text: bytes) -> bytes:
        """The client's message as it goes upstream.

        Raises:
            ClientError: it is none of the protocol, or holds what can't be sent.
        """
        progress: Progress = exchange.state
        account = progress.account
        assert account is not None
        now = self._clock()
        create = frames.parse_client(text)
        identity = resolve(
            exchange.headers,
            create.body,
            websocket=True,
            principal=exchange.principal,
            now=now,
            mint=self._mint,
            stored=self._memory.lineages,
            continued=self._continuation.scope(exchange.principal, create.previous),
        ).on_connection(progress.handshake or progress.identity)
        turns, opened = counted(create.body, progress.turns if create.previous else 0)
        if create.previous:
            identity = continued(identity, opened, progress.identity)
        body = readable_body(create.body, account.handle, self._memory.seals)
        shaped = self._planner.shape(
            body,
            identity,
            account,
            self._memory.parameters,
            self._catalogue.models,
            now,
            websocket=True,
            previous=progress.prefix if create.previous else "",
        )
        installation = self._memory.installation(account)
        caller = Caller(account, installation, self._planner.originator(exchange))
        frame = self._planner.frame(shaped, self._memory.with_state(identity, account), caller)
        progress.identity, progress.model = identity, str(create.body["model"])
        progress.shaped, progress.prefix = shaped, prefix_key(create.body)
        progress.body, progress.turns = create.body, turns
        progress.begin(now)
        progress.dropped = left_out(create.body, body)
        self._memory.remember(identity, now, progress.model, exchange.principal)
        self._continuation.prepare(exchange, progress, create.body)
        return frame

    def server_frame(self, exchange: Exchange, text: bytes) -> bytes:
        """The upstream's message as it goes to the client."""
        progress: Progress = exchange.state
        kind = event_type(ServerEvent(b"", "", text))
        if kind not in self._observed:
            progress.output = progress.output or kind not in verdicts.PREAMBLE
            return text
        event = frames.server_message(text)
        if event is None:
            return text
        now = self._clock()
        account = progress.account
        self._observe(exchange, event)
        if kind == ITEM_DONE:
            progress.output = True
            return text
        changed = progress.restore(event)
        verdict = verdicts.judge_frame(event, model=progress.model, now=now, output=progress.output)
        if account is not None:
            if verdict is not None and progress.shaped is not None:
                self._memory.unsealed(from_event(event, now), progress.shaped, account)
            if isinstance(verdict, NextAccount):
                self._memory.cool(account, progress.model, verdict, now)
            elif kind in ENDS:
                self._memory.pool.succeeded(
                    exchange.conversation, account, progress.model, now, started=progress.started
                )
                if progress.answered:
                    self._continuation.completed(exchange, progress)
        if verdict is not None and frames.with_status(event, _status(verdict)):
            changed = True
        return frames.encode(event) if changed else text


def _status(verdict: Verdict) -> int:
    error = getattr(verdict, "error", None)
    return error.status if isinstance(error, ClientError) else 400
