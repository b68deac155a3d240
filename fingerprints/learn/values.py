"""What a field may be: a typed matcher for each of its parts. Pure.

A *part* is a set of instances in which the field is of one nature: a turn's id in turns, the empty
text in a prewarm. Where conditions tell the parts apart each becomes an entry of its own, else they
are joined.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fingerprints.json_values import as_text
from fingerprints.learn.choices import MOST_VALUES, Seen, distinct, few, plain, usual, uuid_versions
from fingerprints.learn.conditions import TRAITS, Case, Condition, split
from fingerprints.learn.lists import FieldList, Instance, common_type
from fingerprints.learn.naming import Found, fits
from fingerprints.learn.vocabulary import Vocabulary
from fingerprints.matchers import (
    AnyOf,
    Bool,
    Const,
    Content,
    Enum,
    Int,
    Items,
    JsonText,
    Matcher,
    Nested,
    Opaque,
    SameAs,
    Template,
    Text,
    TimeMs,
    Uuid,
    Version,
    accepts,
)
from fingerprints.serial import dumps


@dataclass(frozen=True, slots=True)
class Part:
    """One nature of a field.

    Attributes:
        matcher: what it may be.
        condition: what tells it from the field's other parts.
        role, equal, default: as in the profile's entry.
        reason: why.
        unexplained: where the value comes from is not known, and the field is no constant.
        instances: in how many it was seen.
    """

    matcher: Matcher
    condition: Condition = field(default_factory=Condition)
    role: str | None = None
    equal: bool = True
    default: Any = None
    reason: str = ""
    unexplained: bool = False
    instances: int = 0


class Values:
    """Infers the parts of the fields of one list.

    Args:
        cases: conditions of the list's instances.
        strings: the document holds strings only.
        guards: roles whose presence may tell parts apart.
        pool: values of a role in all recordings, for kinds that are seen seldom.
    """

    def __init__(
        self,
        listed: FieldList,
        vocabulary: Vocabulary,
        release: str,
        cases: Sequence[Case],
        *,
        strings: bool,
        guards: Sequence[str],
        pool: Mapping[str, Sequence[Any]],
    ) -> None:
        self.listed = listed
        self.vocabulary = vocabulary
        self.release = release
        self.cases = cases
        self.strings = strings
        self.guards = guards
        self.pool = pool

    def parts(self, key: str, seen: Seen, found: Found) -> list[Part]:
        """The parts of a field; one, unless conditions tell several apart."""
        structure = self.listed.structure.get(key, "leaf")
        values = [value for _, _, value in seen]
        if structure == "document":
            return [Part(Nested(document=self.listed.children[key]), role=found.role)]
        if structure == "text":
            return [Part(JsonText(document=self.listed.children[key]))]
        if structure == "content":
            return self._content(key, seen, found)
        if found.same_as is not None:
            typed = self._same(found, values)
            return [typed]
        groups = self._groups(seen, found)
        pooled = self.listed.of == "headers" and not self.listed.built
        if pooled and len(found.templates) > 1 and set(groups) <= set(found.templates):
            options = tuple(Template(text=text) for text in found.templates)
            return [Part(AnyOf(options=options), instances=len(seen))]
        if len(groups) > 1:
            divided = self._divided(groups, found)
            if divided is None:
                divided = self._by_trait(groups, found)
            return divided or [self._joined(groups, found)]
        ((nature, members),) = groups.items()
        return self._of_group(nature, members, found)

    # --- natures -----------------------------------------------------------------------------

    def _groups(self, seen: Seen, found: Found) -> dict[str, list[tuple[int, Instance, Any]]]:
        """Instances by the nature of the value: a template, the role, or the rest."""
        groups: dict[str, list[tuple[int, Instance, Any]]] = defaultdict(list)
        for item in seen:
            groups[self._nature(item[2], found)].append(item)
        return dict(groups)

    def _nature(self, value: Any, found: Found) -> str:
        for text in found.templates:
            if accepts(Template(text=text), value, release=self.release):
                return text
        if found.role is not None and fits(found.role, value):
            return "role"
        return "rest"

    def _of_group(self, nature: str, members: Seen, found: Found) -> list[Part]:
        if nature == "role":
            return [self._role(members, found)]
        if nature == "rest":
            return self._rest(members)
        return [Part(Template(text=nature), reason=found.reason, instances=len(members))]

    def _divided(
        self, groups: dict[str, list[tuple[int, Instance, Any]]], found: Found
    ) -> list[Part] | None:
        """A part for each group, where conditions tell them apart."""
        order = sorted(groups, key=lambda nature: (nature == "rest", nature))
        conditions = self._split([groups[nature] for nature in order])
        if conditions is None:
            return None
        out = []
        for nature, condition in zip(order, conditions, strict=True):
            for part in self._of_group(nature, groups[nature], found):
                if part.condition != Condition():
                    return None  # parts of parts: too fine to be believed
                out.append(_with(part, condition))
        return out

    def _by_trait(
        self, groups: dict[str, list[tuple[int, Instance, Any]]], found: Found
    ) -> list[Part] | None:
        """Parts by the values of one condition, where it makes some of them of one nature: turns
        have an id, prewarms have none, and of upgrades some have one."""
        for trait in TRAITS:
            natures: dict[str, set[str]] = defaultdict(set)
            for nature, members in groups.items():
                for index, _, _ in members:
                    natures[self.cases[index].trait(trait)].add(nature)
            kinds = sorted({tuple(sorted(each)) for each in natures.values()})
            if len(kinds) < 2 or not any(len(kind) == 1 for kind in kinds):
                continue
            out = []
            for kind in kinds:
                values = tuple(sorted(v for v, each in natures.items() if {*kind} == each))
                condition = Condition(((trait, values),))
                inside = {
                    nature: [
                        item for item in groups[nature] if condition.meets(self.cases[item[0]])
                    ]
                    for nature in kind
                }
                if len(kind) > 1:
                    out.append(_with(self._joined(inside, found), condition))
                    continue
                parts = self._of_group(kind[0], inside[kind[0]], found)
                if len(parts) > 1:
                    return None
                out.append(_with(parts[0], condition))
            return out
        return None

    def _joined(self, groups: dict[str, list[tuple[int, Instance, Any]]], found: Found) -> Part:
        """One part for groups that nothing tells apart."""
        options: list[Matcher] = []
        templates = [text for text in found.templates if text in groups]
        for nature in [*templates, *(each for each in ("role", "rest") if each in groups)]:
            for part in self._of_group(nature, groups[nature], found):
                if part.matcher not in options:
                    options.append(part.matcher)
        only_templates = set(groups) == set(templates)
        return Part(
            AnyOf(options=tuple(options)) if len(options) > 1 else options[0],
            role=None if only_templates else found.role,
            equal=only_templates,
            reason=found.reason or ("" if only_templates else "several natures, unexplained"),
            unexplained=not only_templates,
        )

    def _split(self, groups: Sequence[Seen]) -> list[Condition] | None:
        flags = []
        for members in groups:
            inside = {index for index, _, _ in members}
            flags.append([index in inside for index in range(len(self.cases))])
        return split(flags, self.cases, self.guards)

    # --- parts -------------------------------------------------------------------------------

    def _content(self, key: str, seen: Seen, found: Found) -> list[Part]:
        rule = self.vocabulary.content.get(f"{self.listed.name}.{key}")
        values = [value for _, _, value in seen]
        kind: Any = common_type(values)
        default = None
        if rule is not None:
            kind = rule.type or kind
            default = rule.default
        matcher: Matcher = Content(type=kind)
        if rule is not None and rule.items:
            return [Part(Items(), reason=found.reason)]
        if default is None and found.role is None:
            if few(seen) and len(distinct(values)) == 1:
                default = values[0]
            elif few(seen):
                parts = self._by_value(seen, lambda value: (matcher, value))
                if parts is not None:
                    return parts
                default = usual(values)
        return [Part(matcher, role=found.role, default=default, reason=found.reason)]

    def _same(self, found: Found, values: Sequence[Any]) -> Part:
        return Part(SameAs(path=str(found.same_as)), reason=found.reason, instances=len(values))

    def _role(self, members: Seen, found: Found) -> Part:
        role = str(found.role)
        values = [value for _, _, value in members]
        default = None
        if role in self.vocabulary.environment:
            default = usual(values)
            if self.strings and isinstance(default, bool | int):
                default = as_text(default)
        return Part(
            self._role_matcher(role, values),
            role=role,
            equal=found.equal,
            default=default,
            reason=found.reason,
            instances=len(members),
        )

    def _role_matcher(self, role: str, values: Sequence[Any]) -> Matcher:
        if role in self.vocabulary.opaque:
            return Opaque()
        if role in self.vocabulary.enumerated:
            pooled = self.listed.of == "headers" and not self.listed.built
            known = self.pool.get(role, ()) if pooled else ()
            return Enum(values=tuple(distinct([*values, *known])))
        typed = self._typed(values)
        if typed is not None:
            return typed
        kind: Any = common_type(values)
        return Text() if kind == "string" else Content(type=kind)

    def _typed(self, values: Sequence[Any]) -> Matcher | None:
        """uuid, time, number, truth value; None for texts and the rest."""
        versions = uuid_versions(values)
        if versions:
            return Uuid(versions=versions)
        text = self.strings or self.listed.of == "headers"
        for matcher in (TimeMs(), Int(), Bool()):
            if all(accepts(matcher, v, release=self.release, strings=text) for v in values):
                return matcher
        return None

    def _rest(self, members: Seen) -> list[Part]:
        """Values that no role explains."""
        values = [value for _, _, value in members]
        count = len(members)
        if self.listed.of == "document" and not self.listed.built:
            kind: Any = common_type(values)
            return [Part(Content(type=kind), instances=count)]
        if all(value == self.release for value in values):
            return [Part(Version(), reason="the release", instances=count)]
        if len(distinct(values)) == 1 and plain(values[0]):
            return [Part(Const(value=values[0]), instances=count)]
        if few(members):
            parts = self._by_value(members, lambda value: (Const(value=value), None))
            if parts is not None:
                return parts
        typed = self._typed(values)
        if typed is not None:
            default = usual(values) if isinstance(typed, Bool) else None
            return [Part(typed, default=default, unexplained=True, instances=count)]
        if few(members):
            options = tuple(distinct(values))
            return [
                Part(Enum(values=options), default=usual(values), unexplained=True, instances=count)
            ]
        kind = common_type(values)
        if kind in ("object", "array"):
            return [Part(Content(type=kind), unexplained=True, instances=count)]
        matcher: Matcher = Text() if kind == "string" and all(values) else Opaque()
        return [Part(matcher, unexplained=True, instances=count)]

    def _by_value(
        self, members: Seen, make: Callable[[Any], tuple[Matcher, Any]]
    ) -> list[Part] | None:
        """A part for each value, where conditions tell the values apart."""
        groups: dict[bytes, list[tuple[int, Instance, Any]]] = defaultdict(list)
        for item in members:
            groups[dumps(item[2])].append(item)
        if len(groups) > MOST_VALUES:
            return None
        order = sorted(groups)
        conditions = self._split([groups[key] for key in order])
        if conditions is None:
            return None
        out = []
        for key, condition in zip(order, conditions, strict=True):
            matcher, default = make(groups[key][0][2])
            out.append(
                Part(matcher, condition=condition, default=default, instances=len(groups[key]))
            )
        return out


def _with(part: Part, condition: Condition) -> Part:
    return Part(
        part.matcher,
        condition,
        part.role,
        part.equal,
        part.default,
        part.reason,
        part.unexplained,
        part.instances,
    )
