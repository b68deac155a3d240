"""Turns of a WebSocket connection: messages that continue a response do not repeat what was said,
and so do not say how many turns there were. Pure.

The connection counts them, so that a turn has the id that it has when the conversation is sent
whole, on another connection or after a restart: items that carry their turn then stay equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from addons.providers.codex import continuity
from addons.providers.codex.identity import Identity
from addons.providers.codex.items import turn_id

type Json = dict[str, Any]

NOT_SAID = ("minted", "known turn")
"""Sources of a turn id that is not the caller's own, and not derived from all that was said."""


def counted(body: Json, before: int) -> tuple[int, str]:
    """How many turns there are with a message, and the key of the last one.

    Args:
        before: turns of the responses that the message continues; 0 where it stands alone.

    Returns:
        The key is "" when the message opens no turn.
    """
    items = body.get("input")
    given: Sequence[Any] = items if isinstance(items, list) else [items] if items else []
    turns, opening = continuity.last_opening(given, before)
    return turns, continuity.turn_key(turns, opening) if turns > before else ""


def continued(identity: Identity, key: str, last: Identity) -> Identity:
    """The identity of a message that continues a response.

    Args:
        key: of the turn that the message opens; "" when it opens none.
        last: of the message before it.
    """
    if identity.sources.get("turn_id") not in NOT_SAID or identity.thread_id != last.thread_id:
        return identity
    turn = turn_id(identity.thread_id, key) if key else last.turn_id
    if not turn:
        return identity
    root = turn if identity.root_turn_id == identity.turn_id else identity.root_turn_id
    sources = {**identity.sources, "turn_id": "counted on the connection"}
    return replace(identity, turn_id=turn, root_turn_id=root, sources=sources)
