"""The items of the input: a document for each kind of item, and the rules that name them. Pure.

Items are told apart by type and role; the message that carries the instructions, where a shape has
them in the input, is one of its own. What identifies an item (id, turn, time) and what is said of
each part of its content is learned by its form; what the item says is the caller's.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from fingerprints.learn.choices import Seen, uuid_versions
from fingerprints.learn.context import Context
from fingerprints.learn.entries import Learned, document_of, learn_list
from fingerprints.learn.lists import FieldList, Instance, common_type
from fingerprints.learn.samples import Sample
from fingerprints.learn.values import Part
from fingerprints.learn.vocabulary import ItemWords, Vocabulary
from fingerprints.matchers import (
    Const,
    Content,
    Enum,
    Matcher,
    Nested,
    PerPart,
    Prefixed,
    Text,
    TimeS,
    Uuid,
    accepts,
)
from fingerprints.profile import Document, ItemRule, Shape
from fingerprints.serial import dumps

_PREFIX = re.compile(r"[a-z]+_")
_NAMED = ("type", "role")
"""Members that tell a kind of item from others."""

type Group = tuple[str, str, str]
"""Type, role, and the shape for the message that has the instructions, else ""."""


def items_of(
    samples: Sequence[Sample], shapes: Mapping[str, Shape], context: Context
) -> tuple[tuple[ItemRule, ...], dict[str, Document], list[Learned]]:
    """Rules, their documents, and what was learned of them."""
    groups = _groups(samples, shapes, context.vocabulary)
    rules: list[ItemRule] = []
    documents: dict[str, Document] = {}
    learned: list[Learned] = []
    for group in sorted(groups, key=_rank):
        kind, role, shape = group
        name = _name(group)
        rules.append(
            ItemRule(
                type=kind,
                role=(role,) if role else (),
                leading=bool(shape),
                shape=(shape,) if shape else (),
                document=name,
            )
        )
        for listed in _documents(name, groups[group]):
            item = _Item(listed, group, context.vocabulary)
            one = learn_list(listed, context, item.parts, traits=("shape",))
            learned.append(one)
            documents[listed.name] = document_of(one)
    return tuple(rules), documents, learned


def _rank(group: Group) -> tuple[bool, str, str, str]:
    kind, role, shape = group
    return (kind != "message", kind, "" if shape else "x", f"{shape}{role}")


def _name(group: Group) -> str:
    kind, role, shape = group
    if shape:
        return f"item_{shape}_instructions"
    return "_".join(["item", kind, role] if role and kind == "message" else ["item", kind])


def _groups(
    samples: Sequence[Sample], shapes: Mapping[str, Shape], vocabulary: Vocabulary
) -> dict[Group, list[tuple[Sample, dict[str, Any]]]]:
    out: dict[Group, list[tuple[Sample, dict[str, Any]]]] = defaultdict(list)
    for sample in samples:
        given = sample.data.get("input") if isinstance(sample.data, dict) else None
        if sample.kind not in vocabulary.built or not isinstance(given, list):
            continue
        shape = shapes.get(sample.shape)
        whole = "previous_response_id" not in sample.data
        leading = whole and shape is not None and shape.instructions == "developer_message"
        for item in given:
            if not isinstance(item, dict) or not isinstance(item.get("type"), str):
                continue
            role = item.get("role") if isinstance(item.get("role"), str) else ""
            first = leading and item["type"] == "message"
            if first:
                leading = False
            mark = sample.shape if first and role == "developer" else ""
            out[item["type"], role or "", mark].append((sample, item))
    return dict(out)


def _documents(name: str, found: Sequence[tuple[Sample, dict[str, Any]]]) -> list[FieldList]:
    """The item's members, and those of the object in it that says where it comes from."""
    listed = FieldList(name, "document", built=True)
    inner: dict[str, FieldList] = {}
    for sample, item in found:
        place = f"body:input[{item.get('type')}]"
        parts = item.get("content")
        count = len(parts) if isinstance(parts, list) else -1
        listed.instances.append(Instance(sample, place, tuple(item.items())))
        for key, value in item.items():
            if isinstance(value, dict) and _is_metadata(value, count):
                child = inner.setdefault(key, FieldList(f"{name}_metadata", "document", True))
                child.instances.append(Instance(sample, f"{place}.{key}", tuple(value.items())))
                listed.structure[key] = "document"
                listed.children[key] = child.name
    return [listed, *inner.values()]


def _is_metadata(value: Mapping[str, Any], parts: int) -> bool:
    """Whether an object of an item is about the item: a turn, or one value for each part."""
    return "turn_id" in value or any(
        isinstance(each, list) and len(each) == parts for each in value.values()
    )


class _Item:
    """Infers the members of one kind of item."""

    def __init__(self, listed: FieldList, group: Group, vocabulary: Vocabulary) -> None:
        self.listed = listed
        self.group = group
        self.words: ItemWords = vocabulary.items
        kind, role, _ = group
        self.upstream = f"{kind} {role}".strip() in self.words.upstream
        self.about = listed.name.endswith("_metadata")

    def parts(self, key: str, seen: Seen) -> list[Part]:
        values = [value for _, _, value in seen]
        if key in self.listed.children:
            return [Part(Nested(document=self.listed.children[key]))]
        role = self.words.fields.get(key)
        if role == "item_id" and not self.about:
            return [Part(self._id(values), role=role)]
        if role == "item_turn_id" and self.about:
            versions = uuid_versions(values)
            matcher: Matcher = Uuid(versions=versions) if versions else Text()
            return [Part(matcher, role=role, equal=False)]
        if role == "item_create_time" and all(accepts(TimeS(), v, release="") for v in values):
            return [Part(TimeS(), role=role)]
        if self.about and all(isinstance(value, list) for value in values):
            return [self._per_part(key, [part for value in values for part in value])]
        if key in _NAMED and not self.about:
            options = tuple(sorted({str(value) for value in values}))
            return [Part(Const(value=options[0]) if len(options) == 1 else Enum(values=options))]
        if key in self.words.free:
            return [Part(Content(type="any"))]
        if key in self.words.given:
            return [Part(Text() if all(isinstance(v, str) and v for v in values) else _any(values))]
        if self.about and len({dumps(value) for value in values}) == 1:
            return [Part(Const(value=values[0]))]
        default = self.words.defaults.get(key)
        return [Part(_any(values), default=default)]

    def _id(self, values: Sequence[Any]) -> Matcher:
        prefixes = {
            match[0] if isinstance(value, str) and (match := _PREFIX.match(value)) else ""
            for value in values
        }
        if len(prefixes) != 1 or "" in prefixes:
            return Text()
        prefix = prefixes.pop()
        versions = uuid_versions([value.removeprefix(prefix) for value in values])
        if self.upstream or not versions:
            return Prefixed(prefix=prefix, rest=Text())
        return Prefixed(prefix=prefix, rest=Uuid(versions=versions))

    def _per_part(self, key: str, values: Sequence[Any]) -> Part:
        """One value for each part; a default says what a writer puts there, by the part's type."""
        distinct = {dumps(value): value for value in values}
        known = self.words.parts.get(f"{self.listed.name.removesuffix('_metadata')}.{key}")
        default = dict(known) if known is not None else None
        if default is None and distinct:
            counts = Counter(dumps(value) for value in values)
            usual = max(sorted(counts), key=lambda text: counts[text])
            default = {"*": distinct[usual]}
        matcher: Matcher
        if len(distinct) == 1 and isinstance(values[0], str):
            matcher = Const(value=values[0])
        elif all(isinstance(value, str) for value in values):
            matcher = Text()
        else:
            matcher = _any(values)
        return Part(PerPart(item=matcher), default=default)


def _any(values: Sequence[Any]) -> Matcher:
    kind: Any = common_type(values)
    return Content(type=kind)
