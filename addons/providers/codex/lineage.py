"""What is known of the threads of each session; a bounded memory without clock or storage.

The issue after this one keeps it in the store; :meth:`Lineages.dump` and :meth:`Lineages.load` are
its seam.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from addons.providers.codex.continuity import Signature

MAX_THREADS = 64
"""Threads kept per session; the one used longest ago goes first, the root never."""


@dataclass(frozen=True, slots=True)
class Strand:
    """The last known state of one thread.

    Attributes:
        prompt, opening, turn_key: see :class:`~.continuity.Signature`.
        turn_id: of the turn ``turn_key``.
        turn_started_ms: unix milliseconds.
        window: context-window number, one more per compaction.
        seen: unix seconds.
        model: of the thread's last request, as the caller named it.
    """

    thread_id: str
    prompt: str
    opening: str
    turn_key: str
    turn_id: str
    turn_started_ms: int
    window: int
    seen: float
    model: str = ""

    def alike(self, signature: Signature) -> bool:
        """Whether a request belongs here: same system prompt, or same first user message.

        One of the two is enough: clients change their system prompt in a running conversation
        (another agent, another day) and replace their history when they compact it.
        """
        if self.prompt == signature.prompt:
            return True
        return bool(self.opening) and self.opening == signature.opening


_STORED = TypeAdapter(dict[str, list[Strand]])


class Lineages:
    """Threads by session id.

    Args:
        limit: sessions kept; the one used longest ago goes first.
        ttl: seconds after its last use at which a session is forgotten.
    """

    def __init__(self, limit: int = 10_000, ttl: float = 7 * 86_400) -> None:
        self._limit = limit
        self._ttl = ttl
        self._sessions: OrderedDict[str, OrderedDict[str, Strand]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def thread(self, session_id: str, thread_id: str) -> Strand | None:
        threads = self._sessions.get(session_id)
        return threads.get(thread_id) if threads else None

    def root(self, session_id: str) -> Strand | None:
        """The thread whose id is the session's."""
        return self.thread(session_id, session_id)

    def sides(self, session_id: str) -> Iterator[Strand]:
        """The other threads of a session, the last used one first."""
        for strand in reversed(self._sessions.get(session_id, OrderedDict()).values()):
            if strand.thread_id != session_id:
                yield strand

    def remember(self, session_id: str, strand: Strand) -> None:
        """Keep the state of a thread; an empty digest keeps the one known before."""
        threads = self._sessions.setdefault(session_id, OrderedDict())
        known = threads.get(strand.thread_id)
        if known is not None:
            strand = replace(
                strand,
                opening=strand.opening or known.opening,
                turn_key=strand.turn_key or known.turn_key,
                turn_id=strand.turn_id or known.turn_id,
                model=strand.model or known.model,
            )
        threads[strand.thread_id] = strand
        threads.move_to_end(strand.thread_id)
        if len(threads) > MAX_THREADS:
            oldest = next(name for name in threads if name != session_id)
            del threads[oldest]
        self._sessions.move_to_end(session_id)
        self._expire(strand.seen)

    def dump(self) -> Any:
        """JSON-like; sessions in the order of their last use."""
        return {
            session_id: [asdict(strand) for strand in threads.values()]
            for session_id, threads in self._sessions.items()
        }

    def load(self, data: Any) -> None:
        """Put back what :meth:`dump` gave.

        Raises:
            ValueError: ``data`` is not of that form; nothing is changed then.
        """
        try:
            rows = _STORED.validate_python(data)
        except ValidationError as error:
            raise ValueError(f"stored lineages are malformed: {error.errors()[0]['msg']}") from None
        self._sessions = OrderedDict(
            (session_id, OrderedDict((strand.thread_id, strand) for strand in strands))
            for session_id, strands in rows.items()
            if strands
        )

    def _expire(self, now: float) -> None:
        while self._sessions:
            oldest = next(iter(self._sessions))
            last = max(strand.seen for strand in self._sessions[oldest].values())
            if len(self._sessions) <= self._limit and now - last <= self._ttl:
                return
            del self._sessions[oldest]
