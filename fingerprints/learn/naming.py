"""Which field shows which role, found from the values. Pure.

A role's value is what its fields say. Fields that the vocabulary gives one role define it; one with
several candidates gets the first that no recording contradicts; and a field without a name gets the
role that its value equals in every recording, if that is no chance: values of two kinds at least,
long enough, not constant. What equals another field and no role is ``same_as`` that field.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fingerprints.json_values import as_text
from fingerprints.learn.lists import FieldList, Instance, Lists
from fingerprints.learn.samples import Sample
from fingerprints.learn.templates import fitted, telling
from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.roles import ROLES

LONG = 16
"""Characters from which an equality of two values is no chance."""

SHORT = 4
"""Characters of a role's value from which it is looked for inside of others."""

type Key = tuple[str, str, str]
"""``headers`` or ``document``, name of the list, key of the field."""


@dataclass(slots=True)
class Found:
    """What is known of a field.

    Attributes:
        role: the role that it shows.
        equal: it never differs from the role's other places.
        templates: templates that its values have, in the vocabulary's order.
        same_as: path of the field that it equals.
        reason: why.
        evidence: requests in which that was seen.
    """

    role: str | None = None
    equal: bool = True
    templates: tuple[str, ...] = ()
    same_as: str | None = None
    reason: str = ""
    evidence: int = 0


@dataclass(slots=True)
class Naming:
    """What all fields show, and what the roles are in each sample.

    Attributes:
        fields: by field; those without an entry show nothing.
        values: texts of a role in a sample, by field, by the sample's name.
    """

    fields: dict[Key, Found] = field(default_factory=dict)
    values: dict[str, dict[str, dict[Key, str]]] = field(default_factory=dict)

    def found(self, listed: FieldList, key: str) -> Found:
        """What is known of a field; nothing for one that shows nothing."""
        return self.fields.get((listed.of, listed.name, key), Found())

    def roles(self, sample: Sample) -> frozenset[str]:
        """Roles that have a value in the sample."""
        return frozenset(self.values.get(sample.name, {}))

    def role(self, sample: Sample, role: str) -> str | None:
        """The value of a role in a sample: what most of its fields say."""
        texts = self.values.get(sample.name, {}).get(role)
        if not texts:
            return None
        counts = Counter(texts.values())
        return max(sorted(counts), key=lambda text: counts[text])

    def add(self, sample: Sample, role: str, key: Key, text: str) -> None:
        """A field's word on a role."""
        self.values.setdefault(sample.name, {}).setdefault(role, {})[key] = text


def fits(role: str, value: Any) -> bool:
    """Whether a value looks like one of the role."""
    if value is None or value == "":
        return False
    return re.fullmatch(ROLES[role].pattern, as_text(value), re.DOTALL) is not None


def name_fields(lists: Lists, vocabulary: Vocabulary, release: str) -> Naming:
    """Roles, templates and equalities of all fields."""
    naming = Naming()
    fields = list(_fields(lists))
    _templates(naming, fields, vocabulary, release)
    _pooled(naming, lists, vocabulary)
    _single(naming, fields, vocabulary)
    _several(naming, fields, vocabulary)
    _disagreements(naming)
    _by_value(naming, fields, vocabulary)
    _factored(naming, fields, release)
    _same(naming, fields)
    return naming


type Field = tuple[Key, Sequence[tuple[Instance, Any]]]


def _fields(lists: Lists) -> Iterator[Field]:
    for listed in lists.all:
        for key in listed.names:
            if listed.structure.get(key) in ("leaf", "content", "document"):
                yield (listed.of, listed.name, key), listed.values(key)


def _candidates(vocabulary: Vocabulary, key: Key) -> tuple[str, ...]:
    return vocabulary.fields.get(key[2].lower(), ())


def _templates(
    naming: Naming, fields: Sequence[Field], vocabulary: Vocabulary, release: str
) -> None:
    chosen = telling(
        ((key[2].lower(), as_text(value)) for key, values in fields for _, value in values),
        vocabulary.templates,
        release,
    )
    for key, values in fields:
        used: dict[str, int] = {}
        for instance, value in values:
            for text in chosen.get(key[2].lower(), ()):
                parts = fitted(text, as_text(value), release)
                if parts is None:
                    continue
                used[text] = used.get(text, 0) + 1
                for place, (role, part) in enumerate(parts):
                    if role != "version":
                        here = (key[0], key[1], f"{key[2]}#{place}@{instance.path}")
                        naming.add(instance.sample, role, here, part)
                break
        if used:
            order = chosen[key[2].lower()]
            naming.fields[key] = Found(
                templates=tuple(text for text in order if text in used),
                reason="",
                evidence=sum(used.values()),
            )


def _pooled(naming: Naming, lists: Lists, vocabulary: Vocabulary) -> None:
    """Kinds that floway does not build are seen seldom, and which of a field's templates one of
    them had is chance: what one may say, all may."""
    pools: dict[str, set[str]] = defaultdict(set)
    fields = [
        (found, key[2].lower())
        for key, found in naming.fields.items()
        if key[0] == "headers" and not lists.headers[key[1]].built
    ]
    for found, name in fields:
        pools[name].update(found.templates)
    for found, name in fields:
        order = vocabulary.templates.get(name, ())
        found.templates = tuple(text for text in order if text in pools[name])


def _single(naming: Naming, fields: Sequence[Field], vocabulary: Vocabulary) -> None:
    for key, values in fields:
        candidates = _candidates(vocabulary, key)
        if len(candidates) == 1:
            _assign(naming, key, values, candidates[0], "")


def _assign(
    naming: Naming,
    key: Key,
    values: Sequence[tuple[Instance, Any]],
    role: str,
    reason: str,
) -> bool:
    fitting = [(instance, value) for instance, value in values if fits(role, value)]
    if not fitting:
        return False
    naming.fields[key] = Found(role=role, reason=reason, evidence=len(fitting))
    for instance, value in fitting:
        here = (key[0], key[1], f"{key[2]}@{instance.path}")
        naming.add(instance.sample, role, here, as_text(value))
    return True


def _several(naming: Naming, fields: Sequence[Field], vocabulary: Vocabulary) -> None:
    """Fields with several candidates: first those that recordings decide, then the others."""
    open_fields = [(key, values) for key, values in fields if len(_candidates(vocabulary, key)) > 1]
    for sure in (True, False):
        progress = True
        while progress:
            progress = False
            for key, values in list(open_fields):
                possible = [
                    role
                    for role in _candidates(vocabulary, key)
                    if _possible(naming, values, role, vocabulary)
                ]
                known = [role for role in possible if _known(naming, values, role)]
                possible = known or possible
                if sure and len(possible) != 1:
                    continue
                open_fields.remove((key, values))
                if possible:
                    progress = True
                    _assign(naming, key, values, possible[0], _why(naming, values, possible))
                    break


def _possible(
    naming: Naming, values: Sequence[tuple[Instance, Any]], role: str, vocabulary: Vocabulary
) -> bool:
    fitting = [(instance, as_text(value)) for instance, value in values if fits(role, value)]
    if not fitting:
        return False
    if role in vocabulary.shared_by_subagents and not _shared(naming, fitting):
        return False
    return all(naming.role(instance.sample, role) in (None, text) for instance, text in fitting)


def _known(naming: Naming, values: Sequence[tuple[Instance, Any]], role: str) -> bool:
    """Whether another field has said the role in one of the samples."""
    return any(naming.role(instance.sample, role) is not None for instance, _ in values)


def _shared(naming: Naming, fitting: Sequence[tuple[Instance, str]]) -> bool:
    """Whether a sub-agent and its root say the same, where a recording has both."""
    mine: dict[str, set[str]] = defaultdict(set)
    root: dict[str, set[str]] = defaultdict(set)
    for instance, text in fitting:
        sub = "subagent" in naming.roles(instance.sample)
        (mine if sub else root)[instance.sample.recording].add(text)
    return all(mine[name] & root[name] for name in mine if name in root)


def _why(naming: Naming, values: Sequence[tuple[Instance, Any]], possible: Sequence[str]) -> str:
    role = possible[0]
    if len(possible) > 1:
        others = ", ".join(possible[1:])
        return f"{role} by its name; recordings do not tell it from {others}"
    known = [
        instance
        for instance, value in values
        if fits(role, value) and naming.role(instance.sample, role) is not None
    ]
    return f"equal to {role} in all {len(known)} requests" if known else ""


def _disagreements(naming: Naming) -> None:
    """Fields that differ from what most fields of their role say lose the equality."""
    for roles in naming.values.values():
        for texts in roles.values():
            counts = Counter(texts.values())
            if len(counts) < 2:
                continue
            usual = max(sorted(counts), key=lambda text: counts[text])
            for (of, name, place), text in texts.items():
                key = (of, name, place.partition("@")[0].partition("#")[0])
                found = naming.fields.get(key)
                if text != usual and found is not None and found.role is not None:
                    found.equal = False


def _by_value(naming: Naming, fields: Sequence[Field], vocabulary: Vocabulary) -> None:
    """Fields that nothing names, and that equal a role in every recording."""
    order = list(dict.fromkeys(role for roles in vocabulary.fields.values() for role in roles))
    for key, values in fields:
        if key in naming.fields or not _telling([value for _, value in values]):
            continue
        equal = [
            (role, count)
            for role in order
            if not ROLES[role].secret and (count := _agreements(naming, values, role))
        ]
        if equal:
            role, count = equal[0]
            also = ", ".join(name for name, _ in equal[1:])
            reason = f"found: equal to {role} in all {count} requests"
            if also:
                reason += f"; as well to {also}"
            _assign(naming, key, values, role, reason)


def _telling(values: Sequence[Any]) -> bool:
    """Whether an equality with these values is no chance."""
    texts = {value for value in values if isinstance(value, str)}
    return len(texts) > 1 and all(len(text) >= LONG for text in texts)


def _agreements(naming: Naming, values: Sequence[tuple[Instance, Any]], role: str) -> int:
    """In how many samples the field equals the role; 0 when it differs in one, or the role never
    had two values there."""
    texts = set()
    count = 0
    for instance, value in values:
        known = naming.role(instance.sample, role)
        if known is None:
            continue
        if known != as_text(value):
            return 0
        texts.add(known)
        count += 1
    return count if len(texts) > 1 and count == len(values) else 0


def _factored(naming: Naming, fields: Sequence[Field], release: str) -> None:
    """Texts that hold the release or a role's value among words that never change."""
    for key, values in fields:
        if key in naming.fields:
            continue
        varies = len({as_text(value) for _, value in values}) > 1
        made = {
            _template(naming, instance.sample, value, release, varies) for instance, value in values
        }
        text = made.pop() if len(made) == 1 else None
        if text is not None and re.search(r"\{[a-z_]+\}", text) and text != "{version}":
            naming.fields[key] = Found(
                templates=(text,), reason="found: made of these roles", evidence=len(values)
            )


def _template(naming: Naming, sample: Sample, value: Any, release: str, varies: bool) -> str | None:
    """The text with placeholders; one that never varies has none but the release's."""
    if not isinstance(value, str) or "{" in value or "⟨" in value:
        return None
    pieces = {release: "{version}"}
    for role in sorted(naming.roles(sample)) if varies else ():
        text = naming.role(sample, role)
        if text is not None and len(text) >= SHORT and not ROLES[role].secret:
            pieces.setdefault(text, f"{{{role}}}")
    pattern = "|".join(re.escape(text) for text in sorted(pieces, key=lambda t: (-len(t), t)))
    return re.sub(pattern, lambda match: pieces[match[0]], value)


def _same(naming: Naming, fields: Sequence[Field]) -> None:
    """Fields that equal another one, in every sample that has both."""
    open_fields = [
        (key, values)
        for key, values in fields
        if key not in naming.fields and _telling([value for _, value in values])
    ]
    by_sample = {
        key: {
            instance.sample.name: (instance.at(key[2]), as_text(value))
            for instance, value in values
        }
        for key, values in open_fields
    }
    for index, (key, _) in enumerate(open_fields):
        for source, _ in open_fields[:index]:
            if source in naming.fields:
                continue
            path = _equal_path(by_sample[key], by_sample[source])
            if path is not None:
                naming.fields[key] = Found(
                    same_as=path,
                    reason=f"found: equal to {path} in all {len(by_sample[key])} requests",
                    evidence=len(by_sample[key]),
                )
                break


def _equal_path(
    mine: Mapping[str, tuple[str, str]], other: Mapping[str, tuple[str, str]]
) -> str | None:
    if not mine.keys() <= other.keys() or len(mine) < 2:
        return None
    paths = {other[name][0] for name in mine}
    if len(paths) != 1 or any(mine[name][1] != other[name][1] for name in mine):
        return None
    return paths.pop()
