"""Stop sequences applied to text that arrives in pieces."""

from __future__ import annotations

from collections.abc import Sequence


class StopFilter:
    """Lets text through up to the first stop sequence, which is itself not let through.

    The first one is the one that is complete first, as with a model that stops there; of two that
    end at the same place, the longer. What may be the beginning of one is held back until it is
    decided, so the result does not depend on how the text was cut.

    Attributes:
        hit: a sequence was found; nothing more comes.
        found: that sequence, "" before.
    """

    __slots__ = ("_held", "_stops", "found", "hit")

    def __init__(self, stops: Sequence[str]) -> None:
        """``stops``: not empty, and no empty sequence among them."""
        self._stops = tuple(stops)
        self._held = ""
        self.hit = False
        self.found = ""

    def feed(self, text: str) -> str:
        """What can be shown after ``text`` was added."""
        if self.hit:
            return ""
        text = self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            end, start = min(found)
            self.hit = True
            self.found = text[start:end]
            self._held = ""
            return text[:start]
        held = max(_overlap(text, stop) for stop in self._stops)
        shown = len(text) - held
        self._held = text[shown:]
        return text[:shown]

    def flush(self) -> str:
        """What was held back, at the end of the text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` with which ``stop`` begins, ``stop`` itself not."""
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
