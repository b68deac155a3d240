"""Two profiles compared: what a client changed between two releases, as a change log. Pure.

Compared is what goes on the wire, kind by kind: names of lists and documents, reasons and evidence
do not count. A change that several kinds share is said once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fingerprints.difference import moved
from fingerprints.json_values import as_text
from fingerprints.matchers import Enum, JsonText, Nested, describe
from fingerprints.profile import Document, Entry, Form, Profile, Transport

RELEASE_WIDE = "release"
"""In the place of a kind: what is said for all of them."""


class Kind(StrEnum):
    """What happened."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    RENAMED = "re-cased"
    VALUE = "matcher changed"
    ROLE = "role changed"
    PRESENCE = "presence changed"
    DEFAULT = "default changed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """One change.

    Attributes:
        kinds: kinds of request that share it, ``turn``, ``prewarm (websocket)``; or
            :data:`RELEASE_WIDE`.
        path: ``header:session-id``, ``body:reasoning.effort``, ``path``, ``models.gpt-5.5``.
        kind: what happened.
        before, after: what the profiles say; "" where one says nothing.
    """

    kinds: tuple[str, ...]
    path: str
    kind: Kind
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        match self.kind:
            case Kind.ADDED:
                text = f"{self.path}: added, {self.after}"
            case Kind.REMOVED:
                text = f"{self.path}: removed, was {self.before}"
            case Kind.MOVED:
                text = f"{self.path}: moved, was {self.before}, is {self.after}"
            case _:
                text = f"{self.path}: {self.kind}, from {self.before or 'nothing'} to "
                text += self.after or "nothing"
        return text


type Found = tuple[str, Kind, str, str]
"""Path, kind, before, after."""


def compare(before: Profile, after: Profile, only: str = "") -> list[ProfileChange]:
    """Every change from one profile to the other.

    Args:
        only: one kind of request; "" for all of them and for what the release says once.
    """
    by_change: dict[Found, list[str]] = {}
    if not only:
        for found in _release_wide(before, after):
            by_change.setdefault(found, []).append(RELEASE_WIDE)
    for kind, transport in _forms(before, after):
        if only and kind != only:
            continue
        label = f"{kind} ({transport})" if transport == "websocket" else kind
        for found in _of_form(before, after, kind, transport):
            by_change.setdefault(found, []).append(label)
    return [ProfileChange(tuple(labels), *found) for found, labels in by_change.items()]


def _forms(before: Profile, after: Profile) -> list[tuple[str, Transport]]:
    forms: dict[tuple[str, Transport], None] = {}
    for profile in (after, before):
        for kind, by_transport in profile.requests.items():
            for transport in by_transport:
                forms[kind, transport] = None
    return list(forms)


# --- one kind of request -------------------------------------------------------------------------


def _of_form(before: Profile, after: Profile, kind: str, transport: Transport) -> Iterator[Found]:
    old = before.requests.get(kind, {}).get(transport)
    new = after.requests.get(kind, {}).get(transport)
    if old is None or new is None:
        present = new or old
        assert present is not None
        what = " or ".join(dict.fromkeys(path for paths in present.path.values() for path in paths))
        text = f"{present.method} {what}" if present.method else "a message"
        if new is None:
            yield f"requests.{kind}", Kind.REMOVED, text, ""
        else:
            yield f"requests.{kind}", Kind.ADDED, "", text
        return
    yield from _line(old, new)
    here = (kind, transport)
    yield from _fields(
        "header:",
        _applying(before.headers.get(old.headers, ()), *here),
        _applying(after.headers.get(new.headers, ()), *here),
    )
    if old.body and new.body:
        yield from _documents(before, after, here, "body:", old.body, new.body, set())
    for entry_path, left, right in _texts(before, after, old, new, here):
        yield from _documents(before, after, here, entry_path, left, right, set())


def _line(old: Form, new: Form) -> Iterator[Found]:
    pairs: list[tuple[str, Any, Any]] = [
        ("method", old.method or "", new.method or ""),
        ("http_version", " or ".join(old.http), " or ".join(new.http)),
        ("body", "a body" if old.body else "none", "a body" if new.body else "none"),
        ("encoding", _encodings(old), _encodings(new)),
        ("order of headers", _random(old), _random(new)),
        ("marks", _data(old.marks), _data(new.marks)),
    ]
    for sign_in in sorted({*old.path, *new.path}):
        left, right = old.path.get(sign_in, ()), new.path.get(sign_in, ())
        for path in left:
            if path not in right:
                yield f"path ({sign_in})", Kind.REMOVED, path, ""
        for path in right:
            if path not in left:
                yield f"path ({sign_in})", Kind.ADDED, "", path
    for path, one, other in pairs:
        if one != other:
            yield path, Kind.CHANGED, str(one), str(other)


def _encodings(form: Form) -> str:
    return "; ".join(
        f"{item.name} level {item.level}, window {item.window}"
        + (", content size" if item.content_size else "")
        + (", checksum" if item.checksum else "")
        + _when(item.when.model_dump(exclude_defaults=True))
        for item in form.encodings
    )


def _random(form: Form) -> str:
    return "; ".join(f"random among {', '.join(sorted(group))}" for group in form.unordered)


def _data(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {as_text(item)}" for key, item in sorted(value.items()))


def _texts(
    before: Profile, after: Profile, old: Form, new: Form, here: tuple[str, Transport]
) -> Iterator[tuple[str, str, str]]:
    """JSON texts in headers, where the body has no copy of them."""
    if old.body and new.body:
        return
    left = _inner(_applying(before.headers.get(old.headers, ()), *here))
    right = _inner(_applying(after.headers.get(new.headers, ()), *here))
    for name in left:
        if name in right:
            yield f"header:{name}", left[name], right[name]


def _applying(entries: Sequence[Entry], kind: str, transport: Transport) -> list[Entry]:
    return [
        entry
        for entry in entries
        if (not entry.when.kind or kind in entry.when.kind)
        and (not entry.when.transport or transport in entry.when.transport)
    ]


def _inner(entries: Sequence[Entry]) -> dict[str, str]:
    return {
        entry.name: entry.value.document
        for entry in entries
        if isinstance(entry.value, JsonText | Nested)
    }


def _documents(
    before: Profile,
    after: Profile,
    here: tuple[str, Transport],
    path: str,
    old: str,
    new: str,
    walked: set[str],
) -> Iterator[Found]:
    if new in walked:
        return
    left, right = before.documents[old], after.documents[new]
    yield from _order(path, left, right)
    mine, other = _applying(left.members, *here), _applying(right.members, *here)
    yield from _fields(path, mine, other, ordered="free" not in (left.order, right.order))
    inner, inner_other = _inner(mine), _inner(other)
    for name in inner:
        if name in inner_other:
            yield from _documents(
                before,
                after,
                here,
                _at(path, name),
                inner[name],
                inner_other[name],
                walked | {new},
            )


def _order(path: str, left: Document, right: Document) -> Iterator[Found]:
    if left.order != right.order:
        yield f"order of {path.rstrip(':')}", Kind.CHANGED, left.order, right.order


def _at(path: str, name: str) -> str:
    return f"{path}{name}" if path.endswith(":") else f"{path}.{name}"


# --- fields --------------------------------------------------------------------------------------


def _fields(
    path: str, old: Sequence[Entry], new: Sequence[Entry], *, ordered: bool = True
) -> Iterator[Found]:
    left, right = _by_name(old), _by_name(new)
    for key, entries in right.items():
        if key not in left:
            yield _at(path, entries[0].name), Kind.ADDED, "", _said(entries)
    for key, entries in left.items():
        if key not in right:
            yield _at(path, entries[0].name), Kind.REMOVED, _said(entries), ""
            continue
        yield from _entry(_at(path, right[key][0].name), entries, right[key])
    if ordered:
        common = [key for key in left if key in right]
        there = [key for key in right if key in left]
        for name, was, now in moved(common, there):
            before = f"after {was}" if was else "first"
            after = f"after {now}" if now else "first"
            yield _at(path, name), Kind.MOVED, before, after


def _by_name(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    out: dict[str, list[Entry]] = {}
    for entry in entries:
        out.setdefault(entry.name.lower(), []).append(entry)
    return out


def _entry(path: str, old: Sequence[Entry], new: Sequence[Entry]) -> Iterator[Found]:
    if old[0].name != new[0].name:
        yield path, Kind.RENAMED, old[0].name, new[0].name
    facts = (
        (Kind.VALUE, _value),
        (Kind.ROLE, lambda entry: entry.role or ""),
        (Kind.PRESENCE, _presence),
        (Kind.DEFAULT, lambda entry: "" if entry.default is None else as_text(entry.default)),
    )
    for kind, fact in facts:
        left = list(dict.fromkeys(fact(entry) for entry in old))
        right = list(dict.fromkeys(fact(entry) for entry in new))
        if sorted(left) != sorted(right):
            yield path, kind, " | ".join(left), " | ".join(right)


def _value(entry: Entry) -> str:
    if isinstance(entry.value, JsonText | Nested):
        return "JSON text" if isinstance(entry.value, JsonText) else "an object"
    value = entry.value
    if isinstance(value, Enum):
        value = Enum(values=tuple(sorted(value.values, key=as_text)))
    text = describe(value)
    return text if entry.equal else f"{text}, equal to nothing"


def _presence(entry: Entry) -> str:
    when = entry.when.model_dump(exclude_defaults=True, exclude={"kind", "transport"})
    return str(entry.presence) + _when(when)


def _when(when: Mapping[str, Sequence[str]]) -> str:
    words = {"has": "with", "lacks": "without"}
    said = [f"{words.get(key, key)} {' or '.join(sorted(names))}" for key, names in when.items()]
    return f" ({', '.join(said)})" if said else ""


def _said(entries: Sequence[Entry]) -> str:
    out = []
    for entry in entries:
        role = f" = {entry.role}" if entry.role else ""
        out.append(f"{_value(entry)}{role}, {_presence(entry)}")
    return " | ".join(dict.fromkeys(out))


# --- what the release says once ------------------------------------------------------------------


def _release_wide(before: Profile, after: Profile) -> Iterator[Found]:
    yield from _maps(
        "originators",
        dict.fromkeys(before.originators, "originator"),
        dict.fromkeys(after.originators, "originator"),
    )
    yield from _maps("shapes", _shapes(before), _shapes(after))
    yield from _maps("models", _models(before), _models(after))
    yield from _maps("items", _items(before), _items(after))
    for what in ("headers", "members"):
        old, new = set(getattr(before.never, what)), set(getattr(after.never, what))
        yield from _maps(
            f"never.{what}",
            dict.fromkeys(sorted(old), "never"),
            dict.fromkeys(sorted(new), "never"),
        )


def _maps(path: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Found]:
    for name, text in new.items():
        if name not in old:
            yield f"{path}.{name}", Kind.ADDED, "", text
        elif old[name] != text:
            yield f"{path}.{name}", Kind.CHANGED, old[name], text
    for name, text in old.items():
        if name not in new:
            yield f"{path}.{name}", Kind.REMOVED, text, ""


def _shapes(profile: Profile) -> dict[str, str]:
    return {
        name: f"instructions as {shape.instructions}, tools as {shape.tools}, "
        + ("items with ids" if shape.item_ids else "items without ids")
        for name, shape in profile.shapes.items()
    }


def _models(profile: Profile) -> dict[str, str]:
    return {
        slug: ", ".join([rule.shape, *(f"{k} {as_text(v)}" for k, v in rule.defaults.items())])
        for rule in profile.models
        for slug in rule.match
    }


def _items(profile: Profile) -> dict[str, str]:
    """By type, role and place: the members in order."""
    out = {}
    for rule in profile.items:
        place = "leading " + "/".join(rule.shape) if rule.leading else ""
        names = rule.role or ("",)
        members = profile.documents[rule.document].members
        said = ", ".join(
            f"{entry.name}{'' if entry.role is None else f' ({describe(entry.value)})'}"
            for entry in members
        )
        for role in names:
            out[" ".join(part for part in (rule.type, role, place) if part)] = said
    return out
