"""JSON as an indented outline: members in their order, long texts cut, JSON texts opened. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from addons.debug.views.sections import cut

DEEPEST = 12
"""Levels that are shown; deeper ones only by their size."""

LONGEST = 200
"""Members or items of one level."""


def outline(value: Any, *, depth: int = 0) -> list[str]:
    """The lines of a value."""
    return list(_lines(value, depth))


def leaf(value: Any) -> str:
    """A value without members on one line."""
    if isinstance(value, str):
        return json.dumps(cut(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, default=str)


def opened(text: str) -> Any:
    """The object or array that a text holds as JSON; None for any other text."""
    if text[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _lines(value: Any, depth: int) -> Iterator[str]:
    if depth >= DEEPEST and isinstance(value, dict | list):
        yield f"… {len(value)} more inside"
        return
    if isinstance(value, dict):
        pairs = [(cut(str(name)), member) for name, member in value.items()]
    elif isinstance(value, list):
        pairs = [(f"[{index}]", item) for index, item in enumerate(value)]
    else:
        yield leaf(value)
        return
    for name, member in pairs[:LONGEST]:
        yield from _member(name, member, depth)
    if len(pairs) > LONGEST:
        yield f"… {len(pairs) - LONGEST} more"


def _member(name: str, member: Any, depth: int) -> Iterator[str]:
    inner = opened(member) if isinstance(member, str) else None
    if inner is not None:
        yield f"{name}: (JSON text, {len(member)} characters)"
    elif isinstance(member, dict | list) and member:
        yield f"{name}:"
        inner = member
    else:
        yield f"{name}: {leaf(member)}"
        return
    for line in _lines(inner, depth + 1):
        yield f"  {line}"
