"""JSON schemas of tools in the plain form that the upstream takes. Pure.

Schemas with ``oneOf``, ``anyOf`` or ``allOf`` were seen to fail a whole run (cursor-protocol.md
§4.3). They become one schema each that allows at least what they allowed, as far as they say what
that is: the tool checks its arguments itself, so a wider schema costs a clear error at most, and a
narrower one would take something away. References are put in place of themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from addons.front.contract import Json

MAX_NODES: Final = 4000
"""Schemas inside a schema; further ones allow anything. References can multiply."""

MAX_ALTERNATIVES: Final = 600
"""Characters of JSON that tell a model of alternatives which the plain form does not."""

_KEPT: Final = frozenset(
    {
        *("type", "properties", "required", "items", "additionalProperties", "enum"),
        *("title", "description", "default", "examples", "format", "pattern"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
        *("minProperties", "maxProperties"),
    }
)
_WORDS: Final = frozenset({"title", "description", "default", "examples"})
"""Keywords that forbid nothing."""

_UNIONS: Final = ("anyOf", "oneOf")


def plain(schema: Any) -> Json:
    """A tool's schema, as an object's. What is no schema allows any object."""
    made = _Cleaner(schema).schema(schema, ()) or {}
    kinds = _types(made)
    if kinds is not None and "object" not in kinds:
        made = {name: made[name] for name in ("title", "description") if name in made}
    rest = {name: value for name, value in made.items() if name not in ("type", "properties")}
    return {"type": "object", "properties": made.get("properties", {}), **rest}


@dataclass(slots=True)
class _Cleaner:
    root: Any
    nodes: int = 0

    def schema(self, given: Any, within: tuple[str, ...]) -> Json | None:
        """One schema; None for one that allows nothing.

        Args:
            within: the references that led here; one that leads to itself allows anything.
        """
        self.nodes += 1
        if given is False:
            return None
        if not isinstance(given, dict) or self.nodes > MAX_NODES:
            return {}
        made = self._own(given, within)
        reference = given.get("$ref")
        if isinstance(reference, str) and reference not in within:
            target = self._target(reference)
            found = self.schema(target, (*within, reference))
            made = _both(made, found or {})
        for part in _schemas(given.get("allOf")):
            made = _both(made, self.schema(part, within) or {})
        for word in _UNIONS:
            alternatives = _schemas(given.get(word))
            found_all = [self.schema(each, within) for each in alternatives]
            cleaned = [each for each in found_all if each is not None]
            if cleaned:
                made = _both(made, _either(cleaned))
        return made

    def _own(self, given: Json, within: tuple[str, ...]) -> Json:
        """The schema without what refers to others."""
        made = {name: value for name, value in given.items() if name in _KEPT}
        if "const" in given:
            made["enum"] = [given["const"]]
        if "properties" in made:
            made["properties"] = self._properties(made["properties"], within)
        if "items" in made:
            # Of a tuple each place has a schema of its own, and they are left out.
            items = self.schema(made.pop("items"), within)
            if isinstance(given["items"], dict) and "prefixItems" not in given:
                made["items"] = items or {}
        extra = made.get("additionalProperties")
        if isinstance(extra, dict):
            made["additionalProperties"] = self.schema(extra, within) or {}
        elif "patternProperties" in given or not isinstance(extra, bool):
            made.pop("additionalProperties", None)
        required = made.get("required")
        if not isinstance(required, list):
            made.pop("required", None)
        return made

    def _properties(self, given: Any, within: tuple[str, ...]) -> Json:
        made: Json = {}
        for name, each in given.items() if isinstance(given, dict) else ():
            found = self.schema(each, within)
            if found is not None:
                made[name] = found
        return made

    def _target(self, reference: str) -> Any:
        """What a reference inside the document means; True (anything) for all others."""
        if not reference.startswith("#"):
            return True
        found = self.root
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                return True
            found = found[name]
        return found


def _schemas(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


# --- this and that -------------------------------------------------------------------------------


def _both(one: Json, two: Json) -> Json:
    """What both allow. Where they say different things of the same, what the first says."""
    made = {**two, **one}
    kinds, others = _types(one), _types(two)
    if kinds is not None and others is not None:
        common = [kind for kind in kinds if kind in others or _is_number(kind, others)]
        common += [kind for kind in others if kind == "integer" and "number" in kinds]
        made["type"] = _written(common or kinds)
    if "properties" in one and "properties" in two:
        made["properties"] = _merged(one["properties"], two["properties"], _both)
    if "required" in one and "required" in two:
        made["required"] = [*one["required"], *_new(two["required"], one["required"])]
    if "enum" in one and "enum" in two:
        made["enum"] = [each for each in one["enum"] if _in(each, two["enum"])] or one["enum"]
    if "items" in one and "items" in two:
        made["items"] = _both(one["items"], two["items"])
    differ = one.get("additionalProperties") != two.get("additionalProperties")
    if differ and not _declares_nothing(one) and not _declares_nothing(two):
        # Each may forbid what the other declares; people do not mean that.
        made.pop("additionalProperties", None)
    return made


def _declares_nothing(schema: Json) -> bool:
    return not ({"type", "properties", "additionalProperties"} & schema.keys())


def _is_number(kind: str, others: Sequence[str]) -> bool:
    return kind == "integer" and "number" in others


# --- this or that --------------------------------------------------------------------------------


def _either(given: Sequence[Json]) -> Json:
    """What at least one allows, of what they declare."""
    if len(given) == 1:
        return given[0]
    made: Json = {}
    kinds = [_types(each) for each in given]
    known = [kind for each in kinds if each is not None for kind in each]
    if all(each is not None for each in kinds):
        made["type"] = _written(list(dict.fromkeys(known)))
    objects = [each for each in given if _may_be(each, "object")]
    arrays = [each for each in given if _may_be(each, "array")]
    _unite_objects(made, objects)
    items = [each["items"] for each in arrays if "items" in each]
    if items and len(items) == len(arrays):
        made["items"] = _either(items)
    allowed = [_values(each) for each in given]
    if all(each is not None for each in allowed):
        united: list[Any] = []
        for each in allowed:
            united += _new(each or (), united)
        made["enum"] = united
    # What only one kind of value has to do with, and only one alternative says.
    speaking = [each for each in given if each != {"type": "null"}]
    if len(speaking) == 1:
        return {**speaking[0], **made}
    told = _told(given, objects)
    if told:
        made["description"] = told
    return made


def _unite_objects(made: Json, objects: Sequence[Json]) -> None:
    properties: Json = {}
    for each in objects:
        properties = _merged(properties, each.get("properties", {}), lambda a, b: _either([a, b]))
    if properties:
        made["properties"] = properties
    required = [each.get("required", []) for each in objects]
    if required:
        common = [name for name in required[0] if all(name in each for each in required[1:])]
        if common:
            made["required"] = common
    if objects and all(each.get("additionalProperties") is False for each in objects):
        made["additionalProperties"] = False


def _told(given: Sequence[Json], objects: Sequence[Json]) -> str:
    """The alternatives in words, where the plain form loses which belongs to which."""
    shaped = [each for each in objects if each.keys() & {"properties", "required"}]
    if len(shaped) < 2:
        return "; or: ".join(
            dict.fromkeys(each["description"] for each in given if each.get("description"))
        )
    text = json.dumps(list(given), ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_ALTERNATIVES:
        shapes = [{"required": each.get("required", [])} for each in shaped]
        text = json.dumps(shapes, ensure_ascii=False, separators=(",", ":"))
    return f"One of these: {text}" if len(text) <= MAX_ALTERNATIVES else ""


def _values(schema: Json) -> list[Any] | None:
    """The only values that are allowed; None where others are."""
    if schema.get("type") == "null":
        return [None]
    found = schema.get("enum")
    return found if isinstance(found, list) else None


def _may_be(schema: Json, kind: str) -> bool:
    kinds = _types(schema)
    return kinds is None or kind in kinds


# --- small parts ---------------------------------------------------------------------------------


def _merged(one: Json, two: Json, join: Any) -> Json:
    made = {**one}
    for name, schema in two.items():
        made[name] = join(made[name], schema) if name in made else schema
    return made


def _types(schema: Json) -> list[str] | None:
    """The types that are allowed; None: all."""
    given = schema.get("type")
    if isinstance(given, str):
        return [given]
    return [each for each in given if isinstance(each, str)] if isinstance(given, list) else None


def _written(kinds: Sequence[str]) -> str | list[str]:
    return kinds[0] if len(kinds) == 1 else list(kinds)


def _new(given: Iterable[Any], known: Sequence[Any]) -> list[Any]:
    made: list[Any] = []
    for each in given:
        if not _in(each, known) and not _in(each, made):
            made.append(each)
    return made


def _in(value: Any, values: Iterable[Any]) -> bool:
    """As JSON has it: 1 is not true."""
    return any(type(value) is type(each) and value == each for each in values)
