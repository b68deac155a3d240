"""JSON values: their types, their equality, and how they stand where only text can."""

from __future__ import annotations

from typing import Literal

from fingerprints.roles import Json
from fingerprints.serial import dumps

type JsonType = Literal["any", "string", "array", "object", "bool", "number", "int", "null"]
"""``any`` is every type, and ``number`` includes ``int``."""


def same_json(one: Json, other: Json) -> bool:
    """Equality of JSON values: ``true`` is not 1, member order counts."""
    return type(one) is type(other) and dumps(one) == dumps(other)


def json_type(value: Json) -> JsonType:
    """A value's JSON type; never ``any``."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def as_text(value: Json) -> str:
    """A value as a header or a string map holds it."""
    if isinstance(value, str):
        return value
    return dumps(value).decode()


def copied(value: Json) -> Json:
    """As ``copy.deepcopy``, but quick: JSON holds nothing twice."""
    if isinstance(value, dict):
        return {name: copied(member) for name, member in value.items()}
    if isinstance(value, list):
        return [copied(member) for member in value]
    return value
