"""Seals: what another account made is left out, what nobody knows is tried."""

from __future__ import annotations

from typing import Any

import pytest

from addons.providers.codex.seals import (
    Seals,
    left_out,
    readable_body,
    sealed_content,
    sealed_values,
)

type Json = dict[str, Any]


def reasoning(content: Any) -> Json:
    return {"type": "reasoning", "summary": [], "encrypted_content": content}


USER: Json = {"role": "user", "content": "hi"}


def test_a_value_is_for_the_account_that_made_it() -> None:
    seals = Seals()
    seals.made("a", "ada")
    assert seals.readable("a", "ada")
    assert not seals.readable("a", "ben")


def test_an_unknown_value_is_tried_once_per_account() -> None:
    seals = Seals()
    assert seals.readable("a", "ben")
    assert seals.refused(["a"], "ben")
    assert not seals.readable("a", "ben")
    assert seals.readable("a", "cleo")


def test_a_refusal_is_not_blamed_on_the_accounts_own_values() -> None:
    seals = Seals()
    seals.made("own", "ben")
    assert seals.refused(["own", "unknown"], "ben")
    assert seals.readable("own", "ben")
    assert not seals.readable("unknown", "ben")


def test_own_values_are_given_up_when_there_are_no_others() -> None:
    seals = Seals()
    seals.made("own", "ben")
    assert seals.refused(["own"], "ben")
    assert not seals.readable("own", "ben")


def test_without_values_there_is_nothing_to_leave_out() -> None:
    assert not Seals().refused([], "ben")


def test_a_value_that_comes_again_is_good_again() -> None:
    seals = Seals()
    seals.refused(["a"], "ben")
    seals.made("a", "ben")
    assert seals.readable("a", "ben")


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    seals = Seals(limit=2)
    for value in ("a", "b", "a", "c"):
        seals.made(value, "ada")
    assert seals.readable("b", "ben"), "forgotten"
    assert not seals.readable("a", "ben")
    assert not seals.readable("c", "ben")


def test_only_unreadable_items_leave_the_body() -> None:
    seals = Seals()
    seals.made("a", "ada")
    seals.made("b", "ben")
    compaction = {"type": "compaction", "encrypted_content": "b"}
    foreign = [reasoning("a"), {"type": "compaction", "encrypted_content": "a"}, reasoning("a")]
    items = [USER, *foreign, reasoning("b"), reasoning("?"), compaction, reasoning(None)]
    body = {"model": "m", "input": items}
    for_ben = readable_body(body, "ben", seals)
    kept = [USER, reasoning("b"), reasoning("?"), compaction, reasoning(None)]
    assert for_ben == {"model": "m", "input": kept}
    assert body["input"] is items
    assert sealed_values(for_ben) == ["b", "?", "b"]
    assert left_out(body, for_ben) == ["reasoning", "compaction"]
    assert left_out(body, body) == []


@pytest.mark.parametrize("given", [None, "text", [], [USER, "odd", 3]])
def test_a_body_without_reasoning_is_the_same_object(given: Any) -> None:
    body = {"input": given}
    assert readable_body(body, "ben", Seals()) is body
    assert sealed_values(body) == []


@pytest.mark.parametrize(
    ("event", "content"),
    [
        ({"item": reasoning("a")}, "a"),
        ({"item": {"type": "compaction", "encrypted_content": "c"}}, "c"),
        ({"item": reasoning(None)}, None),
        ({"item": reasoning(3)}, None),
        ({"item": "odd"}, None),
        ({}, None),
    ],
)
def test_the_upstreams_sealed_items_are_found(event: Json, content: str | None) -> None:
    assert sealed_content(event) == content
