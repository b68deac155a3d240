"""Request bodies that begin as an earlier one did: what was read of that is not read again.

A coding agent sends its whole conversation with every turn, so nearly all of a large body is, byte
for byte, what it sent before. The last large bodies are kept; of one that continues them only the
rest is parsed, and the items of ``input`` that it repeats are the very objects of before. What
others make of these can so be kept with them (:attr:`Items.made`).

Nothing is taken for equal that is not: bytes are compared, and where one of them stands in the way
the body is read as if there had been none before. What comes out is what
:func:`~addons.front.bodies.parse_object` gives. No clock, no I/O.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import Any, Final

import orjson

from addons.front.bodies import is_too_deep, parse_object
from addons.front.contract import Json

SMALLEST: Final = 32 * 1024
"""Bytes of the smallest body that is kept: smaller ones are read in no time."""

LIMIT: Final = 12 * 1024 * 1024
"""Bytes of bodies that are kept, where nothing else is said; measured, what was read and made of
them is five times that."""

MOST: Final = 32
"""Bodies that are kept."""

_OPENING: Final = b'"input":['
_PLACES: Final = 4
"""Places that are tried as the beginning of ``input``: a tool may have a member of that name."""

_REST: Final = "floway: the rest of the input"
"""Stands for ``input`` where only its end is parsed; a body in which it occurs is none of ours."""


class Items(list[Any]):
    """An ``input`` that begins as the one of an earlier request did.

    Attributes:
        repeated: so many items at the beginning are the very objects of the earlier request.
        made: what was made of the conversation's items, by whom; kept as long as they are.
    """

    __slots__ = ("body", "made", "repeated")

    def __init__(
        self, items: Iterable[Any], repeated: int, made: dict[str, Any], body: _Body | None = None
    ) -> None:
        super().__init__(items)
        self.repeated = repeated
        self.made = made
        self.body = body


def same_objects(before: Sequence[Any], items: Sequence[Any]) -> int:
    """How many items at the beginning are the very same objects."""
    same = [*map(is_, before, items)]
    return same.index(False) if False in same else len(same)


@dataclass(slots=True, eq=False)
class _Body:
    """A body that was read.

    Attributes:
        items: of its ``input``.
        head: its members up to ``input``, which has no items there; None: not looked for yet.
        ends: where the first items end in ``raw``, as far as that was looked for.
        at: where the next one begins; -1: no more of them can be told apart.
    """

    principal: str
    raw: bytes
    items: list[Any]
    made: dict[str, Any] = field(default_factory=dict)
    head: Json | None = None
    ends: array[int] = field(default_factory=lambda: array("Q"))
    at: int = 0

    def shared(self, principal: str, raw: bytes) -> int:
        """How many items at the beginning another body repeats, with all that is before them.

        0 as well where less than half is the same: that is another conversation, or a new start.
        """
        own = memoryview(self.raw)
        if principal != self.principal or not raw.startswith(own[: len(own) // 2]):
            return 0
        self._look()
        ends = self.ends
        if not ends or raw.startswith(own[: ends[-1]]):
            return len(ends)
        return bisect_left(ends, 1, key=lambda end: not raw.startswith(own[:end]))

    def _look(self) -> None:
        """Find out where the items stand: only once another body may repeat them.

        An item is found where its compact JSON stands, which is how nearly all clients write.
        """
        if self.head is None:
            self.head, self.at = _head(self.raw)
        while self.at >= 0 and len(self.ends) < len(self.items):
            text = orjson.dumps(self.items[len(self.ends)])
            end = self.at + len(text)
            after = self.raw[end : end + 1]
            if not self.raw.startswith(text, self.at) or after not in (b",", b"]"):
                self.at = -1
                break
            self.ends.append(end)
            self.at = end + 1

    def continued(self, raw: bytes, count: int) -> Json | None:
        """The body ``raw``, which repeats the first ``count`` items; None: it has to be parsed."""
        assert self.head is not None
        end = self.ends[count - 1]
        after, rest = raw[end : end + 1], raw[end + 1 :]
        if after not in (b",", b"]") or _REST.encode() in rest:
            return None
        text = b'{"%b":[%b%b' % (_REST.encode(), b"" if after == b"," else after, rest)
        try:
            members: Json = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        if is_too_deep(members):
            return None
        more = members.pop(_REST)
        if "input" in members or (after == b"," and not more):
            return None  # it has two of them; a comma before the end
        body = _Body(self.principal, raw, [*self.items[:count], *more], self.made, self.head)
        body.ends, body.at = self.ends[:count], end + 1
        request = self.head | members  # the order is that of the parser, also of what stands twice
        request["input"] = Items(body.items, count, body.made, body)
        return request


def _head(raw: bytes) -> tuple[Json, int]:
    """The members up to ``input``, and where its first item begins; -1: it was not found."""
    place = -1
    for _ in range(_PLACES):
        place = raw.find(_OPENING, place + 1)
        if place < 1:
            break
        begin = place + len(_OPENING)
        if raw[place - 1 : place] not in (b"{", b","):
            continue
        try:
            head: Json = orjson.loads(raw[:begin] + b"]}")
        except orjson.JSONDecodeError:  # it is a member of something else
            continue
        return head, begin
    return {}, -1


class EarlierBodies:
    """The last large bodies.

    Args:
        limit: bytes of those that are kept; the one used longest ago goes first.
        smallest: bytes of a body that is kept.
    """

    def __init__(self, limit: int = LIMIT, smallest: int = SMALLEST) -> None:
        self._limit = limit
        self._smallest = smallest
        self._bodies: list[_Body] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._bodies)

    @property
    def size(self) -> int:
        """Bytes of the bodies that are kept."""
        return self._size

    def read(self, principal: str, raw: bytes) -> Json:
        """The JSON object of a request of this principal.

        Raises:
            ClientError: as :func:`~addons.front.bodies.parse_object`.
        """
        if len(raw) >= self._smallest:
            best, count = None, 0
            for body in reversed(self._bodies):
                if (found := body.shared(principal, raw)) > count:
                    best, count = body, found
                    if found == len(body.items):
                        break
            if best is not None and (request := best.continued(raw, count)) is not None:
                return request
        return parse_object(raw)

    def keep(self, principal: str, raw: bytes, request: Json) -> None:
        """Keep what was read, once it has turned out to be a good request.

        Args:
            request: as :meth:`read` has given it.
        """
        items = request.get("input")
        if not self._smallest <= len(raw) <= self._limit or not isinstance(items, list):
            return
        body = items.body if isinstance(items, Items) else None
        if body is None:
            body = _Body(principal, raw, list(items))
        for each in self._bodies:
            if each.made is body.made:  # the same conversation, a turn before
                self._drop(each)
                break
        self._bodies.append(body)
        self._size += len(raw)
        while self._size > self._limit or len(self._bodies) > MOST:
            self._drop(self._bodies[0])

    def _drop(self, body: _Body) -> None:
        self._bodies.remove(body)
        self._size -= len(body.raw)
