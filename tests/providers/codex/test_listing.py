"""This provider's part of the list of all models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.providers.codex.listing import published


def test_the_published_form() -> None:
    rows = [
        {"id": "m", "object": "model", "created": 7, "owned_by": "them"},
        {"id": "n"},
        {"object": "model"},
        "odd",
    ]
    entries = published({"object": "list", "data": rows})
    assert [(entry.id, entry.created, entry.owned_by) for entry in entries] == [
        ("m", 7, "them"),
        ("n", 0, ""),
    ]


@pytest.mark.parametrize("document", [None, [], {}, {"data": {}}, "x"])
def test_what_is_no_list_has_no_entries(document: Any) -> None:
    assert published(document) == []


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["data", "id", "created"]), inner)
        ),
    )
)
def test_anything_can_be_read(document: Any) -> None:
    assert all(isinstance(entry.id, str) for entry in published(document))
