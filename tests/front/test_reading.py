"""Reading of what upstreams send: what has not its form is taken for absent."""

from __future__ import annotations

from typing import Any

import pytest

from addons.front.reading import (
    Shown,
    count,
    incomplete_reason,
    item_key,
    listed,
    model_name,
    part_index,
    response_of,
    texts,
    truncated,
)

ODD: list[Any] = [None, 5, "x", [], True, {"a": 1}]


@pytest.mark.parametrize("value", ODD)
def test_odd_values(value: Any) -> None:
    assert response_of({"response": value}) == (value if isinstance(value, dict) else {})
    assert listed(value) == []
    assert texts(value) == []
    assert count(value, "input_tokens") == 0
    assert part_index({"content_index": value}, "content_index") == (5 if value == 5 else 0)


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ({"output_index": 3, "item_id": "a"}, 3),
        ({"output_index": None, "item_id": "a"}, "a"),
        ({"item": {"id": "a"}}, "a"),
        ({"item_id": "a", "item": {"id": "b"}}, "a"),
        ({"item": {"id": 5}}, ""),
        ({"item": "a"}, ""),
        ({}, ""),
    ],
)
def test_what_an_event_is_about(event: dict[str, Any], key: object) -> None:
    assert item_key(event) == key


def test_texts_of_parts() -> None:
    assert texts([{"text": "a"}, {"text": 5}, "b", {}]) == ["a", "", "", ""]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({}, ""),
        ({"status": "completed", "incomplete_details": {"reason": "x"}}, ""),
        ({"status": "incomplete"}, "max_output_tokens"),
        ({"status": "incomplete", "incomplete_details": {"reason": None}}, "max_output_tokens"),
        ({"status": "incomplete", "incomplete_details": {"reason": "x"}}, "x"),
    ],
)
def test_why_a_response_is_not_complete(response: dict[str, Any], reason: str) -> None:
    assert incomplete_reason(response) == reason


def test_the_model_that_answered() -> None:
    assert model_name({"model": "m-2"}, "m") == "m-2"
    assert model_name({"model": ""}, "m") == model_name({"model": 5}, "m") == "m"


def test_what_was_shown_is_not_shown_again() -> None:
    shown, key = Shown(), ("text", 0, 0)
    assert [shown.new(key, "ab"), shown.new(key, 5), shown.rest(key, "abcd")] == ["ab", "", "cd"]
    assert shown.rest(key, "abcd") == shown.rest(key, None) == ""
    assert shown.rest(("text", 1, 0), "x") == "x"


def test_a_cut_stream_is_the_upstreams_fault() -> None:
    assert (truncated().status, truncated().code) == (502, "upstream_truncated")
