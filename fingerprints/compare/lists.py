"""Items of two lists that belong together.

Compared by index, one item too many at the front would make every later item differ. So the items
of another list get the indices of the items that they resemble in the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from fingerprints.matchers import json_type

_TELLING = ("type", "role", "name", "kind", "method")
_LONG = 2000
"""Longer lists are compared by index: aligning them would take too long to be worth it."""


def keys(reference: Sequence[Any], other: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The items of ``other`` with their key: ``[0]`` for what stands for the reference's first
    item, ``[+0]`` for the first that stands for none of them."""
    if len(reference) == len(other) or max(len(reference), len(other)) > _LONG:
        yield from ((f"[{index}]", item) for index, item in enumerate(other))
        return
    matcher = SequenceMatcher(
        None, [_look(item) for item in reference], [_look(item) for item in other], autojunk=False
    )
    added = 0
    for op, start, end, begin, stop in matcher.get_opcodes():
        if op == "delete":
            continue
        for offset, item in enumerate(other[begin:stop]):
            if start + offset < end:
                yield f"[{start + offset}]", item
            else:
                yield f"[+{added}]", item
                added += 1


def _look(item: Any) -> tuple[Any, ...]:
    """What tells items apart without looking at their content."""
    if isinstance(item, dict):
        told = tuple(str(item.get(name, "")) for name in _TELLING)
        return (*told, *sorted(str(name) for name in item))
    return (json_type(item), item if isinstance(item, str | int | float | bool) else None)
