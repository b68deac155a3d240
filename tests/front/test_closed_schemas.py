"""Schemas that Responses can be strict about."""

from __future__ import annotations

from typing import Any

import pytest

from addons.front.closed_schemas import is_closed

type Json = dict[str, Any]

CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (CLOSED, True),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "required": [["a"]]}, False),
        ({**CLOSED, "required": "a"}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"type": "array", "items": CLOSED}, True),
        ({**CLOSED, "properties": {"a": {"anyOf": [CLOSED, {"type": "object"}]}}}, False),
        ({**CLOSED, "$defs": {"inner": {"type": "object"}}}, False),
        ({**CLOSED, "default": {"properties": {"x": 1}}}, True),
        ({"type": "string", "enum": ["object"]}, True),
    ],
)
def test_schemas_that_can_be_kept_to_the_letter(schema: Json, closed: bool) -> None:
    assert is_closed(schema) is closed
