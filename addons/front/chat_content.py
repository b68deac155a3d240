"""The one content string of a chat message, from the texts of several Responses messages."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from addons.front.reading import BREAK
from addons.front.stop_sequences import StopFilter


class Content:
    """Takes the texts of an answer as they come; gives what can be shown of them.

    Attributes:
        stopped: a stop sequence was met; nothing more is to be shown.
    """

    __slots__ = ("_filter", "_fresh", "_item", "_said", "_starts", "stopped")

    def __init__(self, stops: Sequence[str]) -> None:
        self._filter = StopFilter(stops) if stops else None
        self._item: Hashable = None
        self._fresh = True  # nothing of the item was shown since it became the current one
        self._said = 0  # characters
        self._starts: dict[Hashable, int] = {}  # where the text of each item begins
        self.stopped = False

    def add(self, item: Hashable, text: str) -> str:
        """What can be shown after ``text`` was added to an item's text."""
        before = ""
        if item != self._item:
            before = self.flush()
            self._item = item
            self._fresh = True
        if self._filter is not None:
            text = self._filter.feed(text)
            self.stopped = self._filter.hit
        return before + self._counted(text)

    def flush(self) -> str:
        """What was held back as the possible beginning of a stop sequence."""
        return "" if self._filter is None else self._counted(self._filter.flush())

    def start_of(self, item: Hashable) -> int:
        """Characters before an item's text; where it would begin, if nothing of it was shown."""
        return self._starts.get(item, self._next)

    @property
    def _next(self) -> int:
        return self._said + len(BREAK) if self._said else 0

    def _counted(self, text: str) -> str:
        if not text:
            return ""
        if self._fresh:
            self._fresh = False
            self._starts.setdefault(self._item, self._next)
            if self._said:
                text = BREAK + text
        self._said += len(text)
        return text
