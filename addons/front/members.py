"""Checks of request members, with errors that name the member and say what it must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from addons.errors import BadRequest
from addons.front.contract import Json

JSON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "string or array": (str, list),
    "string or object": (str, dict),
}
"""Python types by the name of a JSON type."""


def check_members(
    value: Json, members: Mapping[str, str], path: str = "", *, required: bool = False
) -> None:
    """Check the types of an object's members.

    Args:
        members: name -> JSON type (a key of the table above, e.g. ``string or array``).
        path: of ``value`` itself, for the message.
        required: whether the members must be there; else absent and null are fine.

    Raises:
        BadRequest: names the first wrong member.
    """
    for name, wanted in members.items():
        member = value.get(name)
        if member is None and not required:
            continue
        if type(member) not in JSON_TYPES[wanted]:
            raise fault(f"{path}.{name}" if path else name, _article(wanted), member)


def has_type(value: Any, wanted: str) -> bool:
    """Whether a JSON value has a type; true and false are no numbers."""
    types = JSON_TYPES[wanted]
    if isinstance(value, bool) and bool not in types:
        return False
    return isinstance(value, types)


def fault(path: str, wanted: str, value: Any) -> BadRequest:
    """The error for a member of the wrong type, or one that is missing."""
    if value is None:
        return BadRequest(
            "missing_required_parameter", f"`{path}` is required: {wanted}.", param=path
        )
    return BadRequest(
        "invalid_type", f"`{path}` must be {wanted}, not {json_type(value)}.", param=path
    )


def json_type(value: Any) -> str:
    """A value's JSON type with its article, for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _article(wanted: str) -> str:
    return " or ".join(
        f"{'an' if word[0] in 'aio' else 'a'} {word}" for word in wanted.split(" or ")
    )
