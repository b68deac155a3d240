"""Samples taken apart into lists of fields: header lists, and documents with their members. Pure.

Kinds that go to one place share a header list and a body document (a turn and a compaction; a
message and the same request over HTTP), so that what differs between them is explained by
conditions and not said twice. JSON texts are opened: the same text in a header and in a member is
one document.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fingerprints.json_values import json_type
from fingerprints.learn.samples import Sample
from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.serial import loads

type Structure = Literal["leaf", "document", "text", "content"]
"""What a field holds: a value, an object, JSON text of an object, or what the caller brings."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Instance:
    """One list of fields as one sample has it.

    Attributes:
        sample: whose it is.
        path: where it stands: ``header:``, ``body:``, ``body:client_metadata``,
            ``header:x-codex-turn-metadata``.
        items: names and values in wire order; names of headers as spelled.
    """

    sample: Sample
    path: str
    items: tuple[tuple[str, Any], ...]

    def at(self, name: str) -> str:
        """Path of one of its fields."""
        return f"{self.path}{name}" if self.path.endswith(":") else f"{self.path}.{name}"


@dataclass(slots=True)
class FieldList:
    """A header list or a document.

    Attributes:
        name: in the profile.
        of: ``headers`` or ``document``.
        built: floway builds it; otherwise what is not explained is the caller's content.
        instances: in the order of the samples.
        structure: by field.
        children: name of the document behind a field.
    """

    name: str
    of: Literal["headers", "document"]
    built: bool
    instances: list[Instance] = field(default_factory=list)
    structure: dict[str, Structure] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """A field's name as it is compared: headers without regard to letter case."""
        return name.lower() if self.of == "headers" else name

    @property
    def names(self) -> list[str]:
        """Keys of the fields, in the order of their first appearance."""
        return list(
            dict.fromkeys(self.key(name) for each in self.instances for name, _ in each.items)
        )

    def values(self, key: str) -> list[tuple[Instance, Any]]:
        """What a field was, wherever it was."""
        return [
            (each, value)
            for each in self.instances
            for name, value in each.items
            if self.key(name) == key
        ]


@dataclass(slots=True)
class Lists:
    """All lists of a release.

    Attributes:
        headers: by name.
        documents: by name.
        header_list, body: name of the list of a kind over a transport.
    """

    headers: dict[str, FieldList] = field(default_factory=dict)
    documents: dict[str, FieldList] = field(default_factory=dict)
    header_list: dict[tuple[str, str], str] = field(default_factory=dict)
    body: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def all(self) -> list[FieldList]:
        """Header lists, then documents."""
        return [*self.headers.values(), *self.documents.values()]


def collect(samples: Sequence[Sample], vocabulary: Vocabulary) -> Lists:
    """The lists of all samples."""
    out = Lists()
    families = _families(samples, vocabulary)
    bodies = _bodies(samples, vocabulary, families)
    for each in samples:
        form = (each.kind, each.transport)
        built = each.kind in vocabulary.built
        if each.method is not None:
            name = families[form]
            name = vocabulary.lists.get(name, name)
            out.header_list[form] = name
            listed = out.headers.setdefault(name, FieldList(name, "headers", built))
            named = tuple(pair for pair in each.headers if not pair[0].startswith(":"))
            listed.instances.append(Instance(each, "header:", named))
        if isinstance(each.data, dict):
            name = bodies[form]
            out.body[form] = name
            document = out.documents.setdefault(name, FieldList(name, "document", built))
            document.instances.append(Instance(each, "body:", tuple(each.data.items())))
    _open_all(out, vocabulary)
    return out


# --- which kinds share a list --------------------------------------------------------------------


def _families(samples: Sequence[Sample], vocabulary: Vocabulary) -> dict[tuple[str, str], str]:
    """Kind and transport to the family: kinds of one method that share a path."""
    paths: dict[tuple[str, str | None, str], set[str]] = defaultdict(set)
    for each in samples:
        if each.method is not None:
            paths[each.transport, each.method, each.bare_path].add(each.kind)
    leader: dict[tuple[str, str], str] = {}
    for (transport, _, _), kinds in sorted(paths.items(), key=str):
        first = min(kinds, key=lambda kind: _rank(kind, vocabulary))
        for kind in kinds:
            leader.setdefault((kind, transport), first)
    return leader


def _bodies(
    samples: Sequence[Sample],
    vocabulary: Vocabulary,
    families: Mapping[tuple[str, str], str],
) -> dict[tuple[str, str], str]:
    """Kind and transport to the document: messages share that of the request with the path of
    their connection."""
    at_path = {
        each.bare_path: families[each.kind, each.transport]
        for each in samples
        if each.method is not None and each.data is not None
    }
    first: dict[str, str] = {}
    for each in samples:
        if each.method is None:
            kind = at_path.get(each.bare_path, each.kind)
            old = first.setdefault(each.bare_path, kind)
            first[each.bare_path] = min(old, kind, key=lambda name: _rank(name, vocabulary))
    out: dict[tuple[str, str], str] = {}
    for each in samples:
        form = (each.kind, each.transport)
        leader = first[each.bare_path] if each.method is None else families[form]
        out[form] = vocabulary.documents.get(leader, f"{leader}_body")
    return out


def _rank(kind: str, vocabulary: Vocabulary) -> tuple[int, str]:
    order = vocabulary.built
    return (order.index(kind) if kind in order else len(order), kind)


# --- what fields hold ----------------------------------------------------------------------------


def _open_all(lists: Lists, vocabulary: Vocabulary) -> None:
    pending = lists.all
    passed_on: set[tuple[str, str, str, int]] = set()
    texts: dict[tuple[str, str], str] = {}
    while pending:
        listed = pending.pop(0)
        for key in listed.names:
            found = listed.values(key)
            structure = _structure(listed, key, [value for _, value in found], vocabulary)
            listed.structure[key] = structure
            if structure not in ("document", "text"):
                continue
            child = _child(listed, key, lists, vocabulary, _same_text(found, texts))
            fresh = False
            for index, (instance, value) in enumerate(found):
                inner = _object(value)
                here = (listed.of, listed.name, key, index)
                if inner is None or here in passed_on:
                    continue
                passed_on.add(here)  # a list comes again when another parent has added to it
                fresh = True
                if structure == "text":
                    texts.setdefault((instance.sample.name, value), child.name)
                place = Instance(instance.sample, instance.at(key), tuple(inner.items()))
                child.instances.append(place)
            if fresh and child not in pending:
                pending.append(child)


def _same_text(
    found: Sequence[tuple[Instance, Any]], texts: Mapping[tuple[str, str], str]
) -> str | None:
    """The document of another field with the same text in every request that has both."""
    known = {
        texts.get((instance.sample.name, value))
        for instance, value in found
        if isinstance(value, str)
    } - {None}
    return known.pop() if len(known) == 1 else None


def _child(
    listed: FieldList, key: str, lists: Lists, vocabulary: Vocabulary, same: str | None
) -> FieldList:
    """The document behind a field: that of a field with the same text, or one of its own name."""
    name = listed.children.get(key) or same
    if name is not None:
        listed.children[key] = name
    else:
        name = vocabulary.documents.get(key) or re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")
        known = lists.documents.get(name)
        if known is not None and not (known.built and listed.built):
            name = f"{listed.name}_{name}"
        listed.children[key] = name
    return lists.documents.setdefault(name, FieldList(name, "document", listed.built))


def _structure(
    listed: FieldList, key: str, values: Sequence[Any], vocabulary: Vocabulary
) -> Structure:
    if f"{listed.name}.{key}" in vocabulary.content:
        return "content"
    if listed.of == "document" and not listed.built:
        scalars = all(value is None or isinstance(value, bool | int | str) for value in values)
        return "leaf" if scalars else "content"
    objects = [_object(value) for value in values]
    if not objects or any(each is None for each in objects):
        return "leaf"
    if _is_map([each for each in objects if each is not None]):
        return "content"
    if all(isinstance(value, dict) for value in values):
        return "document"
    texts = all(isinstance(value, str) for value in values)
    return "text" if texts and key not in vocabulary.fields else "leaf"


def _object(value: Any) -> dict[str, Any] | None:
    """An object, or the object that a JSON text holds."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value.startswith("{"):
        try:
            inner = loads(value)
        except ValueError:
            return None
        return inner if isinstance(inner, dict) else None
    return None


def _is_map(objects: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the names are data: ids, paths, placeholders."""
    names = {name for each in objects for name in each}
    return any("/" in name or "⟨" in name or _UUID.search(name) for name in names) or all(
        not each for each in objects
    )


def common_type(values: Sequence[Any]) -> str:
    """The JSON type of all values, ``any`` where they have several."""
    types = {json_type(value) for value in values}
    if types == {"int", "number"}:
        return "number"
    return types.pop() if len(types) == 1 else "any"
