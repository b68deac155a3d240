"""The user's own rules on refusals."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from addons.accounts.rules import CooldownRule, matching, rules_for, seconds


def made(**given: Any) -> CooldownRule:
    return CooldownRule.model_validate({"cooldown": "10m", **given})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *((90, 90), ("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800)),
        *((" 1h 30m ", 5400), ("0.5h", 1800), ("0s", 0)),
    ],
)
def test_times(written: object, expected: float) -> None:
    assert CooldownRule.model_validate({"status": 429, "cooldown": written}).cooldown == expected


@given(days=st.integers(0, 30), hours=st.integers(0, 23), minutes=st.integers(0, 59))
def test_times_add_up(days: int, hours: int, minutes: int) -> None:
    assert seconds(f"{days}d{hours}h{minutes}m") == ((days * 24 + hours) * 60 + minutes) * 60


@given(st.text())
def test_any_other_text_is_refused_with_an_example(text: str) -> None:
    assume(not re.search(r"\d\s*[smhd]?\s*$", text.lower()))
    with pytest.raises(ValueError, match='"10m"'):
        seconds(text)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"cooldown": "soon", "status": 429}, '"10m"'),
        ({"cooldown": "100d", "status": 429}, "less than or equal to 3024000"),
        ({"cooldown": "1m"}, "must name a status or a text"),
        ({"status": 429}, "either cooldown"),
        ({"status": 429, "cooldown": "1m", "ignore": True}, "either cooldown"),
        ({"status": 401, "cooldown": "1m"}, "a refused sign-in is renewed"),
        ({"status": 200, "cooldown": "1m"}, "greater than or equal to 400"),
        ({"status": 429, "cooldown": "1m", "scope": "world"}, "'account' or 'model'"),
        ({"status": 429, "ignore": True, "scope": "model"}, "only a cooldown has a scope"),
        ({"stauts": 429, "cooldown": "1m"}, "stauts"),
    ],
)
def test_mistakes_are_told(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        CooldownRule.model_validate(given)


def test_status_and_text_must_both_match() -> None:
    rule = made(status=429, text="Too Busy")
    assert rule.matches(429, "busy_code The server is too busy now")
    assert not rule.matches(503, "too busy")
    assert not rule.matches(429, "used up")
    assert not rule.matches(None, "too busy"), "inside a stream no status is said"
    assert made(text="too busy").matches(None, "TOO BUSY")


def test_the_first_that_matches_counts_and_only_the_provider_s_own() -> None:
    first, second = made(status=429, provider="one"), made(status=429)
    rules = [made(status=500), first, second]
    assert matching(rules_for(rules, "one"), 429, "") is first
    assert matching(rules_for(rules, "two"), 429, "") is second
    assert matching(rules_for(rules, "two"), 404, "") is None
