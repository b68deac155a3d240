"""Schemas without combinators and references: they allow what the given ones declared."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.telling.schemas import MAX_NODES, plain

type Json = dict[str, Any]
type Pair = tuple[Json, Any]
"""A schema, and a value that it declares."""

STRING: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}


def obj(required: list[str] | None = None, **properties: Any) -> Json:
    made: Json = {"type": "object", "properties": properties}
    return made if required is None else {**made, "required": required}


def member(schema: Any, **more: Any) -> Any:
    """What becomes of a schema inside one."""
    return plain({**obj(x=schema), **more})["properties"]["x"]


def test_a_plain_schema_stays() -> None:
    schema = {
        **obj(["a"], a={"type": "string", "enum": ["x", "y"], "description": "d"}),
        "additionalProperties": False,
    }
    assert plain(schema) == schema


@pytest.mark.parametrize("given", [None, {}, True, 7, {"type": "string"}, {"$schema": "x"}])
def test_every_tool_takes_an_object(given: Any) -> None:
    assert plain(given) == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"anyOf": [STRING]}, STRING),
        ({"anyOf": [STRING, {"type": "null"}]}, {"type": ["string", "null"]}),
        ({"oneOf": [STRING, NUMBER]}, {"type": ["string", "number"]}),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, {"enum": ["a", "b"]}),
        (
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"anyOf": [STRING, {"type": "array", "items": STRING}], "description": "d"},
            {"type": ["string", "array"], "items": STRING, "description": "d"},
        ),
        ({"anyOf": [{"type": "string", "enum": ["a"]}, STRING]}, STRING),
        ({"anyOf": [{}, STRING]}, {}),
        ({"anyOf": [False, STRING]}, STRING),
        ({"anyOf": "?"}, {}),
        ({"allOf": [NUMBER, {"minimum": 1}]}, {"type": "number", "minimum": 1}),
        ({"allOf": [NUMBER, {"type": "integer"}]}, {"type": "integer"}),
        ({"allOf": [{"type": ["string", "null"]}, STRING]}, STRING),
        ({"allOf": [{"enum": [1, True, 2]}, {"enum": [True, 2, 3]}]}, {"enum": [True, 2]}),
        ({"const": 1}, {"enum": [1]}),
        ({"type": "string", "not": {"enum": ["a"]}, "if": {}, "then": False}, STRING),
        ({"type": "array", "prefixItems": [STRING], "items": False}, {"type": "array"}),
        ({"type": "array", "items": [STRING, NUMBER]}, {"type": "array"}),
        (
            {"type": "object", "patternProperties": {"^x": {}}, "additionalProperties": False},
            {"type": "object"},
        ),
        (
            {"type": "object", "additionalProperties": {"anyOf": [STRING]}},
            {"type": "object", "additionalProperties": STRING},
        ),
    ],
)
def test_one_plain_schema_says_the_same_or_a_little_more(given: Json, wanted: Json) -> None:
    assert member(given) == wanted


def test_a_member_that_allows_nothing_goes() -> None:
    assert plain(obj(a=False, b=True)) == obj(b={})


def test_alternative_objects_become_one_and_are_told() -> None:
    one = {**obj(["kind", "path"], kind={"const": "file"}, path=STRING)}
    two = {**obj(["kind", "url"], kind={"const": "web"}, url=STRING)}
    made = plain({"anyOf": [one, two]})
    assert made["properties"] == {"kind": {"enum": ["file", "web"]}, "path": STRING, "url": STRING}
    assert made["required"] == ["kind"]
    assert made["description"].startswith('One of these: [{"type":"object"')


def test_long_alternatives_are_told_by_what_they_require() -> None:
    shapes = [obj([name], **{name: {**STRING, "description": "x" * 400}}) for name in "ab"]
    told = plain({"anyOf": shapes})["description"]
    assert told == 'One of these: [{"required":["a"]},{"required":["b"]}]'
    many = [obj([name * 200]) for name in "abcd"]
    assert "description" not in plain({"anyOf": many})


def test_members_of_all_parts_come_together() -> None:
    base = {**obj(["a"], a=STRING), "additionalProperties": False}
    made = plain({"allOf": [base, obj(["b"], b=NUMBER)]})
    assert made == obj(["a", "b"], a=STRING, b=NUMBER)
    alternatives = [{"required": ["a"]}, {"required": ["b"]}]
    either = {**obj(a=STRING, b=STRING), "additionalProperties": False, "anyOf": alternatives}
    assert plain(either)["additionalProperties"] is False
    assert "required" not in plain(either)


def test_references_are_put_in_place() -> None:
    defs = {"$defs": {"name/x": {**STRING, "title": "t"}}}
    reference = {"$ref": "#/$defs/name~1x", "description": "d"}
    assert member(reference, **defs) == {"type": "string", "title": "t", "description": "d"}
    assert member({"$ref": "https://example.com/x"}) == {}
    assert member({"$ref": "#/$defs/none"}) == {}


def test_a_reference_to_itself_ends() -> None:
    node = obj(next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})
    made = member({"$ref": "#/$defs/node"}, **{"$defs": {"node": node}})
    assert made["properties"]["next"] == {}
    assert plain({"$ref": "#"}) == {"type": "object", "properties": {}}


def test_references_that_multiply_end() -> None:
    defs: Json = {"n0": STRING}
    for level in range(1, 30):
        below = {"$ref": f"#/$defs/n{level - 1}"}
        defs[f"n{level}"] = obj(a=below, b=below)
    made = plain({"$ref": "#/$defs/n29", "$defs": defs})
    assert len(json.dumps(made)) < 100 * MAX_NODES


def test_names_of_members_may_be_keywords() -> None:
    schema = obj(["anyOf"], anyOf=STRING, properties=obj(oneOf=NUMBER), const={"enum": [{"a": 1}]})
    assert plain(schema) == schema


# --- properties ----------------------------------------------------------------------------------

NAMES = ["a", "b", "c"]
scalars = st.sampled_from(
    [(STRING, "s"), (NUMBER, 1.5), ({"type": "integer"}, 2), ({"type": "null"}, None)]
)
fixed = st.sampled_from(["x", "y", 1, True, None])
constants = fixed.map(lambda value: ({"const": value}, value))
enums = fixed.map(lambda value: ({"enum": [value, "z"]}, value))


def _objects(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def made(members: dict[str, tuple[Json, Any]], required: bool, closed: bool) -> Pair:
        schema = obj(list(members) if required else None, **{n: s for n, (s, _) in members.items()})
        value = {name: value for name, (_, value) in members.items()}
        return ({**schema, "additionalProperties": False} if closed else schema), value

    members = st.dictionaries(st.sampled_from(NAMES), inner, max_size=2)
    return st.builds(made, members, st.booleans(), st.booleans())


def _alternatives(
    inner: st.SearchStrategy[Pair],
) -> st.SearchStrategy[Pair]:
    """Of several, the value of one."""

    def made(given: list[Pair], word: str, which: int) -> Pair:
        return {word: [schema for schema, _ in given]}, given[which % len(given)][1]

    several = st.lists(inner, min_size=1, max_size=3)
    return st.builds(made, several, st.sampled_from(["anyOf", "oneOf"]), st.integers(0, 2))


def _arrays(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    return inner.map(lambda pair: ({"type": "array", "items": pair[0]}, [pair[1]]))


def _referred(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    return inner.map(lambda pair: ({"allOf": [pair[0], {"description": "d"}]}, pair[1]))


schemas = st.recursive(
    scalars | constants | enums,
    lambda inner: _objects(inner) | _alternatives(inner) | _arrays(inner) | _referred(inner),
    max_leaves=8,
)


@settings(max_examples=120)
@given(_objects(schemas) | _alternatives(_objects(schemas)))
def test_what_a_schema_declares_is_still_allowed(pair: Pair) -> None:
    schema, value = pair
    made = plain(schema)
    assert allows(made, value), made
    assert not _combinators(made)
    assert plain(made) == made


def allows(schema: Json, value: Any) -> bool:
    """A small validator of plain schemas."""
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds is not None and not any(_is(value, kind) for kind in kinds):
        return False
    if "enum" in schema and json.dumps(value) not in map(json.dumps, schema["enum"]):
        return False
    if isinstance(value, dict):
        declared = schema.get("properties", {})
        if not set(schema.get("required", ())) <= value.keys():
            return False
        if schema.get("additionalProperties") is False and not value.keys() <= declared.keys():
            return False
        return all(allows(declared.get(name, {}), each) for name, each in value.items())
    if isinstance(value, list):
        return all(allows(schema.get("items", {}), each) for each in value)
    return True


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "null":
            return value is None
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict) if kind == "object" else isinstance(value, bool)


def _combinators(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    if schema.keys() & {"anyOf", "oneOf", "allOf", "$ref", "const"}:
        return True
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("extra")]
    return any(map(_combinators, inner))
