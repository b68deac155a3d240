"""What can go wrong while conversations are played."""

from __future__ import annotations


class PlayFailed(Exception):
    """A client or floway did not do its part; ``output``: the end of what it said."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class Unavailable(Exception):
    """A client is not there; the message says why and what would help."""
