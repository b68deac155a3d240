"""What the goldens allow: learned from how they differ from each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fingerprints.compare.facts import Container, Facts, Unit, Value
from fingerprints.compare.shape import Pattern, pattern
from fingerprints.matchers import json_type

type OrderKey = tuple[Any, ...]


@dataclass(slots=True)
class Orders:
    """Orders seen in the goldens, over all requests of a kind: what is random shows soon."""

    seen: dict[OrderKey, set[tuple[str, ...]]] = field(default_factory=dict)
    _groups: dict[OrderKey, list[frozenset[str]]] = field(default_factory=dict)

    def learn(self, unit: Unit, facts: Facts) -> None:
        for path, names in facts.orders.items():
            if len(names) > 1:
                self.seen.setdefault(self._key(unit, facts, path), set()).add(names)

    def groups(self, unit: Unit, facts: Facts, path: str) -> list[frozenset[str]]:
        """Names whose order among each other is random, in groups."""
        key = self._key(unit, facts, path)
        if key not in self._groups:
            self._groups[key] = _groups(self.seen.get(key, ()))
        return self._groups[key]

    def _key(self, unit: Unit, facts: Facts, path: str) -> OrderKey:
        # Items of a list at the same index may be of different kinds.
        told = facts.values.get(f"{path}.type") if "[" in path else None
        return (*unit.place, unit.kind, path, told if isinstance(told, str) else "")


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
    """

    facts: Sequence[Facts]
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
