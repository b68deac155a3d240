from __future__ import annotations

import pytest
from openai.types import Model

from addons.errors import ClientError
from addons.front.models import ModelEntry, model_list, one_model

ENTRIES = [
    ModelEntry("big", created=1_700_000_000, owned_by="someone", context_window=400_000),
    ModelEntry("vendor/small", extras={"display_name": "Small", "id": "other", "object": "x"}),
    ModelEntry("big", owned_by="someone else"),
]


def test_the_list() -> None:
    assert model_list(ENTRIES) == {
        "object": "list",
        "data": [
            {
                "id": "big",
                "object": "model",
                "created": 1_700_000_000,
                "owned_by": "someone",
                "context_window": 400_000,
            },
            {
                "id": "vendor/small",
                "object": "model",
                "created": 0,
                "owned_by": "",
                "display_name": "Small",
            },
        ],
    }
    for shown in model_list(ENTRIES)["data"]:
        Model.model_validate(shown, strict=True)


@pytest.mark.parametrize("asked", ["vendor/small", "vendor%2Fsmall"])
def test_one(asked: str) -> None:
    assert one_model(ENTRIES, asked)["id"] == "vendor/small"


def test_an_unknown_one() -> None:
    with pytest.raises(ClientError, match="'huge' does not exist") as caught:
        one_model(ENTRIES, "huge")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    assert caught.value.param == "model"
