"""Which clients are told how long to wait. Pure.

``retry-after`` is meant for programs. Some of them sleep through it, however long it is, without a
word to the person who waits: those are told the time in the message only.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 60.0
"""Seconds that a person may be left without a word."""

_SLEEPERS: Final = re.compile(r"\bopencode/|\bai-sdk/", re.IGNORECASE)
"""User agents of programs that were seen to sleep: OpenCode 1.18.33, and with it the AI SDK."""


def is_told(wait: float, user_agent: str, *, upgrade: bool) -> bool:
    """Whether ``retry-after`` is of use to a client.

    Args:
        wait: seconds.
        upgrade: it asks for a WebSocket; the official clients sleep then (seen with 0.169.0).
    """
    return wait <= LONGEST or not (upgrade or _SLEEPERS.search(user_agent))
