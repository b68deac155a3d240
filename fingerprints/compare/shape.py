"""What a value looks like when that which is new in every run is taken out of it.

``01a1fc66-ec12-7253-82f1-d195e2814331:0`` has the shape ``‹uuid 7›:0``. Two good runs of a client
differ inside the brackets only, so a shape says more than "a string", and a candidate with another
shape departs from them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeGuard

from fingerprints.matchers import (
    AnyOf,
    Bool,
    Const,
    Content,
    Enum,
    Int,
    Matcher,
    Opaque,
    Text,
    TimeMs,
    Uuid,
    as_text,
    compact,
    json_type,
    same_json,
)
from fingerprints.roles import Json

_MILLISECONDS = range(1_000_000_000_000, 4_102_444_800_000)
_SECONDS = range(1_000_000_000, 4_102_444_800)
_WORD = 40
_FEW = 3

_NUMBERED = re.compile(r"⟨([a-z]+):\d+⟩")
_VARIABLE = re.compile(
    r"""
      (?P<numbered>⟨[a-z]+:\d+⟩)
    | (?P<digest>⟨(?:text|binary):\d+:[0-9a-f]+⟩)
    | (?P<uuid>(?<![0-9A-Za-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}
        (?![0-9A-Za-z]))
    | (?P<stamp>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)
    | (?P<random>(?<![A-Za-z0-9])(?=[A-Za-z0-9+/_]*\d)(?=[A-Za-z0-9+/_]*[A-Za-z])
        [A-Za-z0-9+/_]{20,}={0,2})
    | (?P<padded>(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{20,}={1,2})
    | (?P<milliseconds>(?<!\d)1\d{12}(?!\d))
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=65536)
def shape(text: str) -> str:
    """A text with ids, times, tokens and placeholders replaced by their kind in ‹›."""
    return _VARIABLE.sub(_kind, text)


def _kind(match: re.Match[str]) -> str:
    text = match[0]
    match match.lastgroup:
        case "numbered" | "digest":
            return f"‹{text[1:].partition(':')[0]}›"
        case "uuid":
            return f"‹uuid {int(text[14], 16)}›"
        case "stamp":
            return "‹time›"
        case "random" | "padded":
            return f"‹token of {len(text)}›"
        case _:
            return "‹time_ms›"


def settled(value: Json) -> Json:
    """A value without the numbers of its placeholders, which count within one trace only."""
    return _NUMBERED.sub(r"⟨\1⟩", value) if isinstance(value, str) and "⟨" in value else value


def is_identifier(value: Json) -> bool:
    """Whether two places that hold this value are hardly equal by chance."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return value >= 10_000_000
    return isinstance(value, str) and ("‹" in shape(value) or len(value) >= 16)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the goldens say of a value.

    Attributes:
        op: ``const``, ``shape``, ``time_ms``, ``seconds``, ``int``, ``number``, ``bool``, ``text``,
            ``types``.
        detail: the constant, the shape, or the JSON types.
    """

    op: str
    detail: Json = None

    def accepts(self, value: Json) -> bool:
        """Whether the value is one that the goldens could have had."""
        match self.op:
            case "const":
                return same_json(settled(value), self.detail)
            case "shape":
                return isinstance(value, str) and shape(value) == self.detail
            case "time_ms":
                return _is_int(value) and value in _MILLISECONDS
            case "seconds":
                return _is_number(value) and int(value) in _SECONDS
            case "int":
                return _is_int(value)
            case "number":
                return _is_number(value)
            case "bool":
                return isinstance(value, bool)
            case "text":
                return isinstance(value, str)
            case _:
                return isinstance(self.detail, list) and json_type(value) in self.detail

    def __str__(self) -> str:
        match self.op:
            case "const":
                return as_text(self.detail)
            case "shape":
                return str(self.detail)
            case "text":
                return "‹any text›"
            case "types":
                return f"‹{' or '.join(map(str, self.detail or []))}›"  # type: ignore[arg-type]
            case _:
                return f"‹{self.op}›"


def pattern(values: Sequence[Json]) -> Pattern:
    """The narrowest pattern that accepts every value.

    Args:
        values: of one path in the goldens, at least one. A single one cannot show what varies; then
            what looks like an id, a time or a placeholder is taken to vary within its kind.
    """
    first = settled(values[0])
    if all(same_json(settled(value), first) for value in values[1:]):
        return _of_one(first) if len(values) == 1 else Pattern("const", first)
    types = sorted({json_type(value) for value in values})
    if types == ["string"]:
        shapes = {shape(str(value)) for value in values}
        return Pattern("shape", shapes.pop()) if len(shapes) == 1 else Pattern("text")
    if types == ["int"]:
        times = all(value in _MILLISECONDS for value in values)
        seconds = all(value in _SECONDS for value in values)
        return Pattern("time_ms" if times else "seconds" if seconds else "int")
    if types == ["number"]:
        seconds = all(int(value) in _SECONDS for value in values)  # type: ignore[arg-type]
        return Pattern("seconds" if seconds else "number")
    if set(types) <= {"int", "number"}:
        return Pattern("number")
    if types == ["bool"]:
        return Pattern("bool")
    return Pattern("types", list(types))


def _of_one(value: Json) -> Pattern:
    if isinstance(value, str):
        found = shape(value)
        found = re.sub(r"⟨([a-z]+)⟩", r"‹\1›", found)
        return Pattern("shape", found) if found != value else Pattern("const", value)
    if _is_int(value) and value in _MILLISECONDS:
        return Pattern("time_ms")
    if _is_number(value) and int(value) in _SECONDS:
        return Pattern("seconds")
    return Pattern("const", value)


def _is_number(value: Json) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_int(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def covering(values: Sequence[Json]) -> Matcher:
    """The narrowest matcher of a profile that accepts every value: what to write into a rule."""
    distinct: list[Json] = []
    for value in values:
        if not any(same_json(value, other) for other in distinct):
            distinct.append(value)
    types = sorted({json_type(value) for value in distinct})
    if len(distinct) == 1:
        return Const(value=distinct[0])
    if types == ["string"]:
        return _covering_text([str(value) for value in distinct])
    if types == ["int"]:
        return TimeMs() if all(_is_time(value) for value in distinct) else Int()
    if types == ["bool"]:
        return Bool()
    if set(types) <= {"int", "number"}:
        return Content(type="number")
    if len(types) == 1:
        return Content(type=types[0])
    scalars = [value for value in distinct if not isinstance(value, dict | list)]
    if len(scalars) == len(distinct) <= _FEW and all(len(as_text(v)) <= _WORD for v in scalars):
        return Enum(values=tuple(scalars))
    if len(types) == 2:
        return AnyOf(options=(Content(type=types[0]), Content(type=types[1])))
    return Opaque()


def _is_time(value: Json) -> bool:
    return isinstance(value, int) and value in _MILLISECONDS


def _covering_text(texts: list[str]) -> Matcher:
    versions = {found[1] for text in texts if (found := re.fullmatch(r"‹uuid (\d+)›", shape(text)))}
    if versions and all(re.fullmatch(r"‹uuid \d+›", shape(text)) for text in texts):
        return Uuid(versions=tuple(sorted(int(version) for version in versions)))
    if len(texts) <= _FEW and all(len(text) <= _WORD and "‹" not in shape(text) for text in texts):
        return Enum(values=tuple(texts))
    return Text() if all(texts) else Content(type="string")


def spelled(matcher: Matcher) -> str:
    """A matcher as a profile spells it, on one line: ``{uuid: 7}``, ``int``."""
    form = compact(matcher)
    if isinstance(form, dict):
        ((op, argument),) = form.items()
        return f"{{{op}: {as_text(argument)}}}"
    return as_text(form)
