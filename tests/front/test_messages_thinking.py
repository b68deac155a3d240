"""Reasoning items in the signatures of thinking blocks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.front.messages_answer import thinking_text
from addons.front.messages_thinking import MARK, reasoning_item, signature

SEALED = st.text("abcXYZ0189-_=+/:,\n ", min_size=1)
TEXT = st.text("ab \n🙂", min_size=1, max_size=6)


def summary(*texts: str) -> list[dict[str, str]]:
    return [{"type": "summary_text", "text": text} for text in texts]


@given(st.from_regex(r"rs_[a-z0-9]{1,20}", fullmatch=True), SEALED, st.lists(TEXT), st.lists(TEXT))
def test_an_item_comes_back_as_it_was(
    name: str, sealed: str, parts: list[str], thoughts: list[str]
) -> None:
    item: dict[str, Any] = {
        "type": "reasoning",
        "id": name,
        "summary": summary(*parts),
        "encrypted_content": sealed,
    }
    shown = {**item, "content": [{"type": "reasoning_text", "text": text} for text in thoughts]}
    assert reasoning_item(signature(shown), thinking_text(shown)) == item


def test_without_its_text_the_item_has_none() -> None:
    """As for a client that wants thinking to be omitted."""
    sealed = signature({"id": "rs_1", "summary": summary("So."), "encrypted_content": "x"})
    assert reasoning_item(sealed) == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "encrypted_content": "x",
    }


@pytest.mark.parametrize("text", ["So", "So. And", "So.\n\nThen", "So.\n\nThen.X", "So.Then.", "x"])
def test_a_text_that_was_changed_is_one_part(text: str) -> None:
    sealed = signature({"summary": summary("So.", "Then."), "encrypted_content": "x"})
    item = reasoning_item(sealed, text)
    assert item is not None
    assert item["summary"] == summary(text)


@pytest.mark.parametrize("name", [None, "", "a:b", "x" * 65, 5])
def test_an_id_that_is_none_is_left_out(name: Any) -> None:
    item = reasoning_item(signature({"id": name, "encrypted_content": "x"}))
    assert item == {"type": "reasoning", "summary": [], "encrypted_content": "x"}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "EqQBCgIYAg==",
        MARK,
        f"{MARK}::",
        f"{MARK}rs_1:1,:x",
        f"{MARK}rs_1:a:x",
        "floway:2:rs_1::x",
        signature({"id": "rs_1"}),
        signature({"id": "rs_1", "encrypted_content": 5}),
    ],
)
def test_what_holds_nothing_sealed_is_no_item(given: str) -> None:
    assert reasoning_item(given, "So.") is None
