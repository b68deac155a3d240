"""What the goldens allow: learned from how they differ from each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fingerprints.compare.facts import Container, Facts, Unit, Value, units
from fingerprints.compare.shape import Pattern, pattern
from fingerprints.matchers import json_type
from fingerprints.roles import Json
from fingerprints.trace import Conditions, Trace

type OrderKey = tuple[Any, ...]


@dataclass(slots=True)
class Habits:
    """What is seen over all requests of a kind, in all recordings: random orders show soon, and
    other recordings show what one golden cannot."""

    _orders: dict[OrderKey, set[tuple[str, ...]]] = field(default_factory=dict)
    _groups: dict[OrderKey, list[frozenset[str]]] = field(default_factory=dict)
    _values: dict[OrderKey, dict[tuple[type, Json], Json]] = field(default_factory=dict)

    @classmethod
    def of(cls, traces: Iterable[Trace]) -> Habits:
        """What these recordings show."""
        habits = cls()
        for trace in traces:
            for unit in units(trace):
                facts = unit.facts()
                habits.learn(unit, facts)
                habits._learn_values(trace.conditions, unit, facts)
        return habits

    def learn(self, unit: Unit, facts: Facts) -> None:
        """The orders of a golden."""
        for path, names in facts.orders.items():
            if len(names) > 1:
                key = self._key(unit, facts, path)
                seen = self._orders.setdefault(key, set())
                if names not in seen:
                    seen.add(names)
                    self._groups.pop(key, None)

    def _learn_values(self, conditions: Conditions, unit: Unit, facts: Facts) -> None:
        for path, value in facts.values.items():
            if not isinstance(value, Container):
                known = self._values.setdefault(_place(conditions, unit, path), {})
                if len(known) < _VALUES:
                    known[(type(value), value)] = value

    def groups(self, unit: Unit, facts: Facts, path: str) -> list[frozenset[str]]:
        """Names whose order among each other is random, in groups."""
        key = self._key(unit, facts, path)
        if key not in self._groups:
            self._groups[key] = _groups(self._orders.get(key, ()))
        return self._groups[key]

    def elsewhere(self, conditions: Conditions, unit: Unit, path: str) -> list[Json]:
        """Values that recordings under the same conditions have there."""
        return list(self._values.get(_place(conditions, unit, path), {}).values())

    def _key(self, unit: Unit, facts: Facts, path: str) -> OrderKey:
        # Items of a list at the same index may be of different kinds.
        told = facts.values.get(f"{path}.type") if "[" in path else None
        # What is inside a body has one order in all kinds of a request; the more of them are seen,
        # the sooner a random order shows.
        kind = unit.kind if path in ("body:", "header:") else ""
        return (*unit.place, kind, path, told if isinstance(told, str) else "")


_VALUES = 16
_INDEX = re.compile(r"\[\+?\d+\]")


def _place(conditions: Conditions, unit: Unit, path: str) -> OrderKey:
    alike = (conditions.model, conditions.sign_in, conditions.surface)
    return (*alike, *unit.place, unit.kind, _INDEX.sub("[]", path))


def _groups(orders: Iterable[tuple[str, ...]]) -> list[frozenset[str]]:
    """Connected names, where those are connected that stood in both orders."""
    before: set[tuple[str, str]] = set()
    for names in orders:
        before.update((one, two) for at, one in enumerate(names) for two in names[at + 1 :])
    groups: list[set[str]] = []
    for one, two in sorted(before):
        if one < two and (two, one) in before:
            joined = [group for group in groups if one in group or two in group]
            groups = [group for group in groups if group not in joined]
            groups.append({one, two}.union(*joined))
    return [frozenset(group) for group in groups]


@dataclass(slots=True)
class Noise:
    """What the goldens of one request allow.

    Attributes:
        facts: of the goldens that have this request; the first one is what items of lists are
            numbered by.
        elsewhere: values that other recordings have at a path; asked where there is one golden.
    """

    facts: Sequence[Facts]
    elsewhere: Callable[[str], list[Json]] = lambda _path: []
    _patterns: dict[str, Pattern] = field(default_factory=dict)

    @property
    def reference(self) -> Facts:
        return self.facts[0]

    def paths(self) -> list[str]:
        """All paths of the goldens, in order."""
        if len(self.facts) == 1:
            return list(self.reference.values)
        return list(dict.fromkeys(path for facts in self.facts for path in facts.values))

    def values(self, path: str) -> list[Value]:
        return [facts.values[path] for facts in self.facts if path in facts.values]

    def always(self, path: str) -> bool:
        """Whether the path is there in every golden in which what it stands in is there."""
        for facts in self.facts:
            parent = facts.parents.get(path) or self.reference.parents.get(path)
            if path not in facts.values and (parent is None or parent in facts.values):
                return False
        return True

    def varies_in_length(self, path: str) -> bool:
        """Whether a list, or an object, has more items in one golden than in another."""
        lengths = {
            sum(parent == path for parent in facts.parents.values())
            for facts in self.facts
            if path in facts.values
        }
        return len(lengths) > 1

    def pattern(self, path: str) -> Pattern:
        """What a value may be. Only for paths that hold no object and no list."""
        found = self._patterns.get(path)
        if found is None:
            plain = [value for value in self.values(path) if not isinstance(value, Container)]
            if len(plain) == 1 and len(more := self.elsewhere(path)) > 1:
                plain += more
            found = self._patterns[path] = pattern(plain)
        return found

    def types(self, path: str) -> set[str]:
        return {type_of(value) for value in self.values(path)}

    def part(self, name: str) -> Mapping[str, Pattern]:
        """Patterns of ``line``, ``encoding`` or ``spelled``, of what every golden has."""
        parts: list[dict[str, Any]] = [getattr(facts, name) for facts in self.facts]
        common = [key for key in parts[0] if all(key in part for part in parts)]
        return {key: pattern([part[key] for part in parts]) for key in common}


def type_of(value: Value) -> str:
    """JSON type; also of what stands for an object or a list."""
    return value.type if isinstance(value, Container) else json_type(value)
