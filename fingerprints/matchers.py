"""Typed matchers: what a value of a field may be.

In YAML a matcher is a word (``int``) or a map with one key (``{uuid: 7}``):

=====================  =========================================================================
``const: X``           exactly this JSON value
``enum: [A, B]``       one of these JSON values
``version``            the profile's release
``uuid: 7``            lower-case UUID of that version; ``[4, 7]`` for either
``same_as: PATH``      the same value as another field, ``header:session-id``, ``body:a.b``
``template: TEXT``     text with ``{role}`` placeholders
``time_ms``            Unix time in milliseconds
``time_s``             Unix time in seconds, with a fraction or without
``prefixed: [P, M]``   a string that begins with P; the rest is a value of the matcher M
``int``, ``bool``      an integer, a boolean (in string maps: their text)
``text``               a string that is not empty
``opaque``             any value
``json: DOCUMENT``     a string that holds JSON text, compact and ASCII-escaped, of that document
``document: DOCUMENT`` an object of that document
``content: TYPE``      what the caller brings; only its JSON type is looked at
``list: MATCHER``      an array of such values
``per_part: MATCHER``  an array with one such value for each part of the item's ``content``
``items``              the input: an array of items, see ``items`` of the profile
``any_of: [M, …]``     one of several matchers; an applier uses the first that it can fill
=====================  =========================================================================

A header with ``json`` is left out when its text has a character that HTTP does not allow in a
header (U+007F is the one that escaping leaves): recorded from 0.142.0 and 0.169.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fingerprints.json_values import JsonType as JsonType
from fingerprints.json_values import as_text as as_text
from fingerprints.json_values import json_type as json_type
from fingerprints.json_values import same_json as same_json
from fingerprints.roles import ROLES, Json

_MILLISECONDS = range(1_000_000_000_000, 4_102_444_800_000)  # September 2001 to the end of 2099
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class _Matcher(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Const(_Matcher):
    op: Literal["const"] = "const"
    value: Any


class Enum(_Matcher):
    op: Literal["enum"] = "enum"
    values: tuple[Any, ...] = Field(min_length=1)


class Version(_Matcher):
    op: Literal["version"] = "version"


class Uuid(_Matcher):
    op: Literal["uuid"] = "uuid"
    versions: tuple[int, ...] = Field(min_length=1)


class SameAs(_Matcher):
    op: Literal["same_as"] = "same_as"
    path: str = Field(pattern=r"^(header|body):.+$")


class Template(_Matcher):
    op: Literal["template"] = "template"
    text: str

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the placeholders, in order, with repetitions."""
        return tuple(_PLACEHOLDER.findall(self.text))

    def pieces(self) -> list[str]:
        """Literal text and role names in turn, beginning and ending with literal text."""
        return _PLACEHOLDER.split(self.text)


class TimeMs(_Matcher):
    op: Literal["time_ms"] = "time_ms"


class TimeS(_Matcher):
    op: Literal["time_s"] = "time_s"


class Prefixed(_Matcher):
    op: Literal["prefixed"] = "prefixed"
    prefix: str = Field(min_length=1)
    rest: Matcher


class Int(_Matcher):
    op: Literal["int"] = "int"


class Bool(_Matcher):
    op: Literal["bool"] = "bool"


class Text(_Matcher):
    op: Literal["text"] = "text"


class Opaque(_Matcher):
    op: Literal["opaque"] = "opaque"


class JsonText(_Matcher):
    op: Literal["json"] = "json"
    document: str


class Nested(_Matcher):
    op: Literal["document"] = "document"
    document: str


class Content(_Matcher):
    op: Literal["content"] = "content"
    type: JsonType


class ListOf(_Matcher):
    op: Literal["list"] = "list"
    item: Matcher


class PerPart(_Matcher):
    op: Literal["per_part"] = "per_part"
    item: Matcher


class Items(_Matcher):
    op: Literal["items"] = "items"


class AnyOf(_Matcher):
    op: Literal["any_of"] = "any_of"
    options: tuple[Matcher, ...] = Field(min_length=2)


_ARGUMENT = {
    "const": "value",
    "enum": "values",
    "uuid": "versions",
    "same_as": "path",
    "template": "text",
    "json": "document",
    "document": "document",
    "content": "type",
    "list": "item",
    "per_part": "item",
    "any_of": "options",
}
_WORDS = ("version", "time_ms", "time_s", "int", "bool", "text", "opaque", "items")


def _expand(form: Any) -> Any:
    """The compact YAML form of a matcher as the form that pydantic tells apart."""
    if isinstance(form, str):
        if form in _WORDS:
            return {"op": form}
        needs = f"; {form!r} needs an argument, as in {{{form}: …}}" if form in _ARGUMENT else ""
        raise ValueError(f"no matcher is called {form!r}{needs}. Known: {known()}")
    if isinstance(form, dict) and len(form) == 1:
        ((op, argument),) = form.items()
        if op == "prefixed" and isinstance(argument, list | tuple) and len(argument) == 2:
            return {"op": op, "prefix": argument[0], "rest": argument[1]}
        if op not in _ARGUMENT:
            raise ValueError(f"no matcher is called {op!r}. Known: {known()}")
        if op == "uuid" and isinstance(argument, int):
            argument = [argument]
        return {"op": op, _ARGUMENT[op]: argument}
    if isinstance(form, _Matcher):
        return form
    raise ValueError(f"a matcher is a word or a map with one key, not {form!r}. Known: {known()}")


def known() -> str:
    """The matchers there are, for messages."""
    return ", ".join([*_WORDS, *_ARGUMENT, "prefixed"])


type Matcher = Annotated[
    Const
    | Enum
    | Version
    | Uuid
    | SameAs
    | Template
    | TimeMs
    | TimeS
    | Prefixed
    | Int
    | Bool
    | Text
    | Opaque
    | JsonText
    | Nested
    | Content
    | ListOf
    | PerPart
    | Items
    | AnyOf,
    Field(discriminator="op"),
    BeforeValidator(_expand),
]


def compact(matcher: Matcher) -> Json:
    """The YAML form of a matcher; what :class:`Matcher` reads back unchanged."""
    match matcher:
        case Const(value=value):
            return {"const": value}
        case Enum(values=values):
            return {"enum": list(values)}
        case Uuid(versions=versions):
            return {"uuid": versions[0] if len(versions) == 1 else list(versions)}
        case SameAs(path=argument) | Template(text=argument) | Content(type=argument):
            return {matcher.op: argument}
        case JsonText(document=argument) | Nested(document=argument):
            return {matcher.op: argument}
        case ListOf(item=item) | PerPart(item=item):
            return {matcher.op: compact(item)}
        case Prefixed(prefix=prefix, rest=rest):
            return {"prefixed": [prefix, compact(rest)]}
        case AnyOf(options=options):
            return {"any_of": [compact(option) for option in options]}
        case _:
            return matcher.op


@lru_cache(maxsize=512)
def template_pattern(text: str, release: str) -> re.Pattern[str]:
    """Regular expression of a template; group ``n`` is its n-th placeholder."""
    pieces = Template(text=text).pieces()
    out = [re.escape(pieces[0])]
    for role, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        pattern = re.escape(release) if role == "version" else ROLES[role].pattern
        out += [f"({pattern})", re.escape(literal)]
    return re.compile("".join(out), re.DOTALL)


def accepts(matcher: Matcher, value: Json, *, release: str, strings: bool = False) -> bool:
    """Whether a leaf's value is one that the matcher allows.

    Args:
        release: the profile's release, for ``version`` and templates.
        strings: the value stands where only strings can (a header, a string map), so numbers and
            booleans are their text.

    ``same_as``, ``json`` and ``document`` need their surroundings; here they say yes to any value
    of the right type. Roles inside a template are not compared with other places here.
    """
    if strings and not isinstance(value, str):
        return False
    return _ACCEPTS[matcher.op](matcher, value, release, strings)


def _const(matcher: Const, value: Json, _release: str, strings: bool) -> bool:
    return value == as_text(matcher.value) if strings else same_json(value, matcher.value)


def _enum(matcher: Enum, value: Json, _release: str, strings: bool) -> bool:
    if strings:
        return value in [as_text(item) for item in matcher.values]
    return any(same_json(value, item) for item in matcher.values)


def _uuid(matcher: Uuid, value: Json, _release: str, _strings: bool) -> bool:
    found = _UUID.fullmatch(value) if isinstance(value, str) else None
    return found is not None and int(found[1], 16) in matcher.versions


def _template(matcher: Template, value: Json, release: str, _strings: bool) -> bool:
    pattern = template_pattern(matcher.text, release)
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _time_ms(_matcher: TimeMs, value: Json, _release: str, strings: bool) -> bool:
    number = _integer(value, strings)
    return number is not None and number in _MILLISECONDS


def _time_s(_matcher: TimeS, value: Json, _release: str, strings: bool) -> bool:
    if strings or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return int(value * 1000) in _MILLISECONDS


def _prefixed(matcher: Prefixed, value: Json, release: str, strings: bool) -> bool:
    return (
        isinstance(value, str)
        and value.startswith(matcher.prefix)
        and accepts(
            matcher.rest, value.removeprefix(matcher.prefix), release=release, strings=strings
        )
    )


def _bool(_matcher: Bool, value: Json, _release: str, strings: bool) -> bool:
    return value in ("true", "false") if strings else isinstance(value, bool)


def _content(matcher: Content, value: Json, _release: str, _strings: bool) -> bool:
    found = json_type(value)
    return matcher.type in ("any", found) or (matcher.type == "number" and found == "int")


def _list(matcher: ListOf | PerPart, value: Json, release: str, _strings: bool) -> bool:
    return isinstance(value, list) and all(
        accepts(matcher.item, each, release=release) for each in value
    )


def _any_of(matcher: AnyOf, value: Json, release: str, strings: bool) -> bool:
    return any(accepts(each, value, release=release, strings=strings) for each in matcher.options)


_ACCEPTS: dict[str, Callable[[Any, Json, str, bool], bool]] = {
    "const": _const,
    "enum": _enum,
    "version": lambda _matcher, value, release, _strings: value == release,
    "uuid": _uuid,
    "same_as": lambda _matcher, _value, _release, _strings: True,
    "template": _template,
    "time_ms": _time_ms,
    "time_s": _time_s,
    "prefixed": _prefixed,
    "int": lambda _matcher, value, _release, strings: _integer(value, strings) is not None,
    "bool": _bool,
    "text": lambda _matcher, value, _release, _strings: isinstance(value, str) and value != "",
    "opaque": lambda _matcher, _value, _release, _strings: True,
    "json": lambda _matcher, value, _release, _strings: isinstance(value, str),
    "document": lambda _matcher, value, _release, _strings: isinstance(value, dict),
    "content": _content,
    "list": _list,
    "per_part": _list,
    "items": lambda _matcher, value, _release, _strings: isinstance(value, list),
    "any_of": _any_of,
}
"""By the matcher's word: an ``isinstance`` on pydantic's classes costs ten times more."""


def _integer(value: Json, strings: bool) -> int | None:
    if strings:
        ok = isinstance(value, str) and re.fullmatch(r"0|-?[1-9][0-9]*", value) is not None
        return int(str(value)) if ok else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def describe(matcher: Matcher) -> str:
    """A matcher in one short phrase, for differences."""
    form = compact(matcher)
    if isinstance(form, dict):
        ((op, argument),) = form.items()
        return f"{op} {as_text(argument)}"
    return as_text(form)


Prefixed.model_rebuild()
ListOf.model_rebuild()
PerPart.model_rebuild()
AnyOf.model_rebuild()
