"""Samples of JSON schemas, judged by pydantic, which made the schemas."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from replay.sandbox.schema_sample import Unsatisfiable, sample


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    children: list[Step] = Field(max_length=3)
    parent: Step | None


class Report(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: Annotated[str, Field(min_length=3, max_length=5)]
    kind: Literal["good", "bad"]
    score: Annotated[float, Field(gt=0, lt=1)]
    count: Annotated[int, Field(ge=7, multiple_of=5)]
    when: datetime
    day: date
    id: UUID
    steps: Annotated[list[Step], Field(min_length=2)]
    either: int | str | None
    table: dict[str, int]
    pair: tuple[int, str]
    choices: Annotated[set[Literal["a", "b", "c"]], Field(min_length=2)]
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


def test_a_schema_with_everything() -> None:
    value = sample(Report.model_json_schema())
    Report.model_validate_json(json.dumps(value))


KINDS: list[Any] = [
    int,
    float,
    bool,
    str,
    None,
    list[int],
    dict[str, bool],
    Literal[3, "x"],
    int | None,
    Step,
    Annotated[int, Field(gt=3, lt=5)],
    Annotated[int, Field(ge=-20, le=-10, multiple_of=4)],
    Annotated[float, Field(gt=0.25, lt=0.26)],
    Annotated[str, Field(min_length=20)],
    Annotated[str, Field(max_length=2)],
    Annotated[list[bool], Field(min_length=2, max_length=2)],
    Annotated[list[str], Field(max_length=0)],
]


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), st.text(min_size=1, max_size=30))
def test_any_model_of_these_kinds(kinds: list[Any], text: str) -> None:
    fields: dict[str, Any] = {f"member{number}": (kind, ...) for number, kind in enumerate(kinds)}
    model = create_model("Made", __config__=ConfigDict(extra="forbid"), **fields)
    model.model_validate_json(json.dumps(sample(model.model_json_schema(), text=text)))


def test_free_text_is_the_given_text() -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    assert sample(schema, text="hello") == {"answer": "hello"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": None}, None),
        ({"enum": [4, 5]}, 4),
        ({"allOf": [{"type": "integer", "minimum": 5}, {"minimum": 9}]}, 9),
        ({"oneOf": [{"type": "integer", "minimum": 2, "maximum": 1}, {"type": "null"}]}, None),
        ({"type": ["null", "string"]}, None),
        ({"minItems": 2, "items": {"type": "boolean"}, "uniqueItems": True}, [True, False]),
        (
            {"type": "object", "minProperties": 1, "additionalProperties": {"const": 1}},
            {"extra0": 1},
        ),
    ],
)
def test_values(schema: Any, expected: Any) -> None:
    assert sample(schema) == expected


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (False, "allows no value"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no number between"),
        ({"type": "object", "properties": {"a": False}, "required": ["a"]}, r"\$\.a"),
        ({"$ref": "#/$defs/none"}, "points nowhere"),
        ({"$ref": "https://example.com/x"}, "only local references"),
        ({"type": "thing"}, "unknown type"),
        ({"type": "string", "pattern": "^[\\u4e00]{40}$"}, "no text was found"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "holds itself"),
    ],
)
def test_the_impossible_is_named(schema: Any, message: str) -> None:
    with pytest.raises(Unsatisfiable, match=message):
        sample(schema)


def test_a_wide_recursive_schema_is_quick_and_finite() -> None:
    names = [f"n{number}" for number in range(12)]
    node = {"type": "object", "properties": {name: {"$ref": "#/$defs/node"} for name in names}}
    value = sample({"$defs": {"node": node}, "$ref": "#/$defs/node"})
    assert value == {}


def test_a_schema_that_doubles_is_refused_and_not_expanded() -> None:
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for number in range(1, 20):
        part = {"$ref": f"#/$defs/d{number - 1}"}
        definitions[f"d{number}"] = {
            "type": "object",
            "properties": {"a": part, "b": part},
            "required": ["a", "b"],
        }
    with pytest.raises(Unsatisfiable, match="more than"):
        sample({"$defs": definitions, "$ref": "#/$defs/d19"})


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_numbers_stay_inside_their_limits(low: float, high: float) -> None:
    schema = {"type": "number", "minimum": min(low, high), "maximum": max(low, high)}
    assert min(low, high) <= sample(schema) <= max(low, high)
    adapter = TypeAdapter(Annotated[float, Field(gt=min(low, high), lt=max(low, high))])
    if abs(high - low) > 1e-3:
        adapter.validate_python(sample(adapter.json_schema()))


def test_pattern_guesses_match() -> None:
    for pattern in (r"^\d+$", r"^[a-z]+$", r"^v?\d+\.\d+\.\d+$", r"^#[0-9a-f]{6}$", r".+@.+"):
        assert re.search(pattern, sample({"type": "string", "pattern": pattern}))
