"""What the checker reports: one difference between a request and its profile, or between two
recordings."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SHOWN = 160
"""Characters of a value that a difference keeps."""


class Layer(StrEnum):
    """Layers are compared apart, so that one change is reported once."""

    REQUEST_LINE = "request_line"
    HEADER_SET = "header_set"
    HEADER_ORDER = "header_order"
    HEADER_CASE = "header_case"
    ENCODING = "encoding"
    MEMBER_PRESENCE = "member_presence"
    MEMBER_ORDER = "member_order"
    VALUE = "value"
    EQUALITY = "equality"
    FRAME_SEQUENCE = "frame_sequence"


class Change(StrEnum):
    """What happened at the path."""

    ADDED = "added"
    REMOVED = "removed"
    REPEATED = "repeated"
    MOVED = "moved"
    CASE = "case"
    TYPE = "type"
    VALUE = "value"
    EQUALITY = "equality broken"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference.

    Attributes:
        layer: where it was found.
        path: ``header:session-id``, ``body:reasoning.effort``, ``body:client_metadata.
            x-codex-turn-metadata.turn_id``, ``path``, ``http_version``.
        kind: what happened.
        expected: what the profile says, in words.
        actual: what was seen, cut to :data:`SHOWN` characters; secrets are masked.
        rule: the profile's entry that it breaks, "" when none covers it.
        cover: the rule that would accept what was seen as well, as a profile spells it; "" where
            none can.
    """

    layer: Layer
    path: str
    kind: Change
    expected: str
    actual: str
    rule: str = ""
    cover: str = ""

    def __str__(self) -> str:
        text = f"[{self.layer}] {self.path}: {self.kind}"
        text += f"; expected {self.expected}" if self.expected else ""
        text += f"; got {self.actual}" if self.actual else ""
        return f"{text} ({self.rule})" if self.rule else text


def shorten(text: str) -> str:
    """A value for display."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def moved(expected: Sequence[str], actual: Sequence[str]) -> list[tuple[str, str, str]]:
    """The fewest names whose place differs.

    Both sequences hold the same names, each once. Gives the name, what it should follow and what
    it follows; "" for the beginning.
    """
    place = {name: index for index, name in enumerate(expected)}
    kept = {actual[index] for index in _longest_rise([place[name] for name in actual])}
    out = []
    for index, name in enumerate(actual):
        if name not in kept:
            before = expected[place[name] - 1] if place[name] else ""
            out.append((name, before, actual[index - 1] if index else ""))
    return out


def _longest_rise(numbers: Sequence[int]) -> list[int]:
    """Indices of a longest increasing subsequence."""
    tails: list[int] = []
    tail_index: list[int] = []
    before: list[int] = []
    for index, number in enumerate(numbers):
        at = bisect_left(tails, number)
        before.append(tail_index[at - 1] if at else -1)
        if at == len(tails):
            tails.append(number)
            tail_index.append(index)
        else:
            tails[at] = number
            tail_index[at] = index
    out = []
    at = tail_index[-1] if tail_index else -1
    while at >= 0:
        out.append(at)
        at = before[at]
    return out[::-1]
