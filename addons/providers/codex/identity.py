"""Who a request is, projected everywhere (:mod:`.projection`). Pure; see :mod:`.resolution`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from addons.providers.codex.continuity import Signature
from addons.providers.codex.items import turn_id
from addons.providers.codex.lineage import Strand


@dataclass(frozen=True, slots=True)
class Identity:
    """The ids of one request, all of the official form.

    Attributes:
        session_id: of the root conversation; shared by its sub-agents and side requests.
        thread_id: equals ``session_id`` for the root thread.
        client_request_id: the thread's id unless an official caller gave another one; it is not
            a request id (codex-wire.md §9 no. 3).
        window_number: one more per compaction; see :attr:`window_id`.
        turn_id: "" on a prewarm.
        turn_started_ms: unix milliseconds.
        installation_id: the caller's; None: the account's is to be used.
        parent_thread_id: of sub-agents and side requests.
        subagent: ``review``, ``collab_spawn``, … as the caller said it.
        request_kind: ``turn``, ``prewarm``, ``compaction``, ``memory``.
        cache_key: the caller's cache key in the official form; None: as the profile says.
        turn_state: the caller's opaque turn state, never minted.
        metadata: the caller's turn-metadata members that are not identity.
        client_metadata: the caller's ``client_metadata`` members that are not identity.
        originator: the client that the caller says it is, "" when it does not.
        signature: recognises the thread in later requests.
        sources: field -> where it came from, for the log and the debugger.
        notes: what was ignored and why, one sentence each.
    """

    session_id: str
    thread_id: str
    client_request_id: str
    window_number: int
    context_window_id: str
    turn_id: str
    turn_started_ms: int
    installation_id: str | None = None
    parent_thread_id: str | None = None
    parent_turn_id: str | None = None
    root_turn_id: str | None = None
    subagent: str | None = None
    request_kind: str = "turn"
    cache_key: str | None = None
    turn_state: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    client_metadata: Mapping[str, str] = field(default_factory=dict)
    originator: str = ""
    signature: Signature = field(default_factory=Signature)
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def window_id(self) -> str:
        return f"{self.thread_id}:{self.window_number}"

    @property
    def root(self) -> bool:
        """Whether this is the session's own thread."""
        return self.thread_id == self.session_id

    def conversation(self, principal: str) -> str:
        """Key of the conversation, for accounts and records of floway's own; never sent.

        Where nothing tells conversations apart, all of a principal's are one; "" where nothing
        tells principals apart either.
        """
        match self.sources.get("conversation"):
            case "principal":
                return f"{principal}:principal"
            case "account":
                return ""
        return f"{principal}:{self.session_id}"

    def on_connection(self, handshake: Identity) -> Identity:
        """The identity of a WebSocket message, where its caller names no session itself.

        All messages of a connection are of the thread that its handshake named (recorded from
        0.169.0), and the handshake is gone when the first message comes.
        """
        if not self.sources.get("session_id", "").startswith(("derived", "known", "minted")):
            return self
        turn = self.turn_id
        if self.sources.get("turn_id", "").startswith("derived"):
            turn = turn_id(handshake.thread_id, self.signature.opener)
        return replace(
            self,
            turn_id=turn,
            session_id=handshake.session_id,
            thread_id=handshake.thread_id,
            client_request_id=handshake.client_request_id,
            parent_thread_id=handshake.parent_thread_id,
            context_window_id=handshake.context_window_id,
            root_turn_id=turn or None,
            cache_key=None,
            sources={**self.sources, "session_id": "handshake", "thread_id": "handshake"},
        )

    def strand(self, now: float, model: str = "") -> Strand:
        """What :class:`~.lineage.Lineages` is to remember of this request."""
        return Strand(
            thread_id=self.thread_id,
            prompt=self.signature.prompt,
            opening=self.signature.opening,
            turn_key=self.signature.turn,
            turn_id=self.turn_id,
            turn_started_ms=self.turn_started_ms,
            window=self.window_number,
            seen=now,
            model=model,
        )
