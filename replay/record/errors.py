"""What can go wrong with a recording."""

from __future__ import annotations


class RecordError(Exception):
    """Something failed. The message says what, and what to do; ``output``: the end of a log."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class UnknownRelease(RecordError):
    """The release does not exist. ``near``: releases that do, nearest first or in order."""

    def __init__(self, message: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.near = near


class Lacking(Exception):
    """The release does not have what a scenario needs: no failure. The message names it."""
