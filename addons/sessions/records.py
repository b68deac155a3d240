"""What the meter keeps of a conversation: its numbers, its last requests, where it has come to.

Pure, and JSON-like when dumped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError

MAX_THREADS = 32
"""Threads kept of a conversation; the one used longest ago goes first."""

MAX_MARKS = 512
"""Prefixes kept of a thread; the shortest go first."""

MAX_ENTRIES = 200
"""Requests kept of a conversation; the totals count all."""

MAX_NAMES = 16
"""Accounts and models kept of a conversation."""


class Reason(StrEnum):
    """Why input was not read from the cache."""

    FIRST = "first request"
    PREFIX = "prefix changed"
    MODEL = "model changed"
    WINDOW = "window advanced"
    ACCOUNT = "account changed"
    ID = "id changed"
    EXPIRED = "cache expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Miss:
    """One reason, and what it has cost.

    Attributes:
        tokens: that would have been read without it; 0 for a first request.
        by: whose doing: ``client``, ``floway``, ``upstream``, or "" where nobody's or not known.
        detail: where or what, e.g. ``input[3]`` or ``ada -> bob``.
    """

    reason: Reason
    tokens: int = 0
    by: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. Times in unix seconds; input, cached, eligible and output in tokens."""

    at: float
    thread: str
    window: int
    account: str
    model: str
    transport: str
    input: int
    cached: int
    eligible: int
    output: int
    attempts: int = 1
    misses: tuple[Miss, ...] = ()

    def dump(self) -> list[Any]:
        """JSON-like: the values in order, misses likewise."""
        misses = [[miss.reason.value, miss.tokens, miss.by, miss.detail] for miss in self.misses]
        return [
            *(self.at, self.thread, self.window, self.account, self.model, self.transport),
            *(self.input, self.cached, self.eligible, self.output, self.attempts),
            misses,
        ]


@dataclass(slots=True)
class Thread:
    """Where a thread has come to.

    Attributes:
        tail: name of the last request's whole prompt.
        tokens: of the last request's input.
        partial: that request continued an earlier response: what the thread holds is more than
            was ever seen in one piece.
        head: names of its first prefixes (instructions, tools, first item).
        marks: name of a prefix -> its tokens.
    """

    at: float = 0.0
    window: int = 0
    account: str = ""
    model: str = ""
    cache_key: str = ""
    tail: str = ""
    tokens: int = 0
    partial: bool = False
    head: list[str] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Conversation:
    """One conversation of one owner, in numbers.

    Attributes:
        source: of the id, when it was first seen.
        missed: tokens by reason.
        log: the last requests, oldest first.
    """

    owner: str
    id: str
    client: str = ""
    source: str = ""
    began: float = 0.0
    used: float = 0.0
    requests: int = 0
    input: int = 0
    eligible: int = 0
    cached: int = 0
    output: int = 0
    accounts: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    missed: dict[str, int] = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)
    log: deque[Entry] = field(default_factory=lambda: deque(maxlen=MAX_ENTRIES))

    @property
    def ratio(self) -> float | None:
        """Cached of eligible; None while nothing was eligible."""
        return self.cached / self.eligible if self.eligible else None

    @property
    def last_miss(self) -> tuple[Entry, Miss] | None:
        """The last one that is not a thread's first request."""
        for entry in reversed(self.log):
            for miss in entry.misses:
                if miss.reason is not Reason.FIRST:
                    return entry, miss
        return None

    def dump(self) -> dict[str, Any]:
        """JSON-like. By hand, since it is done on the event loop, and often."""
        made = {name: getattr(self, name) for name in self.__slots__}
        made["threads"] = {
            name: {member: getattr(thread, member) for member in thread.__slots__}
            for name, thread in self.threads.items()
        }
        made["log"] = [entry.dump() for entry in self.log]
        return made


_CONVERSATION = TypeAdapter(Conversation)


def load(data: Any) -> Conversation:
    """What :meth:`Conversation.dump` gave.

    Raises:
        ValueError: ``data`` is not of that form.
    """
    try:
        found = _CONVERSATION.validate_python(_named(data))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise ValueError(f"stored conversation: {place}: {problem['msg']}") from None
    found.log = deque(found.log, maxlen=MAX_ENTRIES)
    return found


def _named(data: Any) -> Any:
    """The rows of the log with their names again; what is not of that form as it is."""
    if not isinstance(data, dict) or not isinstance(data.get("log"), list):
        return data
    log = []
    for row in data["log"]:
        entry = _zipped(Entry, row)
        if isinstance(entry, dict) and isinstance(entry.get("misses"), list):
            entry["misses"] = [_zipped(Miss, miss) for miss in entry["misses"]]
        log.append(entry)
    return {**data, "log": log}


def _zipped(kind: type[Entry] | type[Miss], row: Any) -> Any:
    names = kind.__slots__
    fits = isinstance(row, list) and len(row) == len(names)
    return dict(zip(names, row, strict=True)) if fits else row


@dataclass(frozen=True, slots=True)
class Totals:
    """All conversations together."""

    conversations: int
    requests: int
    input: int
    eligible: int
    cached: int
    output: int

    @property
    def ratio(self) -> float | None:
        return self.cached / self.eligible if self.eligible else None


def totals(conversations: Iterable[Conversation]) -> Totals:
    each = list(conversations)
    return Totals(
        conversations=len(each),
        requests=sum(one.requests for one in each),
        input=sum(one.input for one in each),
        eligible=sum(one.eligible for one in each),
        cached=sum(one.cached for one in each),
        output=sum(one.output for one in each),
    )
