"""What can go wrong with a client's settings file."""

from __future__ import annotations


class SetupError(Exception):
    """The file was left as it is. The message names it and the remedy."""
