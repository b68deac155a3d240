"""What outlives an exchange: sessions, conversations and responses that can be continued.

In memory at once, in the store a moment later, and only after success. What is attached to a
response is this provider's own: in which session, thread and window it was made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from addons.accounts.affinity import Binding
from addons.accounts.pool import Pool
from addons.exchange import Exchange
from addons.providers.codex import ids
from addons.providers.codex.endpoints import sign_in_of
from addons.providers.codex.identity import Identity
from addons.providers.codex.lineage import Lineages
from addons.providers.codex.progress import Progress
from addons.providers.codex.resolution import Scope
from addons.sessions.conversations import Conversations
from addons.sessions.responses import Limits, Pending, ResponseLog
from addons.sessions.snapshots import JsonObject, Snapshot, checked_metadata
from addons.settings import Settings
from addons.store.contract import MAX_SCAN, Store
from addons.store.write_behind import WriteBehind

logger = logging.getLogger(__name__)

PROVIDER: Final = "codex"
SESSIONS: Final = "codex.sessions"
PREVIOUS: Final = "previous_response_id"

_CHAINED = frozenset({"responses", "compaction"})
"""Client protocols whose callers can name a response that they continue."""


class Continuation:
    """One per provider.

    Attributes:
        responses: that can be continued.
        conversations: what happened to each.
    """

    def __init__(
        self,
        store: Store | None,
        limits: Limits,
        clock: Callable[[], float],
        *,
        lineages: Lineages,
        pool: Pool,
    ) -> None:
        self._store = store
        self._behind = WriteBehind(store)
        self._lineages = lineages
        self._pool = pool
        self.responses = ResponseLog(store, self._behind, limits, clock)
        self.conversations = Conversations(store, self._behind, clock)
        lineages.forget = lambda session_id: self._behind.delete(SESSIONS, session_id)

    async def load(self) -> None:
        """Fetch what the store has kept: conversations stay with their accounts."""
        await self._load_sessions()
        await self.conversations.load()
        for key, known in self.conversations:
            self._pool.affinity.restore(Binding(key, known.account, known.started, known.used))
        await self.responses.load()

    async def _load_sessions(self) -> None:
        if self._store is None:
            return
        found: list[tuple[str, Any]] = []
        after = ""
        while records := await self._store.scan(SESSIONS, after=after):
            after = records[-1].key
            found += [(each.key, each.value) for each in records if each.value is not None]
            if len(records) < MAX_SCAN:
                break
        for session_id, value in sorted(found, key=lambda each: _seen(each[1])):
            try:
                self._lineages.load(session_id, value)
            except ValueError as error:  # of another version, say
                logger.warning("%s; it is forgotten", error)

    async def close(self) -> None:
        """Write what waits."""
        await self._behind.close()

    # --- continuing --------------------------------------------------------------------------

    def scope(self, principal: str, response_id: Any) -> Scope | None:
        """Where a response was made; a second request that continues it begins a new window."""
        snapshot = self.responses.find(principal, response_id)
        return None if snapshot is None else scope_of(snapshot)

    async def whole(self, principal: str, body: JsonObject) -> JsonObject:
        """A body with the kept history in the place of the response that it continues.

        Raises:
            BadRequest: there is no such history.
        """
        history = await self.responses.history(principal, str(body[PREVIOUS]))
        given = body.get("input")
        if isinstance(given, str):
            given = [{"role": "user", "content": given}]
        whole = {name: value for name, value in body.items() if name != PREVIOUS}
        whole["input"] = [*history, *(given if isinstance(given, list) else ())]
        return whole

    # --- keeping -----------------------------------------------------------------------------

    def prepare(self, exchange: Exchange, progress: Progress, body: JsonObject) -> None:
        """Note what is to be kept of the answer under way, once it is complete.

        Args:
            body: the caller's own.
        """
        identity, account = progress.identity, progress.account
        assert account is not None
        parent = body.get(PREVIOUS)
        parent = parent if isinstance(parent, str) else ""
        compaction = identity.request_kind == "compaction"
        given = [] if compaction else body.get("input")
        keep = (
            exchange.protocol.name in _CHAINED
            and body.get("store") is not False
            and sign_in_of(account) == "chatgpt"
            and isinstance(given, list)
        )
        before = self.responses.find(exchange.principal, parent)
        progress.pending = Pending(
            exchange.principal,
            exchange.conversation,
            account.handle,
            items=given if keep else None,
            parent=parent,
            base=compaction or not parent,
            metadata=checked_metadata(PROVIDER, _attached(identity)),
            parent_metadata={} if before is None else _parent(before, identity),
        )

    def completed(self, exchange: Exchange, progress: Progress) -> None:
        """The response is complete, and its pending notes are no longer that."""
        identity, account, pending = progress.identity, progress.account, progress.pending
        progress.pending = None
        if account is None or pending is None:
            return
        self.responses.commit(pending, progress.answered, progress.output_items)
        session, thread = identity.session_id, identity.thread_id
        if identity.request_kind == "compaction":
            self._lineages.advance(session, thread, identity.window_number)
        for item in progress.output_items:
            self._lineages.given(session, item)
        self._behind.put(
            SESSIONS, session, lambda: self._lineages.dump(session), ttl=self._lineages.ttl
        )
        if not exchange.conversation:
            return
        usage = exchange.usage
        event = self.conversations.answered(
            exchange.conversation,
            account.handle,
            account.label,
            started=progress.started,
            input_tokens=usage.input_tokens if usage else None,
            cached_tokens=usage.cached_tokens if usage else None,
            dropped=progress.dropped,
        )
        if event is not None:
            cost = "unknown" if event.cost is None else str(event.cost)
            logger.info(
                "conversation %s went from account %s to %s; cached tokens lost: %s",
                session,
                event.before,
                event.after,
                cost,
            )
            exchange.summary["account_change"] = {
                "before": event.before,
                "dropped": list(event.dropped),
                **({} if event.cost is None else {"cached_tokens_lost": event.cost}),
            }


def scope_of(snapshot: Snapshot) -> Scope | None:
    """What this provider attached to a response; None where that is not of its form.

    The window of what follows: a response that has been continued already has a fork now, which
    takes the next generation that no other fork of it has (codex-wire.md §6.3).
    """
    held = snapshot.metadata.get(PROVIDER, {})
    session, thread = held.get("session"), held.get("thread")
    window, following = held.get("window"), held.get("next_window", 0)
    if not isinstance(session, str) or not isinstance(thread, str):
        return None
    if ids.official(session) != session or ids.official(thread) != thread:
        return None
    if not isinstance(window, int) or not isinstance(following, int) or window < 0:
        return None
    return Scope(session, thread, max(window + 1, following) if snapshot.child else window)


def _attached(identity: Identity) -> JsonObject:
    window = identity.window_number + (identity.request_kind == "compaction")
    return {"session": identity.session_id, "thread": identity.thread_id, "window": window}


def _parent(before: Snapshot, identity: Identity) -> dict[str, JsonObject]:
    held = before.metadata.get(PROVIDER, {})
    known = held.get("next_window", 0)
    following = max(known if isinstance(known, int) else 0, identity.window_number + 1)
    return dict(checked_metadata(PROVIDER, {**held, "next_window": following}))


def _seen(value: Any) -> float:
    """Unix seconds of a stored session's last use; 0 for one that is malformed."""
    try:
        return max(float(strand["seen"]) for strand in value["threads"])
    except (TypeError, KeyError, ValueError):
        return 0.0


def limits_of(settings: Settings) -> Limits:
    """What the user lets floway keep."""
    return Limits(
        seconds=settings.response_days * 86_400.0,
        item_bytes=int(settings.response_bytes),
        continue_bytes=int(settings.continue_bytes),
    )
