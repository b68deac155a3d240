"""Who a request says it is: all its surfaces and all that is remembered, resolved once. Pure.

Chain of every field: the caller's own value in the official form (:mod:`.surfaces`), else the
response that it continues (:class:`Scope`), else what is remembered of the thread
(:mod:`.lineage`), else derived (:mod:`.continuity`), else minted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from addons.front.keys import LOCAL
from addons.providers.codex import continuity, ids
from addons.providers.codex.identity import Identity
from addons.providers.codex.items import turn_id
from addons.providers.codex.lineage import Lineages, Strand
from addons.providers.codex.surfaces import (
    INSTALLATION,
    ORIGINATOR,
    PARENT_THREAD,
    SUBAGENT,
    WINDOW,
    Surfaces,
)

type Json = dict[str, Any]

_CANONICAL = re.compile(r"0|[1-9][0-9]{0,14}")
"""A window number: decimal without leading zeros, exact in every JSON reader."""

_LABEL = re.compile(r"[!-~]{1,64}")
"""A kind of sub-agent; it goes into a header."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an earlier response was made, which the request continues.

    Attributes:
        window: the window number of what follows it; a fork has one of its own.
    """

    session_id: str
    thread_id: str
    window: int


def resolve(
    headers: Sequence[tuple[bytes, bytes]],
    body: Json,
    *,
    websocket: bool,
    principal: str,
    now: float,
    mint: Callable[[], str],
    stored: Lineages | None = None,
    continued: Scope | None = None,
) -> Identity:
    """The identity of one model request.

    Args:
        headers: the client's own; on a WebSocket those of the handshake.
        body: the neutral Responses body or ``response.create`` message; ``{}`` for a handshake.
        principal: scopes all derived ids: two principals with equal words never meet.
        now: unix seconds.
        mint: makes a UUIDv7.
        stored: what is known of earlier requests; only read. The caller remembers
            :meth:`Identity.strand` when the request goes out.
        continued: of the response that the request continues.
    """
    surfaces = Surfaces(headers, body, websocket=websocket)
    known = stored if stored is not None else Lineages()
    return _Resolver(surfaces, body, principal, mint, known, continued).resolve(now)


class _Resolver:
    def __init__(
        self,
        surfaces: Surfaces,
        body: Json,
        principal: str,
        mint: Callable[[], str],
        stored: Lineages,
        continued: Scope | None,
    ) -> None:
        self.surfaces = surfaces
        self.body = body
        self.principal = principal
        self.mint = mint
        self.stored = stored
        self.continued = continued
        self.sources: dict[str, str] = {}
        self.taken = False
        self.signature = continuity.signature(body)
        self.signals = list(continuity.signals(surfaces.headers, body, surfaces.client_metadata))
        self.shared = any(signal.session for signal in self.signals)

    def resolve(self, now: float) -> Identity:
        kind = self._request_kind()
        official = self._official(
            "session_id",
            headers=("session-id", "session_id", "conversation_id"),
            member="session_id",
            key="session_id",
        )
        if official is None:
            session = self._session()
        else:
            self.sources["conversation"] = self.sources["session_id"]
            session = self._own(official)
        # Old official releases name no thread: they have one in each session.
        old = official is not None and ORIGINATOR in self.surfaces.headers
        thread = self._thread(session, only=old)
        known = self.stored.thread(session, thread)
        turn, started = self._turn(kind, thread, known, now)
        window = self._window(session, thread, known)
        return Identity(
            session_id=session,
            thread_id=thread,
            client_request_id=self._client_request(thread, official is not None),
            window_number=window,
            context_window_id=self._official("context_window_id", key="context_window_id")
            or ids.derived("window", thread, str(window)),
            turn_id=turn,
            turn_started_ms=started,
            installation_id=self._installation(),
            parent_thread_id=self._parent_thread(session, thread),
            parent_turn_id=self._turn_reference("parent_turn_id"),
            root_turn_id=self._turn_reference("root_turn_id")
            or (self._root_turn(session, thread, turn) if turn else None),
            subagent=self._subagent(),
            request_kind=kind,
            cache_key=self._cache_key(),
            turn_state=self.surfaces.turn_state(),
            metadata=self.surfaces.extra_metadata(),
            client_metadata=self.surfaces.extra_client_metadata(),
            originator=self.surfaces.headers.get("originator", ""),
            signature=self.signature,
            sources=self.sources,
            notes=tuple(dict.fromkeys(self.surfaces.notes)),
        )

    def _official(
        self,
        name: str,
        *,
        headers: Sequence[str] = (),
        member: str = "",
        key: str = "",
        handshake: bool = True,
    ) -> str | None:
        """The first value in the official form; its surface is noted as the source of ``name``."""
        for source, value in self.surfaces.values(
            headers=headers, member=member, key=key, handshake=handshake
        ):
            if (found := ids.official(value)) is not None:
                self.sources[name] = source
                return self._mapped(found) if self.taken else found
        return None

    def _own(self, session: str) -> str:
        """The caller's own session, unless it is another principal's: then one of its own.

        All other ids of such a request are mapped as well, for they are copies too.
        """
        if self.stored.foreign(session, self.principal):
            self.taken = True
            return self._mapped(session)
        return session

    def _mapped(self, value: str) -> str:
        """A caller's word in the official form; equal words give equal ids in every field."""
        official = ids.official(value)
        if official is None or self.taken or self.stored.foreign(official, self.principal):
            return ids.derived("caller", self.principal, official or value)
        return official

    def _session(self) -> str:
        """The session of a caller that names none in the official form."""
        for signal in self.signals:
            self.sources["conversation"] = signal.source
            self.sources["session_id"] = f"derived from {signal.source}"
            return self._mapped(signal.value)
        if self.continued is not None:
            self.sources["conversation"] = "previous response"
            self.sources["session_id"] = "known by its previous response"
            return self.continued.session_id
        items = self.body.get("input")
        known = self.stored.session_of(self.principal, items) if isinstance(items, list) else None
        if known is not None:
            self.shared = True
            self.sources["conversation"] = "lineage"
            self.sources["session_id"] = "known by its lineage"
            return known
        key = continuity.content_key(self.body)
        if key is not None:
            self.sources["conversation"] = "content"
            self.sources["session_id"] = "derived from the content"
            return ids.derived("content", self.principal, key)
        # Nothing to tell conversations apart by. The account follows the caller, then chance.
        self.sources["conversation"] = "account" if self.principal == LOCAL else "principal"
        self.sources["session_id"] = "minted"
        return self.mint()

    def _thread(self, session: str, *, only: bool) -> str:
        """``only``: the session has no other thread than its own, unless the caller names one."""
        for source, value in self.surfaces.values(
            headers=("thread-id",), member="thread_id", key="thread_id"
        ):
            self.sources["thread_id"] = source
            return self._mapped(value)
        if self.continued is not None and self.continued.session_id == session:
            self.sources["thread_id"] = "previous response"
            return self.continued.thread_id
        if only or not self._side(session):
            self.sources["thread_id"] = "session"
            return session
        for strand in self.stored.sides(session):
            if strand.alike(self.signature):
                self.sources["thread_id"] = "known side thread"
                return strand.thread_id
        self.sources["thread_id"] = "derived from session and system prompt"
        return ids.derived("side", self.principal, session, self.signature.prompt)

    def _side(self, session: str) -> bool:
        """Whether this is a side request of the session, such as OpenCode's title request.

        The two run at the same time, so the first one seen need not be the main one. Without
        anything remembered, a request with a system prompt of its own and without tools is the
        side one: this gives the same answer after a restart and in either order.
        """
        if not self.shared or not self.body.get("input"):
            return False  # no session that others could share, or a prewarm
        root = self.stored.root(session)
        if root is not None and (root.prompt or root.opening):
            return not root.alike(self.signature)
        return bool(self.signature.prompt) and not self.signature.tools

    def _parent_thread(self, session: str, thread: str) -> str | None:
        found = self._official(
            "parent_thread_id",
            headers=(PARENT_THREAD,),
            member=PARENT_THREAD,
            key="parent_thread_id",
        )
        if found is None and thread != session:
            self.sources["parent_thread_id"] = "session"
            return session
        return found

    def _subagent(self) -> str | None:
        for source, value in self.surfaces.values(headers=(SUBAGENT,), member=SUBAGENT):
            if _LABEL.fullmatch(value):
                return value
            self.surfaces.notes.append(f"{source} is not a word of plain letters; ignored")
        return None

    def _client_request(self, thread: str, official: bool) -> str:
        # Other clients put the random id of one request here; only an official caller's counts.
        if official:
            found = self._official("client_request_id", headers=("x-client-request-id",))
            if found is not None:
                return found
        self.sources["client_request_id"] = "thread"
        return thread

    def _request_kind(self) -> str:
        if self.body.get("generate") is False:
            return "prewarm"
        items = self.body.get("input")
        last = items[-1] if isinstance(items, list) and items else None
        if isinstance(last, dict) and last.get("type") == "compaction_trigger":
            return "compaction"
        for _, value in self.surfaces.values(key="request_kind", handshake=False):
            return value
        return "turn"

    def _turn(self, kind: str, thread: str, known: Strand | None, now: float) -> tuple[str, int]:
        """Turn id and its start in unix milliseconds."""
        said = self.surfaces.turn_started_ms()
        started = said if said is not None else int(now * 1000)
        found = self._turn_reference("turn_id")
        if found is not None:
            if said is None and known is not None and known.turn_id == found:
                started = known.turn_started_ms
            return found, started
        if kind == "prewarm":
            self.sources["turn_id"] = "prewarm"
            return "", started
        if known is not None and known.turn_id and known.turn_key == self.signature.turn:
            self.sources["turn_id"] = "known turn"
            return known.turn_id, known.turn_started_ms if said is None else said
        if self.signature.opener:
            # The items of the turn say the same (:func:`.items.turn_ids`).
            self.sources["turn_id"] = "derived from the turn's first message"
            return turn_id(thread, self.signature.opener), started
        self.sources["turn_id"] = "minted"
        return self.mint(), started

    def _turn_reference(self, name: str) -> str | None:
        return self._official(name, member=name, key=name, handshake=False)

    def _root_turn(self, session: str, thread: str, turn: str) -> str:
        """The turn of the session's own thread in which another thread's request is made.

        Before anything of that thread was seen, the request is a root of its own, as the title
        request of 0.169.0 is (recorded).
        """
        root = self.stored.root(session) if thread != session else None
        return root.turn_id if root is not None and root.turn_id else turn

    def _window(self, session: str, thread: str, known: Strand | None) -> int:
        for source, value in self.surfaces.values(
            headers=(WINDOW,), member=WINDOW, key="window_id"
        ):
            number = _CANONICAL.fullmatch(value.rpartition(":")[2])
            if number is not None:
                self.sources["window_number"] = source
                return int(number[0])
            self.surfaces.notes.append(f"{source} does not end in ':' and a number; ignored")
        scope = self.continued
        if scope is not None and (scope.session_id, scope.thread_id) == (session, thread):
            self.sources["window_number"] = "previous response"
            return scope.window
        if known is not None:
            self.sources["window_number"] = "known thread"
            return known.window
        self.sources["window_number"] = "first window"
        return 0

    def _installation(self) -> str | None:
        for source, value in self.surfaces.values(
            headers=(INSTALLATION,), member=INSTALLATION, key="installation_id"
        ):
            if (found := ids.official_installation(value)) is not None:
                self.sources["installation_id"] = source
                return found
            self.surfaces.notes.append(f"{source} is not a UUIDv4; ignored")
        self.sources["installation_id"] = "account"
        return None

    def _cache_key(self) -> str | None:
        value = self.body.get("prompt_cache_key")
        if not isinstance(value, str) or not value.strip():
            return None
        if not ids.usable(value.strip()):
            self.surfaces.notes.append(
                "prompt_cache_key is not 1 to 256 printable characters; ignored"
            )
            return None
        return self._mapped(value.strip())
