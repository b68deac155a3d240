"""Which conversation a request belongs to, and the id under which the upstream knows it. Pure.

A conversation belongs to one principal: its ids are a digest over the principal first of all, so
that two callers who say the same share nothing. Nothing of what they say can be read back.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from addons.front.contract import Json
from addons.providers.cursor.telling.reading import billing_line, opening
from addons.sessions.naming import agent_session, digest

SESSION_HEADERS: Final = (
    "x-claude-code-session-id",
    "x-session-id",
    "session-id",
    "session_id",
    "x-session-affinity",
    "conversation-id",
    "conversation_id",
)
"""Headers in which clients name their session, best first (codex-recordings.md)."""

SESSION_MEMBERS: Final = ("conversation", "conversation_id", "session_id", "prompt_cache_key")

SYSTEM_CHARACTERS: Final = 200
"""Of the system prompt, in a conversation's digest: what follows may hold the day's date."""

OPENING_CHARACTERS: Final = 4096
"""Likewise of the first words of the user."""

MAX_NAME: Final = 256
_CCH: Final = re.compile(r"\bcch=([^;\s]+)")


@dataclass(frozen=True, slots=True)
class Conversation:
    """One thread of one caller.

    A client's session may hold several at the same time (its title, its sub-agents, what was said
    before a compaction); each begins with words of its own, and has a state of its own upstream.

    Attributes:
        session: what all threads of a client's session share, e.g. to stay with one account.
        key: of this thread, for the store. Both are hexadecimal digests.
        source: of the name: a header, a member, ``cch`` or ``content``.
    """

    session: str
    key: str
    source: str

    def id(self, generation: int = 0) -> str:
        """The id that goes upstream: a UUID, another one for each generation.

        Args:
            generation: how often the upstream has spoiled its id, see :mod:`.checkpoints`.
        """
        raw = bytearray(digest("id", self.key, str(generation))[:16])
        raw[6] = (raw[6] & 0x0F) | 0x40
        raw[8] = (raw[8] & 0x3F) | 0x80
        return str(uuid.UUID(bytes=bytes(raw)))


def resolve(
    principal: str, headers: Mapping[str, str], body: Json, request: Json | None = None
) -> Conversation:
    """The conversation of a request. The same on every start of floway.

    Its name is the first usable of the client's session, the ``cch`` of a billing line, and the
    model. The first words of system and user tell threads apart in any case.

    Args:
        principal: whose request it is.
        headers: the client's, by lower-case name.
        body: in the neutral form.
        request: as the client sent it, where that is another form.
    """
    source, name = next(_names(headers, body, request or {}), ("content", _word(body.get("model"))))
    system, first = opening(body)
    beginning = (system[:SYSTEM_CHARACTERS], first[:OPENING_CHARACTERS])
    session = digest("session", principal, source, name)
    if source == "content":
        session = digest("content", principal, name, *beginning)
    key = digest("thread", session.hex(), *beginning)
    return Conversation(session.hex(), key.hex(), source)


def _names(headers: Mapping[str, str], body: Json, request: Json) -> Iterator[tuple[str, str]]:
    metadata = body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    named = [("metadata.user_id", agent_session(user))]
    named += [(f"header {name}", headers.get(name)) for name in SESSION_HEADERS]
    for member in SESSION_MEMBERS:
        value = body.get(member)
        named.append((member, value.get("id") if isinstance(value, dict) else value))
    for source, value in named:
        text = _word(value)
        if text:
            yield source, text
    found = _CCH.search(billing_line(body) or billing_line(request))
    if found is not None and _word(found[1]):
        yield "cch", found[1]


def _word(value: Any) -> str:
    """``value`` where it can name something, else ""."""
    text = value.strip() if isinstance(value, str) else ""
    return text if len(text) <= MAX_NAME and text.isprintable() else ""
