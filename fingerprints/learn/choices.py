"""What values look like together: a choice of a few, identifiers, the usual one. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fingerprints.json_values import as_text, json_type
from fingerprints.learn.lists import Instance
from fingerprints.serial import dumps

MOST_VALUES = 8
"""Different values of an enumeration."""

LONGEST = 64
"""Characters of a value that is taken for one of a few."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


type Seen = Sequence[tuple[int, Instance, Any]]
"""Index of the instance in its list, the instance, and the value there."""


def uuid_versions(values: Sequence[Any]) -> tuple[int, ...]:
    """The UUID versions of all values; () when one is no UUID."""
    found = [_UUID.fullmatch(value) if isinstance(value, str) else None for value in values]
    if not found or not all(found):
        return ()
    return tuple(sorted({int(match[1], 16) for match in found if match}))


def distinct(values: Sequence[Any]) -> list[Any]:
    by_text = {dumps(value): value for value in values}
    return [by_text[text] for text in sorted(by_text)]


def usual(values: Sequence[Any]) -> Any:
    """The most frequent value; None for one that must not be repeated."""
    counts = Counter(dumps(value) for value in values)
    best = max(sorted(counts), key=lambda text: counts[text])
    value = next(value for value in values if dumps(value) == best)
    return value if plain(value) else None


def plain(value: Any) -> bool:
    """Whether a value may stand in a profile: nothing that was masked, no long text."""
    text = dumps(value).decode()
    return "⟨" not in text and len(text) <= 4 * LONGEST


def few(seen: Seen) -> bool:
    """Whether the values look like a choice of a few: short words, and fewer than recordings."""
    values = distinct([value for _, _, value in seen])
    if any(json_type(value) not in ("string", "bool", "null") for value in values):
        return False
    if len(values) > MOST_VALUES or not all(plain(value) for value in values):
        return False
    recordings = {instance.sample.recording for _, instance, _ in seen}
    words = all(
        len(as_text(value)) <= LONGEST and not _UUID.fullmatch(as_text(value)) for value in values
    )
    return words and (len(values) < len(recordings) or all(len(as_text(v)) < 8 for v in values))
