"""How a command ends that cannot do its work."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
"""Exit code: a port is taken, an upstream or a file cannot be used."""

USAGE: Final = 2
"""Exit code: a wrong option, argument or setting."""


class CommandFailed(Exception):
    """The message is for the user and names the remedy; it may have several lines."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
