"""Rules that a person gives."""

from __future__ import annotations

import pytest

from fingerprints.compare.allowances import (
    FREE,
    SOMETIMES,
    UNEQUAL,
    AllowanceError,
    excuse,
    excuse_value,
    parse,
)


def test_matchers_and_words() -> None:
    uuid = parse("header:session-id={uuid: 7}")
    assert uuid.accepts("01a1fc66-ec12-7253-82f1-d195e2814331")
    assert not uuid.accepts("text")
    assert parse("body:x = any").accepts({"a": 1})
    assert not parse(f"body:x={SOMETIMES}").accepts(1)


def test_paths_with_stars_and_brackets() -> None:
    rule = parse("body:input*].id=text")
    assert rule.covers("body:input[0].id")
    assert not rule.covers("body:input[0].ids")
    assert not rule.covers("body:input")
    assert parse("body:input[0]=any").covers("body:input[0]")


def test_which_rule_excuses() -> None:
    rules = [parse(f"body:a={SOMETIMES}"), parse(f"body:b={FREE}"), parse("body:c=any")]
    assert excuse(rules, "body:a", SOMETIMES) is rules[0]
    assert excuse(rules, "body:a", FREE) is None
    assert excuse(rules, "body:c", UNEQUAL) is rules[2]
    assert excuse_value(rules, "body:c", 5) is rules[2]
    assert excuse_value(rules, "body:b", 5) is None


@pytest.mark.parametrize("text", ["", "body:x", "=text", "body:x=", "body:x=nonsense", "a={b"])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(AllowanceError):
        parse(text)
