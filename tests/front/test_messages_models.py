"""The list of models in Anthropic's form."""

from __future__ import annotations

import pytest
from anthropic.types import ModelInfo

from addons.errors import ClientError
from addons.front.messages_models import model_page, one_info
from addons.front.models import ModelEntry

ENTRIES = [
    ModelEntry("a", created=1_700_000_000, context_window=9, extras={"display_name": "A"}),
    ModelEntry("x/b", max_output_tokens=7),
    ModelEntry("a", owned_by="another"),
]


def test_a_page() -> None:
    page = model_page(ENTRIES)
    assert page == {
        "data": [
            {
                "type": "model",
                "id": "a",
                "display_name": "A",
                "created_at": "2023-11-14T22:13:20Z",
                "lifecycle": "active",
                "max_input_tokens": 9,
                "max_tokens": None,
            },
            {
                "type": "model",
                "id": "x/b",
                "display_name": "x/b",
                "created_at": "1970-01-01T00:00:00Z",
                "lifecycle": "active",
                "max_input_tokens": None,
                "max_tokens": 7,
            },
        ],
        "has_more": False,
        "first_id": "a",
        "last_id": "x/b",
    }
    for entry in page["data"]:
        ModelInfo.model_validate(entry)
    empty = model_page([])
    assert (empty["data"], empty["first_id"], empty["last_id"]) == ([], None, None)


def test_one() -> None:
    assert one_info(ENTRIES, "a")["display_name"] == "A"
    assert one_info(ENTRIES, "x%2Fb")["id"] == one_info(ENTRIES, "x/b")["id"] == "x/b"
    with pytest.raises(ClientError) as caught:
        one_info(ENTRIES, "c")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
