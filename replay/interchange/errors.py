"""What can go wrong with files of other tools."""

from __future__ import annotations


class InterchangeError(Exception):
    """A file is not what it must be. The message names the field and the remedy."""
