"""Other names for models."""

from __future__ import annotations

import pytest

from addons.front.aliases import alias_of

ALIASES = {"claude-*": "default", "claude-haiku-*": "small", "claude-opus-4": "big", "o*-mini": "m"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("claude-sonnet-5", "default"),
        ("claude-haiku-4-5", "small"),
        ("claude-opus-4", "big"),
        ("claude-opus-4-1", "default"),
        ("o4-mini", "m"),
        ("gpt-5.5", None),
        ("Claude-sonnet-5", None),
        ("claude", None),
    ],
)
def test_a_name_before_a_pattern_and_a_longer_pattern_before_a_shorter(
    name: str, meant: str | None
) -> None:
    assert alias_of(name, ALIASES) == meant


def test_without_aliases_no_name_is_one() -> None:
    assert alias_of("claude-sonnet-5", {}) is None
