"""A value that satisfies a JSON schema: the scripted model's structured output.

Deterministic. Covers what strict structured outputs may use (object, array, scalar types, enum,
const, anyOf, allOf, $ref with $defs, recursion through optional branches, the string and number
limits) and the common rest; ``pattern`` is met for a few usual shapes only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 64
MAX_NODES = 20_000
_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
}
_PATTERN_GUESSES = (
    "a",
    "A",
    "1",
    "a1",
    "abc",
    "ABC",
    "123",
    "2026-01-02",
    "x@example.com",
    "#aabbcc",
    "v1.0.0",
    "1.0.0",
    "+15550100",
    "",
)


class Unsatisfiable(ValueError):
    """No value was found; the message names the place in the schema."""


def sample(schema: Any, *, text: str = "sandbox") -> Any:
    """A value for a schema.

    Args:
        text: put into strings that have no limits of their own.

    Raises:
        Unsatisfiable: the schema is contradictory, endless, or beyond what this covers.
    """
    return _Sampler(schema, text).value(schema, "$", 0)


class _Sampler:
    def __init__(self, root: Any, text: str) -> None:
        self._root = root
        self._text = text
        self._active: list[str] = []
        self._visited = 0

    def value(self, schema: Any, path: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise Unsatisfiable(f"{path}: deeper than {MAX_DEPTH} levels")
        self._visited += 1
        if self._visited > MAX_NODES:
            raise Unsatisfiable(f"{path}: more than {MAX_NODES} parts")
        if schema is True or schema == {}:
            return self._text
        if not isinstance(schema, dict):
            raise Unsatisfiable(f"{path}: {schema!r} allows no value")
        if "$ref" in schema:
            return self._referenced(schema, path, depth)
        if "allOf" in schema:
            merged = {key: value for key, value in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                if isinstance(part, dict) and "$ref" in part:
                    part = self._resolve(part["$ref"], path)
                merged = _merge(merged, part)
            return self.value(merged, path, depth + 1)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._branches(schema, word, path, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        return self._typed(schema, path, depth)

    def _referenced(self, schema: dict[str, Any], path: str, depth: int) -> Any:
        reference = schema["$ref"]
        if reference in self._active:
            # The smallest value of a recursive schema never needs a definition inside itself.
            raise Unsatisfiable(f"{path}: {reference} holds itself")
        target = self._resolve(reference, path)
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        self._active.append(reference)
        try:
            merged = _merge(target, siblings) if _constrains(siblings) else target
            return self.value(merged, path, depth + 1)
        finally:
            self._active.pop()

    def _branches(self, schema: dict[str, Any], word: str, path: str, depth: int) -> Any:
        base = {key: value for key, value in schema.items() if key != word}
        errors = []
        for number, branch in enumerate(schema[word]):
            merged = _merge(base, branch) if isinstance(branch, dict) else branch
            try:
                return self.value(merged, f"{path}.{word}[{number}]", depth + 1)
            except Unsatisfiable as error:
                errors.append(str(error))
        raise Unsatisfiable(errors[0] if errors else f"{path}: {word} is empty")

    def _resolve(self, reference: Any, path: str) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise Unsatisfiable(f"{path}: only local references are followed, not {reference!r}")
        found = self._root
        for part in filter(None, reference.removeprefix("#").split("/")):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise Unsatisfiable(f"{path}: {reference} points nowhere")
            found = found[name]
        return found

    def _typed(self, schema: dict[str, Any], path: str, depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            errors = []
            for one in kind:
                try:
                    return self._typed({**schema, "type": one}, path, depth)
                except Unsatisfiable as error:
                    errors.append(str(error))
            raise Unsatisfiable(errors[0] if errors else f"{path}: type is empty")
        if kind is None:
            kind = _implied_type(schema)
        match kind:
            case "object":
                return self._object(schema, path, depth)
            case "array":
                return self._array(schema, path, depth)
            case "string":
                return self._string(schema, path)
            case "integer" | "number":
                return _number(schema, path, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
        raise Unsatisfiable(f"{path}: unknown type {kind!r}")

    def _object(self, schema: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        value: dict[str, Any] = {}
        for name, part in properties.items():
            try:
                value[name] = self.value(part, f"{path}.{name}", depth + 1)
            except Unsatisfiable:
                if name in required:
                    raise
        extra = schema.get("additionalProperties", True)
        for name in required:
            if name not in value:
                value[name] = self.value(extra, f"{path}.{name}", depth + 1)
        for number in range(int(schema.get("minProperties", 0)) - len(value)):
            value[f"extra{number}"] = self.value(extra, f"{path}.extra", depth + 1)
        return value

    def _array(self, schema: dict[str, Any], path: str, depth: int) -> list[Any]:
        prefix = schema.get("prefixItems") or []
        value = [
            self.value(part, f"{path}[{number}]", depth + 1) for number, part in enumerate(prefix)
        ]
        items = schema.get("items", True)
        least = int(schema.get("minItems", 0))
        most = int(schema.get("maxItems", max(least, 1)))
        for number in range(len(value), min(max(least, 1), most)):
            try:
                item = self.value(items, f"{path}[{number}]", depth + 1)
            except Unsatisfiable:
                if number >= least:
                    break
                raise
            if schema.get("uniqueItems") and item in value:
                item = self._other(item, items, value, path)
            value.append(item)
        return value[:most]

    def _other(self, item: Any, items: Any, taken: list[Any], path: str) -> Any:
        """Another item for an array whose items must differ."""
        choices = items.get("enum", []) if isinstance(items, dict) else []
        if not choices:
            number = len(taken)
            choices = [f"{item}{number}"] if isinstance(item, str) else []
            if isinstance(item, int | float) and not isinstance(item, bool):
                step = items.get("multipleOf", 1) if isinstance(items, dict) else 1
                choices = [item + step * number]
            elif isinstance(item, bool):
                choices = [not item]
        for choice in choices:
            if choice not in taken:
                return choice
        raise Unsatisfiable(f"{path}: no further unique item")

    def _string(self, schema: dict[str, Any], path: str) -> str:
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
        if "pattern" in schema:
            for guess in (*_PATTERN_GUESSES, self._text):
                fits = least <= len(guess) and (most is None or len(guess) <= most)
                if fits and re.search(schema["pattern"], guess):
                    return guess
            raise Unsatisfiable(f"{path}: no text was found for pattern {schema['pattern']!r}")
        text = _FORMATS.get(schema.get("format", ""), self._text)
        text = text.ljust(least, ".")
        return text if most is None else text[: int(most)]


def _number(schema: dict[str, Any], path: str, *, whole: bool) -> int | float:
    low = schema.get("minimum", -math.inf)
    high = schema.get("maximum", math.inf)
    step = schema.get("multipleOf", 1 if whole else None)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if isinstance(above, int | float) and not isinstance(above, bool):
        low = max(low, above + (step or 0.001 * max(1.0, abs(above))))
    if isinstance(below, int | float) and not isinstance(below, bool):
        high = min(high, below - (step or 0.001 * max(1.0, abs(below))))
    if low > high:
        between = [bound for bound in (above, below) if bound is not None]
        if step is None and len(between) == 2:
            return float(sum(between)) / 2
        raise Unsatisfiable(f"{path}: no number between {low} and {high}")
    number: int | float = 1 if low <= 1 <= high else (low if low > 1 else high)
    if step:
        number = math.ceil(number / step) * step
        if number > high:
            number = math.floor(high / step) * step
        if number < low:
            raise Unsatisfiable(f"{path}: no multiple of {step} between {low} and {high}")
    return int(number) if whole else number


def _implied_type(schema: Mapping[str, Any]) -> str:
    for kind, words in (
        ("object", ("properties", "required", "additionalProperties", "minProperties")),
        ("array", ("items", "prefixItems", "minItems", "maxItems", "uniqueItems")),
        ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
    ):
        if any(word in schema for word in words):
            return kind
    return "string"


def _constrains(schema: Mapping[str, Any]) -> bool:
    return bool(set(schema) - {"title", "description", "default", "examples", "$defs"})


def _merge(first: Any, second: Any) -> Any:
    """Both schemas at once, as far as that can be written down as one."""
    if not isinstance(first, dict):
        return second if first is True else first
    if not isinstance(second, dict):
        return first if second is True else second
    merged = {**first, **second}
    if "properties" in first and "properties" in second:
        merged["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        merged["required"] = [*first["required"], *second["required"]]
    for word, choose in (
        ("minimum", max),
        ("minLength", max),
        ("minItems", max),
        ("maximum", min),
        ("maxLength", min),
        ("maxItems", min),
    ):
        if word in first and word in second:
            merged[word] = choose(first[word], second[word])
    if "enum" in first and "enum" in second:
        merged["enum"] = [value for value in first["enum"] if value in second["enum"]]
    return merged
