"""The gate: refuses what does not look like the official client. The one place that knows how.

Coupling to the ``fingerprints`` package is kept in here. A gate never changes a request; it says
what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from replay.sandbox.messages import Request

HEADER_LIMIT = 2000
"""Characters of the ``x-sandbox-gate`` header."""


class Gate(Protocol):
    """Checks requests and WebSocket messages of the ChatGPT paths."""

    profile: str
    """Name of the profile, or ``off``."""

    def request(self, request: Request, body: Mapping[str, Any] | None) -> list[str]:
        """What is wrong with a request or an upgrade; ``body`` is its decoded JSON."""

    def frame(self, request: Request, frame: Mapping[str, Any]) -> list[str]:
        """What is wrong with a message on the WebSocket that ``request`` opened."""


class OpenGate:
    """Lets everything through."""

    profile = "off"

    def request(self, request: Request, body: Mapping[str, Any] | None) -> list[str]:
        return []

    def frame(self, request: Request, frame: Mapping[str, Any]) -> list[str]:
        return []


def reasons_header(reasons: list[str]) -> str:
    """The reasons in one header value: ASCII, bounded, with a count of what was left out."""
    kept: list[str] = []
    size = 0
    for reason in reasons:
        text = reason.encode("ascii", "backslashreplace").decode()
        text = "".join(char if " " <= char <= "~" else " " for char in text)[:300]
        if size + len(text) > HEADER_LIMIT - 20:
            kept.append(f"and {len(reasons) - len(kept)} more")
            break
        kept.append(text)
        size += len(text) + 2
    return "; ".join(kept)


def make_gate(mode: str) -> Gate:
    """The gate of a mode: ``off``, ``newest``, or a profile's name.

    Raises:
        ValueError: there is no such profile.
    """
    if mode in ("off", "newest"):
        return OpenGate()
    raise ValueError(f"gate: there is no profile {mode!r}; use 'off' or 'newest'")
