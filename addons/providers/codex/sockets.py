"""Messages of an open WebSocket: the client's in the release's form, the upstream's looked at.

A connection has one account; nothing on it can be sent again. What a message says of limits and
refusals counts for the requests after it. Where another account can serve, the client is made to
connect again, in the way that its official form does by itself: it is told that the connection has
reached its limit, upon which it sends its whole input on a new one (codex-wire.md §3). The same is
done where the account itself is worth another try.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from addons.accounts.model import Account
from addons.errors import ClientError
from addons.exchange import Exchange
from addons.front.sse import ServerEvent, event_type
from addons.providers.codex import frames, verdicts
from addons.providers.codex.catalogue import Catalogue
from addons.providers.codex.continuation import Continuation
from addons.providers.codex.identity import Identity
from addons.providers.codex.ids import Mint
from addons.providers.codex.memory import Memory
from addons.providers.codex.observation import ITEM_DONE
from addons.providers.codex.planning import Caller, Planner, named_model
from addons.providers.codex.progress import Progress
from addons.providers.codex.refusals import from_event
from addons.providers.codex.resolution import resolve
from addons.providers.codex.seals import left_out, readable_body
from addons.providers.codex.shape import prefix_key
from addons.providers.codex.turns import continued, counted
from addons.providers.contract import NextAccount, RefreshCredentials, SameAccount, Verdict

RECONNECT: Final = "websocket_connection_limit_reached"

TROUBLE: Final = 60.0
"""Seconds for which trouble of the server with a conversation is remembered: the first time, the
client connects again to the same account."""

TROUBLES: Final = 1000
"""Conversations, or callers, of which something is remembered."""

MOVING: Final = 10.0
"""Seconds within which a client that was told to has connected again."""

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
        self._troubles: OrderedDict[str, float] = OrderedDict()
        self._moving: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """Model of a caller who was told to connect again, and when."""

    def model_of(self, exchange: Exchange, identity: Identity, now: float) -> str:
        """The model that a connection is probably for; most handshakes name none."""
        model = named_model(exchange, identity)
        if model:
            return model
        # The client would take the upstream's word on the model for a change of it.
        exchange.hidden_headers.add("openai-model")
        known = self._memory.lineages.thread(identity.session_id, identity.thread_id)
        if known is not None and known.model:
            return known.model
        moving, at = self._moving.get(exchange.principal, ("", 0.0))
        if now - at < MOVING:
            return moving
        return self._planner.likely_model(self._catalogue.models)

    def client_frame(self, exchange: Exchange, text: bytes) -> bytes:
        """The client's message as it goes upstream.

        Raises:
            ClientError: it is none of the protocol, or holds what can't be sent, or another
                account is to answer it.
        """
        progress: Progress = exchange.state
        account = progress.account
        assert account is not None
        now = self._clock()
        create = frames.parse_client(text)
        model = str(create.body["model"])
        if self._memory.pool.should_move(account, model, now):
            raise self._reconnect(exchange, model, now)
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
        exchange.summary["model"] = progress.model
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
        verdict = verdicts.judge_event(
            event,
            model=progress.model,
            now=now,
            retried=self._troubled(exchange.conversation, now),
            output=progress.output,
            known=account.quota if account is not None else None,
            rules=self._memory.rules,
        )
        if account is not None:
            if verdict is not None and progress.shaped is not None:
                self._memory.unsealed(from_event(event, now), progress.shaped, account)
            self._memory.refused(account, progress, verdict)
            if isinstance(verdict, SameAccount):
                self._trouble(exchange.conversation, now)
            if not progress.output:
                instead = self._instead(exchange, account, progress, verdict, now)
                if instead is not None:
                    return frames.error_message(instead)
            if kind in ENDS:
                self._memory.pool.succeeded(
                    exchange.conversation, account, progress.model, now, started=progress.started
                )
                if progress.answered:
                    self._continuation.completed(exchange, progress)
        if verdict is not None and frames.with_status(event, _status(verdict)):
            changed = True
        return frames.encode(event) if changed else text

    def _instead(
        self,
        exchange: Exchange,
        account: Account,
        progress: Progress,
        verdict: Verdict | None,
        now: float,
    ) -> ClientError | None:
        """What the client is told in the place of a refusal before output; None: the refusal."""
        pool, model = self._memory.pool, progress.model
        if isinstance(verdict, RefreshCredentials | SameAccount):
            # It begins with a refresh perhaps.
            return self._reconnect(exchange, model, now, verdict.error)
        if not isinstance(verdict, NextAccount):
            return None
        if pool.should_move(account, model, now):
            return self._reconnect(exchange, model, now, verdict.error)
        found = pool.refusal(model, now)
        if found is None:
            return None
        pool.absolve(model, found)
        return (
            found.client_error(model, now, last=verdict.error) if len(found.reasons) > 1 else None
        )

    def _reconnect(
        self, exchange: Exchange, model: str, now: float, refused: ClientError | None = None
    ) -> ClientError:
        """What makes the official client connect again.

        Args:
            refused: what the upstream said; a client that knows no such code shows the message.
        """
        _note(self._moving, exchange.principal, (model, now))
        said = f"{refused.message} " if refused is not None else ""
        return ClientError(
            400,
            RECONNECT,
            f"{said}This conversation goes on elsewhere (exchange {exchange.id}): connect again, "
            "and send the whole input.",
        )

    def _troubled(self, conversation: str, now: float) -> bool:
        at = self._troubles.get(conversation)
        return at is not None and now - at < TROUBLE

    def _trouble(self, conversation: str, now: float) -> None:
        _note(self._troubles, conversation, now)


def _note[T](notes: OrderedDict[str, T], key: str, value: T) -> None:
    notes[key] = value
    notes.move_to_end(key)
    while len(notes) > TROUBLES:
        notes.popitem(last=False)


def _status(verdict: Verdict) -> int:
    error = getattr(verdict, "error", None)
    return error.status if isinstance(error, ClientError) else 400
