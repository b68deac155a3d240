"""Items of the input against the profile's rules for them.

An item is judged by itself: its ids and times are its own, and equal to nothing else in the
request. Items of a type that the profile has no rule for pass: the client was never seen to send
one, and callers may. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fingerprints.difference import Change, Difference, Layer
from fingerprints.json_values import json_type
from fingerprints.profile import ItemRule, Profile


class ItemWalk(Protocol):
    """What is needed of :class:`fingerprints.walk.Walk`."""

    def document(self, path: str, name: str, value: Any) -> None:
        """A value against a document."""

    def differences(self) -> list[Difference]:
        """What is wrong with what was walked."""


def rules_for(profile: Profile, shape: str, item: Any, *, first: bool) -> list[ItemRule]:
    """The rules that may hold for an item; those of the leading message for the first one only."""
    if not isinstance(item, dict):
        return []
    found = [
        rule
        for rule in profile.items
        if rule.fits(item.get("type"), item.get("role"), shape) and (first or not rule.leading)
    ]
    # Of those that hold wherever an item stands, the first one counts.
    ordinary = next((rule for rule in found if not rule.leading), None)
    return [rule for rule in found if rule.leading or rule is ordinary]


def check_items(
    profile: Profile,
    shape: str,
    path: str,
    items: Sequence[Any],
    walk: Callable[[int], ItemWalk],
) -> list[Difference]:
    """Every difference between items and their rules.

    Args:
        path: of the input, ``body:input``.
        walk: a fresh walk, for an item whose content has so many parts.
    """
    found: list[Difference] = []
    messages = 0
    for index, item in enumerate(items):
        here = f"{path}[{index}]"
        if not isinstance(item, dict):
            found.append(Difference(Layer.VALUE, here, Change.TYPE, "object", json_type(item)))
            continue
        messages += item.get("type") == "message"
        content = item.get("content")
        parts = len(content) if isinstance(content, list) else 0
        best: list[Difference] | None = None
        for rule in rules_for(profile, shape, item, first=messages == 1):
            walking = walk(parts)
            walking.document(here, rule.document, item)
            differences = walking.differences()
            if best is None or len(differences) < len(best):
                best = differences
        found += best or []
    return found
