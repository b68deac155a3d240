"""What happened to each conversation: which account it is with, and when that changed.

Small and bounded; in memory, and written behind. What a change of account cost is told in tokens
that the account before would have read from its prompt cache.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from addons.store.contract import MAX_SCAN, Store
from addons.store.write_behind import WriteBehind

logger = logging.getLogger(__name__)

NAMESPACE: Final = "conversations"
MAX_EVENTS: Final = 32
"""Events kept per conversation, the newest."""

ACCOUNT_CHANGED: Final = "account_changed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a conversation.

    Attributes:
        at: unix seconds.
        kind: :data:`ACCOUNT_CHANGED`.
        before, after: labels of the accounts.
        dropped: what the account after could not be sent, in words.
        cost: tokens that would have been cached with the account before, and were not; None: not
            known.
    """

    at: float
    kind: str
    before: str = ""
    after: str = ""
    dropped: tuple[str, ...] = ()
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """The last known state of one conversation.

    Attributes:
        account: opaque handle of the account that answered last.
        label: of that account.
        started: unix seconds at which that attempt began.
        used: unix seconds of the answer.
        input_tokens: of the last answered request; None: not known.
        events: oldest first.
    """

    account: str
    label: str
    started: float
    used: float
    input_tokens: int | None = None
    events: tuple[Event, ...] = ()


_STORED = TypeAdapter(Conversation)


class Conversations:
    """All conversations of one provider.

    Args:
        clock: unix seconds.
        limit: conversations; the one used longest ago goes first.
        ttl: seconds without use after which one is forgotten.
    """

    def __init__(
        self,
        store: Store | None,
        behind: WriteBehind,
        clock: Callable[[], float],
        *,
        limit: int = 10_000,
        ttl: float = 7 * 86_400.0,
    ) -> None:
        self._store = store
        self._behind = behind
        self._clock = clock
        self._limit = limit
        self._ttl = ttl
        self._known: OrderedDict[str, Conversation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[tuple[str, Conversation]]:
        """Key and state, the one used longest ago first."""
        return iter(list(self._known.items()))

    def get(self, key: str) -> Conversation | None:
        return self._known.get(key)

    async def load(self) -> None:
        """Fetch what the store has kept."""
        if self._store is None:
            return
        found: list[tuple[str, Conversation]] = []
        after = ""
        while records := await self._store.scan(NAMESPACE, after=after):
            after = records[-1].key
            for record in records:
                try:
                    found.append((record.key, _STORED.validate_python(record.value)))
                except ValidationError:  # of another version, say
                    logger.warning("a kept conversation is malformed; it is forgotten")
            if len(records) < MAX_SCAN:
                break
        for key, conversation in sorted(found, key=lambda each: each[1].used):
            self._put(key, conversation)

    def answered(
        self,
        key: str,
        account: str,
        label: str,
        *,
        started: float,
        input_tokens: int | None = None,
        cached_tokens: int | None = None,
        dropped: Sequence[str] = (),
    ) -> Event | None:
        """A request of the conversation was answered; the change of account, where it was one.

        An answer that comes later than that of a newer attempt changes nothing.
        """
        now, known = self._clock(), self._known.get(key)
        if known is not None and known.started > started:
            return None
        event = None
        if known is not None and known.account != account:
            cost = None
            if known.input_tokens is not None and cached_tokens is not None:
                cost = max(0, known.input_tokens - cached_tokens)
            event = Event(now, ACCOUNT_CHANGED, known.label, label, tuple(dropped), cost)
        events = known.events if known is not None else ()
        if event is not None:
            events = (*events, event)[-MAX_EVENTS:]
        if input_tokens is None and known is not None:
            input_tokens = known.input_tokens
        self._put(key, Conversation(account, label, started, now, input_tokens, events))
        self._behind.put(NAMESPACE, key, lambda: self._dumped(key), ttl=self._ttl)
        return event

    def _put(self, key: str, conversation: Conversation) -> None:
        self._known[key] = conversation
        self._known.move_to_end(key)
        while len(self._known) > self._limit:
            oldest, _ = self._known.popitem(last=False)
            self._behind.delete(NAMESPACE, oldest)

    def _dumped(self, key: str) -> dict[str, Any]:
        known = self._known.get(key)
        return {} if known is None else asdict(known)
