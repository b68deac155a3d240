"""What a release's requests are beside their fields: shapes, models, forms, compression. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fingerprints.learn.conditions import Case, explain
from fingerprints.learn.lists import Lists
from fingerprints.learn.naming import Naming
from fingerprints.learn.samples import Sample
from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.observed import dig
from fingerprints.profile import Encoding, Form, ModelRule, Never, Shape, SignIn, When
from fingerprints.trace import Coding

HTTP_VERSIONS = ("HTTP/2.0", "HTTP/1.1")
"""The first one that carried a kind is what the real host speaks: it was offered both."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a client's own catalogue says of a model.

    Attributes:
        slug: its name.
        shape: body shape; "" where the catalogue does not say.
        defaults: role values that hold unless the caller says otherwise.
    """

    slug: str
    shape: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)


# --- shapes and models ---------------------------------------------------------------------------


def shapes_of(samples: Sequence[Sample], vocabulary: Vocabulary) -> dict[str, Shape]:
    """The body shapes that were recorded, in the vocabulary's order from the last one."""
    order = [rule.name for rule in reversed(vocabulary.shapes)]
    bodies = [each for each in _model_requests(samples, vocabulary) if each.kind != "prewarm"]
    seen = {each.shape for each in bodies} or {order[0]}
    return {name: _shape([s for s in bodies if s.shape == name]) for name in order if name in seen}


def _model_requests(samples: Iterable[Sample], vocabulary: Vocabulary) -> list[Sample]:
    return [
        each
        for each in samples
        if each.kind in vocabulary.built and isinstance(each.data, dict) and "input" in each.data
    ]


def _shape(samples: Sequence[Sample]) -> Shape:
    def items(sample: Sample) -> list[dict[str, Any]]:
        given = sample.data.get("input")
        return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []

    in_input = any(
        item.get("type") == "additional_tools" for each in samples for item in items(each)
    )
    ids = [("id" in item) for each in samples for item in items(each) if _has_kind(item)]
    return Shape(
        instructions="member"
        if not samples or any("instructions" in each.data for each in samples)
        else "developer_message",
        tools="additional_tools" if in_input else "member",
        item_ids=bool(ids) and all(ids),
    )


def _has_kind(item: Mapping[str, Any]) -> bool:
    """Whether an item is one that could have an id: a trigger has none in any release."""
    return len(item) > 1


def models_of(
    samples: Sequence[Sample],
    naming: Naming,
    vocabulary: Vocabulary,
    shapes: Mapping[str, Shape],
    catalogue: Sequence[Model],
) -> tuple[ModelRule, ...]:
    """Rules of the catalogue's models, then of those that were recorded; the last fits all."""
    seen: dict[str, Model] = {}
    for slug in sorted({each.model for each in samples if each.model}):
        mine = [each for each in samples if each.model == slug and each.kind in vocabulary.built]
        if mine:
            shape = Counter(each.shape for each in mine).most_common(1)[0][0]
            seen[slug] = Model(slug, shape, _defaults(mine, naming, vocabulary))
    known: dict[str, Model] = {}
    for model in catalogue:
        recorded = seen.get(model.slug, Model(model.slug))
        shape = recorded.shape or (model.shape if model.shape in shapes else next(iter(shapes)))
        defaults = {**recorded.defaults, **model.defaults}
        known[model.slug] = Model(model.slug, shape, _ordered(defaults, vocabulary))
    for slug, model in seen.items():
        known.setdefault(slug, model)
    rules = _grouped(known.values())
    rest = _rest(known.values(), next(iter(shapes)), vocabulary)
    return (*rules, rest)


def _defaults(samples: Sequence[Sample], naming: Naming, vocabulary: Vocabulary) -> dict[str, Any]:
    out = {}
    for role in vocabulary.model_defaults:
        texts = [text for each in samples if (text := naming.role(each, role)) is not None]
        if texts:
            counts = Counter(texts)
            best = max(sorted(counts), key=lambda text: counts[text])
            out[role] = {"true": True, "false": False}.get(best, best)
    return out


def _ordered(defaults: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    known = [role for role in vocabulary.model_defaults if defaults.get(role) is not None]
    return {role: defaults[role] for role in known}


def _grouped(models: Iterable[Model]) -> list[ModelRule]:
    groups: dict[tuple[str, str], list[Model]] = defaultdict(list)
    for model in models:
        groups[model.shape, str(dict(model.defaults))].append(model)
    return [
        ModelRule(
            match=tuple(model.slug for model in group),
            shape=group[0].shape,
            defaults=dict(group[0].defaults),
        )
        for group in groups.values()
    ]


def _rest(models: Iterable[Model], shape: str, vocabulary: Vocabulary) -> ModelRule:
    """For slugs that nobody has seen: the plain shape, and what most of its models say."""
    alike = [model for model in models if model.shape == shape]
    defaults: dict[str, Any] = {}
    for role in vocabulary.model_defaults:
        values = [model.defaults[role] for model in alike if role in model.defaults]
        if values:
            counts = Counter(map(str, values))
            best = max(sorted(counts), key=lambda text: counts[text])
            defaults[role] = next(value for value in values if str(value) == best)
    return ModelRule(match=("*",), shape=shape, defaults=defaults, reason="not in the catalogue")


def never_of(lists: Lists, vocabulary: Vocabulary) -> Never:
    """What was looked for and found nowhere."""
    headers = {key for listed in lists.headers.values() for key in listed.names}
    members = {key for listed in lists.documents.values() if listed.built for key in listed.names}
    return Never(
        headers=tuple(name for name in vocabulary.never.headers if name not in headers),
        members=tuple(name for name in vocabulary.never.members if name not in members),
        reason="in none of the recordings",
    )


# --- forms ---------------------------------------------------------------------------------------


def form_of(
    kind: str,
    transport: str,
    samples: Sequence[Sample],
    family: Sequence[Sample],
    lists: Lists,
    random: Sequence[Sequence[str]],
    vocabulary: Vocabulary,
    release: str,
) -> Form:
    """The form of a kind over a transport.

    Args:
        samples: of this kind.
        family: those and the ones of kinds at the same place: what one of them says of paths,
            versions and compression holds for all.
    """
    first = samples[0]
    key = (kind, transport)
    marks = marks_of(kind, samples, vocabulary)
    if first.method is None:
        return Form(body=lists.body[key], marks=marks)
    versions = {each.http for each in family}
    return Form(
        method=first.method,
        path=_paths(family, release),
        http=tuple(version for version in HTTP_VERSIONS if version in versions),
        headers=lists.header_list[key],
        unordered=tuple(tuple(group) for group in random),
        body=lists.body.get(key, ""),
        encodings=_encodings(family),
        marks=marks,
    )


def marks_of(kind: str, samples: Sequence[Sample], vocabulary: Vocabulary) -> dict[str, Any]:
    """What tells the kind from others at its place; nothing for the plain one."""
    if kind == vocabulary.built[0] if vocabulary.built else True:
        return {}
    for rule in vocabulary.kinds:
        if rule.kind == kind and rule.marks and _all_marked(rule.marks, samples):
            return dict(rule.marks)
    if any(rule.kind == kind and not rule.marks for rule in vocabulary.kinds):
        return {}
    for place in vocabulary.kind_said_at:
        said = {str(dig(place, each.headers, each.data)) for each in samples}
        if len(said) == 1 and said != {"None"}:
            return {place: said.pop()}
    return {}


def _all_marked(marks: Mapping[str, Any], samples: Sequence[Sample]) -> bool:
    return all(
        dig(path, each.headers, each.data) == value
        for each in samples
        for path, value in marks.items()
    )


def _paths(samples: Sequence[Sample], release: str) -> dict[SignIn, tuple[str, ...]]:
    """By sign-in, the most frequent first."""
    sign_ins: tuple[SignIn, ...] = ("chatgpt", "api_key")
    out: dict[SignIn, tuple[str, ...]] = {}
    for sign_in in sign_ins:
        counts = Counter(
            each.path.replace(release, "{version}") for each in samples if each.account == sign_in
        )
        if counts:
            out[sign_in] = tuple(sorted(counts, key=lambda path: (-counts[path], path)))
    return out


def _encodings(samples: Sequence[Sample]) -> tuple[Encoding, ...]:
    """How bodies were compressed, with the condition that tells when."""
    bodies = [each for each in samples if each.payload is not None]
    by_coding: dict[str, list[int]] = defaultdict(list)
    settings: dict[str, Coding] = {}
    for index, each in enumerate(bodies):
        coding = each.payload.coding if each.payload is not None else None
        if coding is not None and coding.name == "zstd":
            facts = f"{coding.level} {coding.content_size} {coding.checksum} {coding.window}"
            by_coding[facts].append(index)
            settings[facts] = coding
    cases = [
        Case(tuple((name, each.trait(name)) for name in ("shape", "sign_in", "http")))
        for each in bodies
    ]
    out = []
    for facts, inside in sorted(by_coding.items()):
        coding = settings[facts]
        found = explain([index in set(inside) for index in range(len(bodies))], cases)
        out.append(
            Encoding(
                name="zstd",
                level=coding.level or 3,
                content_size=bool(coding.content_size),
                checksum=bool(coding.checksum),
                window=coding.window or 1,
                when=When.model_validate(found.condition.as_data()),
                reason="" if coding.level else "no level makes the recorded frames again",
            )
        )
    return tuple(out)
