"""A profile as YAML that a person can review: one line for most entries. The same for the same."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from fingerprints.profile import Profile

WIDTH = 160
"""Characters of a line; longer entries take one line for each part."""


def render(profile: Profile, heading: Sequence[str] = ()) -> str:
    """YAML text of a profile.

    Args:
        heading: lines of the comment at its top, without ``#``.
    """
    data = profile.as_data()
    top = CommentedMap()
    for key, value in data.items():
        top[key] = _block(value, key, 0)
    stream = io.StringIO()
    writer = YAML(typ="rt")
    writer.width = 100_000
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump(top, stream)
    comment = "".join(f"# {line}\n" if line else "#\n" for line in heading)
    return comment + stream.getvalue()


def _block(value: Any, key: str, depth: int) -> Any:
    """Nested data; what fits into a line is written in one."""
    if not isinstance(value, dict | list) or not value or (key == "evidence" and depth > 2):
        return _flow(value, key)
    if depth >= _DEPTH.get(key, 1) and _length(value) + 2 * depth + 6 <= WIDTH:
        return _flow(value, key)
    if isinstance(value, dict):
        made = CommentedMap()
        for name, item in value.items():
            made[name] = _block(item, name, depth + 1)
        return made
    items = CommentedSeq()
    for item in value:
        items.append(_block(item, "", depth + 1))
    return items


_DEPTH = {"recorded": 9, "evidence": 9}
"""Members that always take lines of their own."""


def _flow(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        made = CommentedMap()
        for name, item in value.items():
            made[name] = _flow(item, name)
        made.fa.set_flow_style()
        return made
    if isinstance(value, list):
        items = CommentedSeq([_flow(item) for item in value])
        items.fa.set_flow_style()
        return items
    if isinstance(value, str) and key in ("reason", "with", "on"):
        return DoubleQuotedScalarString(value)
    return value


def _length(value: Any) -> int:
    """Characters that a value takes in a line, about."""
    if isinstance(value, dict):
        return 2 + sum(len(str(key)) + 4 + _length(item) for key, item in value.items())
    if isinstance(value, list):
        return 2 + sum(_length(item) + 2 for item in value)
    return len(str(value)) + (2 if isinstance(value, str) else 0)
