"""JSON as ``google.protobuf.Value``, the form of tools' schemas and arguments. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value

MAX_DEPTH: Final = 24
"""Levels of JSON. A level is three messages deep, and protobuf readers stop at a hundred."""


def value(given: Any, depth: int = MAX_DEPTH) -> Value:
    """A JSON value; what is nested deeper than ``depth`` goes as its JSON text."""
    match given:
        case None:
            return Value(null_value=NullValue.NULL_VALUE)
        case bool():
            return Value(bool_value=given)
        case int() | float():
            return Value(number_value=_double(given))
        case str():
            return Value(string_value=_sound(given))
        case dict() | list() if depth == 0:
            return Value(string_value=json.dumps(given, ensure_ascii=False))
        case dict():
            fields = {_sound(name): value(member, depth - 1) for name, member in given.items()}
            return Value(struct_value=Struct(fields=fields))
        case list():
            return Value(
                list_value=ListValue(values=[value(member, depth - 1) for member in given])
            )
        case _:
            raise TypeError(f"not a JSON value: {type(given).__name__}")


def members(given: dict[str, Any]) -> dict[str, Value]:
    """The members of a JSON object, each for itself: a call's arguments."""
    return {_sound(name): value(member) for name, member in given.items()}


def _sound(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _double(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer of more than 300 digits
        return float("inf") if number > 0 else float("-inf")
