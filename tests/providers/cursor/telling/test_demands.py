"""The form of the answer, in words."""

from __future__ import annotations

from typing import Any

import pytest

from addons.providers.cursor.telling.demands import demanded


@pytest.mark.parametrize(
    "body",
    [{}, {"text": None}, {"text": {"verbosity": "low"}}, {"text": {"format": {"type": "text"}}}],
)
def test_any_text_will_do(body: dict[str, Any]) -> None:
    assert demanded(body) == ""


def test_json_is_demanded_in_words() -> None:
    assert demanded({"text": {"format": {"type": "json_object"}}}).startswith(
        "Answer with one JSON"
    )
    schema = {"type": "object", "properties": {"ü": {"type": "string"}}}
    form = {"type": "json_schema", "name": "answer", "schema": schema}
    told = demanded({"text": {"format": form}})
    assert told.endswith('schema:\n{"type":"object","properties":{"ü":{"type":"string"}}}')
