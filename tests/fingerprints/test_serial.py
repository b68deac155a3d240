"""JSON text as the official client writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.serial import Text, ascii_text, dumps, loads, untidy
from tests.fingerprints.recordings import Case, cases
from tests.fingerprints.values import JSON

WILD_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.one_of(JSON, WILD_TEXT, st.dictionaries(WILD_TEXT, WILD_TEXT)))
def test_both_forms_are_compact_and_mean_the_same(value: Any) -> None:
    text = dumps(value)
    assert json.loads(text) == value
    assert untidy(text.decode(), ascii_only=False) == []
    ascii_form = ascii_text(value)
    assert ascii_form.isascii()
    assert json.loads(ascii_form) == value
    assert untidy(ascii_form, ascii_only=True) == []


def test_escapes_as_recorded() -> None:
    """Recorded from 0.142.0 and 0.169.0, with these characters in a prompt and a folder's name."""
    text = 'grüße ☃ 🎉\x7f <b> / \\ "\n\x1f\u2028'
    assert dumps(text) == '"grüße ☃ 🎉\x7f <b> / \\\\ \\"\\n\\u001f\u2028"'.encode()
    assert ascii_text(text) == (
        '"gr\\u00fc\\u00dfe \\u2603 \\ud83c\\udf89\x7f <b> / \\\\ \\"\\n\\u001f\\u2028"'
    )


def test_what_callers_may_send_and_utf8_cannot_hold() -> None:
    assert dumps({"x": loads('"a\\ud83d"')}) == '{"x":"a\ufffd"}'.encode()
    assert dumps("\ud83c\udf89") == '"🎉"'.encode()
    assert dumps(2**80) == b"1208925819614629174706176"


@given(JSON, JSON, st.sampled_from([None, "half a \ud83d", 2**70]))
def test_what_was_written_before_is_not_changed(one: Any, other: Any, odd: Any) -> None:
    part = Text(dumps(one))
    assert dumps({"a": part, "b": [other, odd]}) == dumps({"a": one, "b": [other, odd]})


@pytest.mark.parametrize("value", [{1}, b"x", object()])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


@pytest.mark.parametrize("text", ["", "{", "nul", "[" * 5000, b"\xff"])
def test_what_is_no_json_text_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": 1}', "white space"),
        ('{"a":1}\n', "white space"),
        ('{"a":"\\/"}', "escaped"),
        ('{"a":"\\u00e4"}', "escaped"),
        ('{"a":1,"a":1}', "'a' stands twice"),
        ('{"b":{"a":1,"a":2}}', "'a' stands twice"),
    ],
)
def test_untidy_text_is_described(text: str, fault: str) -> None:
    (found,) = untidy(text, ascii_only=False)
    assert fault in found


def test_untidy_ascii_text_is_described() -> None:
    assert untidy('{"a":"ü"}', ascii_only=True) != []
    assert untidy('{"a":"\\u00FC"}', ascii_only=True) != []
    assert untidy('{"a":"\\u00fc"}', ascii_only=True) == []


def test_numbers_may_be_written_in_any_way() -> None:
    assert untidy('{"a":1e5,"b":1.50,"c":-0.0}', ascii_only=False) == []


@pytest.mark.parametrize(
    "recorded", [each for each in cases() if each.headers], ids=lambda each: each.name
)
def test_recorded_metadata_is_written_again_byte_for_byte(recorded: Case) -> None:
    for name, value in recorded.headers:
        if name == "x-codex-turn-metadata":
            assert ascii_text(json.loads(value)) == value
