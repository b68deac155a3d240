"""What is known of the threads of each session; a bounded memory without clock or storage.

It is written to the store a session at a time (:meth:`Lineages.dump`), and read back at the start
(:meth:`Lineages.load`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from addons.providers.codex import continuity
from addons.providers.codex.continuity import Signature

MAX_THREADS = 64
"""Threads kept per session; the one used longest ago goes first, the root never."""

MAX_SESSION_MARKS = 64
"""Item ids kept per session, the newest; see :func:`addons.providers.codex.continuity.marks`."""


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
        state: the upstream's opaque turn state, "" for none.
        state_turn: id of the turn that it is for; "" while that has not begun (a prewarm).
        state_account: handle of the account that it was given to.
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
    state: str = ""
    state_turn: str = ""
    state_account: str = ""

    def alike(self, signature: Signature) -> bool:
        """Whether a request belongs here: same system prompt, or same first user message.

        One of the two is enough: clients change their system prompt in a running conversation
        (another agent, another day) and replace their history when they compact it.
        """
        if self.prompt == signature.prompt:
            return True
        return bool(self.opening) and self.opening == signature.opening


@dataclass(slots=True)
class _Session:
    principal: str
    threads: OrderedDict[str, Strand] = field(default_factory=OrderedDict)
    marks: dict[str, None] = field(default_factory=dict)

    @property
    def seen(self) -> float:
        return max(strand.seen for strand in self.threads.values())


@dataclass(frozen=True, slots=True)
class _Stored:
    principal: str
    threads: list[Strand]
    marks: list[str]


_STORED = TypeAdapter(_Stored)


class Lineages:
    """Threads by session id.

    Args:
        limit: sessions kept; the one used longest ago goes first.
        ttl: seconds after its last use at which a session is forgotten.

    Attributes:
        forget: called with the id of a session that is forgotten.
    """

    def __init__(self, limit: int = 10_000, ttl: float = 7 * 86_400) -> None:
        self.ttl = ttl
        self.forget: Callable[[str], None] | None = None
        self._limit = limit
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._owners: dict[str, str] = {}
        self._marks: dict[tuple[str, str], str] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._sessions

    def thread(self, session_id: str, thread_id: str) -> Strand | None:
        session = self._sessions.get(session_id)
        return session.threads.get(thread_id) if session else None

    def root(self, session_id: str) -> Strand | None:
        """The thread whose id is the session's."""
        return self.thread(session_id, session_id)

    def sides(self, session_id: str) -> Iterator[Strand]:
        """The other threads of a session, the last used one first."""
        session = self._sessions.get(session_id)
        for strand in reversed(session.threads.values()) if session else ():
            if strand.thread_id != session_id:
                yield strand

    def foreign(self, identifier: str, principal: str) -> bool:
        """Whether this is the id of another principal's session or thread."""
        return self._owners.get(identifier, principal) != principal

    def session_of(self, principal: str, items: Iterable[Any]) -> str | None:
        """The session of this principal in which one of the last items was given."""
        for mark in continuity.marks(items):
            if (found := self._marks.get((principal, mark))) is not None:
                return found
        return None

    # --- what comes in -----------------------------------------------------------------------

    def remember(self, session_id: str, strand: Strand, principal: str = "local") -> None:
        """Keep the state of a thread; an empty digest keeps the one known before."""
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = _Session(principal)
        threads = session.threads
        known = threads.get(strand.thread_id)
        if known is not None:
            strand = replace(
                strand,
                opening=strand.opening or known.opening,
                turn_key=strand.turn_key or known.turn_key,
                turn_id=strand.turn_id or known.turn_id,
                model=strand.model or known.model,
                state=known.state,
                state_turn=known.state_turn,
                state_account=known.state_account,
            )
        self._own(session, session_id, strand)
        threads.move_to_end(strand.thread_id)
        if len(threads) > MAX_THREADS:
            oldest = next(name for name in threads if name != session_id)
            del threads[oldest]
            self._owners.pop(oldest, None)
        self._sessions.move_to_end(session_id)
        self._expire(strand.seen)

    def advance(self, session_id: str, thread_id: str, window: int) -> None:
        """A compaction in that window was answered: the thread goes on in the next one."""
        known = self.thread(session_id, thread_id)
        if known is not None and known.window <= window:
            self._change(session_id, thread_id, window=window + 1)

    def given(self, session_id: str, item: Any) -> None:
        """The upstream gave this item in the session."""
        session = self._sessions.get(session_id)
        if session is None:
            return
        for mark in continuity.marks([item]):
            session.marks[mark] = None
            self._marks[session.principal, mark] = session_id
            if len(session.marks) > MAX_SESSION_MARKS:
                oldest = next(iter(session.marks))
                del session.marks[oldest]
                self._marks.pop((session.principal, oldest), None)

    # --- turn states -------------------------------------------------------------------------

    def keep_state(
        self, session_id: str, thread_id: str, turn_id: str, account: str, state: str
    ) -> None:
        """The upstream gave a turn state; the first one of a turn and account counts (§1.7)."""
        known = self.thread(session_id, thread_id)
        if known is None:
            return
        if known.state and (known.state_turn, known.state_account) == (turn_id, account):
            return
        self._change(session_id, thread_id, state=state, state_turn=turn_id, state_account=account)

    def state(self, session_id: str, thread_id: str, turn_id: str, account: str) -> str | None:
        """The turn state to send: of this turn and account, or of the prewarm before it."""
        known = self.thread(session_id, thread_id)
        if known is None or not known.state or known.state_account != account:
            return None
        if known.state_turn == turn_id:
            return known.state
        if known.state_turn or not turn_id:
            return None
        self._change(session_id, thread_id, state_turn=turn_id)
        return known.state

    # --- keeping -----------------------------------------------------------------------------

    def dump(self, session_id: str) -> Any:
        """A session, JSON-like; None for one that is forgotten."""
        session = self._sessions.get(session_id)
        if session is None:
            return None
        return {
            "principal": session.principal,
            "threads": [asdict(strand) for strand in session.threads.values()],
            "marks": list(session.marks),
        }

    def load(self, session_id: str, data: Any) -> None:
        """Put back what :meth:`dump` gave; to be called for the one used longest ago first.

        Raises:
            ValueError: ``data`` is not of that form; nothing is changed then.
        """
        try:
            stored = _STORED.validate_python(data)
        except ValidationError as error:
            raise ValueError(f"a stored session is malformed: {error.errors()[0]['msg']}") from None
        if not stored.threads:
            return
        self._drop(session_id)
        session = self._sessions[session_id] = _Session(stored.principal)
        for strand in stored.threads[-MAX_THREADS:]:
            self._own(session, session_id, strand)
        for mark in stored.marks[-MAX_SESSION_MARKS:]:
            session.marks[mark] = None
            self._marks[session.principal, mark] = session_id
        self._expire(session.seen)

    # --- parts -------------------------------------------------------------------------------

    def _own(self, session: _Session, session_id: str, strand: Strand) -> None:
        session.threads[strand.thread_id] = strand
        for identifier in (session_id, strand.thread_id):
            self._owners.setdefault(identifier, session.principal)

    def _change(self, session_id: str, thread_id: str, **members: Any) -> None:
        threads = self._sessions[session_id].threads
        threads[thread_id] = replace(threads[thread_id], **members)

    def _drop(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        for identifier in (session_id, *session.threads):
            self._owners.pop(identifier, None)
        for mark in session.marks:
            self._marks.pop((session.principal, mark), None)

    def _expire(self, now: float) -> None:
        while self._sessions:
            oldest = next(iter(self._sessions))
            if len(self._sessions) <= self._limit and now - self._sessions[oldest].seen <= self.ttl:
                return
            self._drop(oldest)
            if self.forget is not None:
                self.forget(oldest)
