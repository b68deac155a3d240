"""Changes of one field of a request, one at a time; what :mod:`fingerprints.mutation` judges."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fingerprints.excuses import Key, Keys
from fingerprints.serial import ascii_text, loads
from fingerprints.trace import Payload

type Headers = Sequence[tuple[str, str]]

_UUID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-)([0-9a-f])([0-9a-f]{3}-[0-9a-f]{4}-)([0-9a-f]{12})")
_PER_CONTENT = 24
"""Changes inside one value that the profile does not describe further."""
_LIST_ITEMS = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        operation: see :class:`fingerprints.mutation.Mutant`.
        path: what was changed, for a person.
        keys: what was changed.
        headers: all headers afterwards; None when they are as they were.
        payload: the body or message afterwards; None likewise.
        line: changed fields of the request line.
        crossed: for a move: names that it was moved past.
    """

    operation: str
    path: str
    keys: Keys
    headers: Headers | None = None
    payload: Payload | None = None
    line: dict[str, Any] = field(default_factory=dict)
    crossed: Sequence[Key] = ()


def header_changes(headers: Headers) -> Iterator[Change]:
    """Every header dropped, renamed, doubled, re-cased, moved and changed."""
    headers = list(headers)
    names = [name.lower() for name, _ in headers]
    for index, (name, value) in enumerate(headers):
        before, after = headers[:index], headers[index + 1 :]
        keys: Keys = ("header", name.lower())
        path = f"header:{name}"

        def made(
            operation: str,
            pairs: Headers,
            crossed: Sequence[Key] = (),
            path: str = path,
            keys: Keys = keys,
        ) -> Change:
            return Change(operation, path, keys, headers=pairs, crossed=crossed)

        yield made("drop", [*before, *after])
        yield Change(
            "rename",
            path,
            ("header", f"{name.lower()}-x"),
            headers=[*before, (f"{name}-x", value), *after],
        )
        twice = [*before, (name, value), (name, value), *after]
        yield Change("duplicate", path, ("twice", path), headers=twice)
        if name.swapcase() != name:
            cased = [*before, (name.swapcase(), value), *after]
            yield Change("re-case", path, ("case", path), headers=cased)
        for place in sorted({0, index + 1, len(headers) - 1} - {index}):
            rest = [*before, *after]
            if place < len(headers):
                moved = [*rest[:place], (name, value), *rest[place:]]
                low, high = sorted((index, place))
                crossed = [each for each in names[low : high + 1] if each != name.lower()]
                yield made("move", moved, crossed)
        for operation, other in _other_texts(value):
            yield made(operation, [*before, (name, other), *after])


def _other_texts(value: str) -> Iterator[tuple[str, str]]:
    if value[:1] == "{":
        yield "corrupt", value[:-1]
        yield "re-type", "[]"
        return
    yield "re-type", ""
    yield from ((operation, str(other)) for operation, other in _other_values(value))


def data_changes(
    headers: Headers, payload: Payload | None, described: Collection[Keys]
) -> Iterator[Change]:
    """Every member and item at every depth; JSON texts in all their places alike.

    Args:
        payload: the body; None for none. Its length stays: how long a changed one is says nothing.
        described: what the profile has an entry for; below the rest only a sample is changed.
    """
    data = payload.data if payload is not None and payload.form == "json" else None
    texts = _texts(headers, data)
    for text, places in texts.items():
        yield from _text_changes(headers, payload, text, places, described)
    if payload is not None and isinstance(data, dict | list):
        for keys, change in _container_changes(data, ("body",), described):
            yield _of_data(payload, keys, change)


@dataclass(frozen=True, slots=True)
class _Edit:
    """What happens to one container: ``new`` takes its place."""

    operation: str
    name: Key
    new: Any
    crossed: tuple[Key, ...] = ()


def _of_data(payload: Payload, keys: Keys, edit: _Edit) -> Change:
    changed = payload.model_copy(update={"data": _replaced(payload.data, keys[1:], edit.new)})
    where = (*keys, edit.name)
    return Change(edit.operation, _path(where), where, payload=changed, crossed=edit.crossed)


def _texts(headers: Headers, data: Any) -> dict[str, list[Keys]]:
    """JSON texts with all their places."""
    out: dict[str, list[Keys]] = {}
    for name, value in headers:
        if value[:1] == "{" and isinstance(_opened(value), dict):
            out.setdefault(value, []).append(("header", name.lower()))
    for keys, value in _strings(data, ("body",)):
        if value[:1] == "{" and isinstance(_opened(value), dict):
            out.setdefault(value, []).append(keys)
    return out


def _strings(value: Any, keys: Keys) -> Iterator[tuple[Keys, str]]:
    """Strings in objects; those in lists are the caller's content."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, (*keys, name))
    elif isinstance(value, str):
        yield keys, value


def _text_changes(
    headers: Headers,
    payload: Payload | None,
    text: str,
    places: Sequence[Keys],
    described: Collection[Keys],
) -> Iterator[Change]:
    inner = loads(text)
    first = places[0]
    for keys, edit in _container_changes(inner, first, described):
        changed = _replaced(inner, keys[len(first) :], edit.new)
        yield _everywhere(
            headers,
            payload,
            places,
            ascii_text(changed),
            edit.operation,
            (*keys, edit.name),
            edit.crossed,
        )
    for name, value in inner.items():
        pair = ascii_text({name: value})[1:-1]
        twice = f"{{{pair},{text[1:]}"
        yield _everywhere(headers, payload, places, twice, "duplicate", first)
    spaced = text.replace(":", ": ", 1)
    yield _everywhere(headers, payload, places, spaced, "encoding", first)
    if len(places) > 1:
        other = ascii_text({**inner, "made_up": 1})
        yield _everywhere(headers, payload, places[:1], other, "change", first)


def _everywhere(
    headers: Headers,
    payload: Payload | None,
    places: Sequence[Keys],
    text: str,
    operation: str,
    keys: Keys,
    crossed: Sequence[Key] = (),
) -> Change:
    names = {place[1] for place in places if place[0] == "header"}
    new_headers = [(name, text if name.lower() in names else value) for name, value in headers]
    inside = [place for place in places if place[0] == "body"]
    changed = None
    if payload is not None and inside:
        data = payload.data
        for place in inside:
            data = _replaced(data, place[1:], text)
        changed = payload.model_copy(update={"data": data})
    return Change(
        operation, _path(keys), keys, new_headers if names else None, changed, crossed=crossed
    )


# --- objects and lists ---------------------------------------------------------------------------


def _container_changes(
    root: Any, keys: Keys, described: Collection[Keys]
) -> Iterator[tuple[Keys, _Edit]]:
    """Edits of every object and list, from the top down."""
    if isinstance(root, dict):
        edits = list(_object_edits(root))
        inner: list[tuple[Key, Any]] = list(root.items())
    elif isinstance(root, list):
        edits = list(_list_edits(root))
        inner = list(enumerate(root[:_LIST_ITEMS]))
    else:
        return
    yield from ((keys, edit) for edit in edits)
    for key, value in inner:
        here = (*keys, key)
        known = isinstance(key, int) or here in described
        below = _container_changes(value, here, described)
        if known and _further(here, described):
            yield from below
        else:  # the caller's: a sample shows that its rule excuses it
            for _, found in zip(range(_PER_CONTENT), below, strict=False):
                yield found


def _further(keys: Keys, described: Collection[Keys]) -> bool:
    """Whether the profile describes what is in it."""
    return any(each[: len(keys)] == keys and len(each) > len(keys) for each in described)


def _object_edits(value: dict[str, Any]) -> Iterator[_Edit]:
    names = list(value)
    for index, name in enumerate(names):
        rest = {key: item for key, item in value.items() if key != name}
        yield _Edit("drop", name, rest)
        renamed = {f"{key}_x" if key == name else key: item for key, item in value.items()}
        yield _Edit("rename", f"{name}_x", renamed)
        if index + 1 < len(names):
            crossed = tuple(names[index + 1 :])
            yield _Edit("move", name, {**rest, name: value[name]}, crossed)
        for operation, other in _other_values(value[name]):
            yield _Edit(operation, name, {**value, name: other})


def _list_edits(value: list[Any]) -> Iterator[_Edit]:
    for index, item in enumerate(value[:_LIST_ITEMS]):
        yield _Edit("drop", index, value[:index] + value[index + 1 :])
        yield _Edit("duplicate", index, [*value[: index + 1], item, *value[index + 1 :]])
        if index + 1 < len(value) and value[index + 1] != item:
            swapped = [*value[:index], value[index + 1], item, *value[index + 2 :]]
            yield _Edit("move", index, swapped)
        if not isinstance(item, dict | list):
            for operation, other in _other_values(item):
                yield _Edit(operation, index, [*value[:index], other, *value[index + 1 :]])


def _other_values(value: Any) -> Iterator[tuple[str, Any]]:
    """Another value of the same look (``change``), a damaged one, and one of another type."""
    match value:
        case bool():
            yield "change", not value
            yield "re-type", str(value).lower()
        case int() | float():
            yield "change", value + 1
            yield "re-type", str(value)
        case str():
            other = _UUID.sub(lambda found: f"{found[1]}{found[2]}{found[3]}0123456789ab", value)
            if other != value:
                yield "change", other
                yield "corrupt", _UUID.sub(lambda found: f"{found[1]}1{found[3]}{found[4]}", value)
            elif value.isdecimal():
                yield "change", str(int(value) + 1)
            yield "corrupt", f"{value}x"
            yield "re-type", 17
        case list() | dict():
            yield "re-type", None
            yield "re-type", "text"
        case _:
            yield "re-type", 17


def _replaced(value: Any, keys: Sequence[Key], new: Any) -> Any:
    """A copy with ``new`` at ``keys``; what is not on the way is shared."""
    if not keys:
        return new
    head, rest = keys[0], keys[1:]
    if isinstance(value, dict):
        return {
            key: _replaced(item, rest, new) if key == head else item for key, item in value.items()
        }
    return [
        _replaced(item, rest, new) if index == head else item for index, item in enumerate(value)
    ]


def _opened(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        return None


def _path(keys: Keys) -> str:
    text = f"{keys[0]}:"
    for key in keys[1:]:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += str(key) if text.endswith(":") else f".{key}"
    return text


# --- encoding ------------------------------------------------------------------------------------


def encoding_changes(payload: Payload) -> Iterator[Change]:
    """How the bytes are written and compressed."""

    def made(what: str, **changes: Any) -> Change:
        return Change(
            "encoding", what, ("encoding", what), payload=payload.model_copy(update=changes)
        )

    if payload.form == "json" and isinstance(payload.data, dict):
        yield made("white space", spelling=("white space between tokens",))
        escaped = "a character escaped that need not be, or not escaped that must be"
        yield made("needless escape", spelling=(escaped,))
        for name in payload.data:
            twice = Change(
                "duplicate",
                f"body:{name}",
                ("twice", name),
                payload=payload.model_copy(update={"spelling": (f"member {name!r} stands twice",)}),
            )
            yield twice
        yield made("no JSON", form="text", data="no JSON")
    coding = payload.coding
    if coding is None:
        return
    yield made("not compressed", coding=None)
    facts: list[tuple[str, Callable[[], Any]]] = [
        ("level", lambda: 5 if coding.level == 4 else 4),
        ("content_size", lambda: not coding.content_size),
        ("checksum", lambda: not coding.checksum),
        ("rest", lambda: 3),
        ("name", lambda: "gzip"),
    ]
    for name, other in facts:
        yield made(f"{coding.name} {name}", coding=coding.model_copy(update={name: other()}))
