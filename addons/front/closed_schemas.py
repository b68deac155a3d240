"""JSON schemas that Responses can be strict about. Other protocols allow more in theirs. Pure."""

from __future__ import annotations

from typing import Any, Final

_NO_SCHEMAS: Final = frozenset(
    {"properties", "$defs", "definitions", "required", "enum", "const", "default", "examples"}
)
"""Members of a schema that are none themselves."""


def is_closed(schema: Any) -> bool:
    """Whether a JSON schema is one that Responses can be strict about: each object in it says that
    there are no other members than those required, and names them all."""
    if isinstance(schema, list):
        return all(is_closed(entry) for entry in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    names = properties if isinstance(properties, dict) else {}
    if schema.get("type") == "object" or names:
        required = schema.get("required")
        listed = required if isinstance(required, list) else []
        named = {name for name in listed if isinstance(name, str)}
        if schema.get("additionalProperties") is not False or set(names) - named:
            return False
    inner = [value for name, value in schema.items() if name not in _NO_SCHEMAS]
    definitions = (schema.get(name) for name in ("$defs", "definitions"))
    for group in (names, *definitions):
        if isinstance(group, dict):
            inner += group.values()
    return all(is_closed(entry) for entry in inner)
