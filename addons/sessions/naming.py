"""What clients call their conversations, and the digest under which such names are kept. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

MAX_USER_ID: Final = 4096
"""Longest ``metadata.user_id`` that is read, in characters."""

_AGENT_SESSION: Final = re.compile(r"user_[^\s]*_session_([0-9A-Za-z-]{8,64})")


def agent_session(user_id: Any) -> str | None:
    """The session that Claude Code writes into ``metadata.user_id``; None in any other user id.

    Two forms: JSON text with a ``session_id``, and ``user_HASH_account_ID_session_UUID`` before
    it. A bare user id names a person, and not a conversation.
    """
    if not isinstance(user_id, str) or len(user_id) > MAX_USER_ID:
        return None
    if user_id.lstrip().startswith("{"):
        try:
            found = json.loads(user_id)
        except (ValueError, RecursionError):
            return None
        session = found.get("session_id")
        return session if isinstance(session, str) else None
    match = _AGENT_SESSION.fullmatch(user_id)
    return match[1] if match else None


def digest(*parts: str) -> bytes:
    """SHA-256 over parts with their lengths, so that no two lists of parts run together."""
    pieces: list[bytes] = []
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        pieces += (len(raw).to_bytes(8, "big"), raw)
    return hashlib.sha256(b"".join(pieces)).digest()
