"""When a field is there: the smallest condition that explains what was recorded. Pure.

A condition is a product: kinds A and B, over WebSocket, with a sub-agent. It explains a presence
when the field is in every instance that meets it and in no other one. Where no condition does, the
field is there *sometimes*; what is known to exclude it is still said, but only when a recording
shows it with all else equal (a field that only git folders have is not bound to a sign-in just
because no API key was recorded in one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

TRAITS = ("kind", "transport", "shape", "sign_in", "http")
"""Conditions that are known before any value is; simpler explanations first."""


@dataclass(frozen=True, slots=True)
class Case:
    """One instance of a list, as far as conditions go.

    Attributes:
        traits: value by trait; "" for one that does not matter here.
        roles: roles that have a value in the sample.
        setting: what else was the same or not: scenario, surface, git…
    """

    traits: tuple[tuple[str, str], ...]
    roles: frozenset[str] = frozenset()
    setting: tuple[str, ...] = ()

    def trait(self, name: str) -> str:
        """The value of a trait."""
        return dict(self.traits).get(name, "")


@dataclass(frozen=True, slots=True)
class Condition:
    """A product of conditions; as ``when`` of an entry."""

    traits: tuple[tuple[str, tuple[str, ...]], ...] = ()
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def meets(self, case: Case) -> bool:
        """Whether the case meets it."""
        return (
            all(case.trait(name) in values for name, values in self.traits)
            and all(role in case.roles for role in self.has)
            and not any(role in case.roles for role in self.lacks)
        )

    def as_data(self) -> dict[str, list[str]]:
        """As ``when`` of an entry."""
        data = {name: list(values) for name, values in self.traits}
        if self.has:
            data["has"] = list(self.has)
        if self.lacks:
            data["lacks"] = list(self.lacks)
        return data


@dataclass(frozen=True, slots=True)
class Explained:
    """Presence of a field.

    Attributes:
        always: it is there wherever the condition holds.
        condition: where it is there at all.
    """

    always: bool
    condition: Condition = field(default_factory=Condition)


def explain(present: Sequence[bool], cases: Sequence[Case], roles: Sequence[str] = ()) -> Explained:
    """The presence of a field in the instances of its list.

    Args:
        present: whether the field is there, by case.
        roles: roles whose presence may explain it.
    """
    if all(present):
        return Explained(True)
    exact = exactly(present, cases, roles)
    if exact is not None:
        return Explained(True, exact)
    return Explained(False, _narrowed(present, cases))


def exactly(
    present: Sequence[bool], cases: Sequence[Case], roles: Sequence[str] = ()
) -> Condition | None:
    """The smallest condition that holds for the cases with the field and for no other one."""
    traits = [name for name in TRAITS if len({case.trait(name) for case in cases}) > 1]
    guards = [*((role, True) for role in roles), *((role, False) for role in roles)]
    for size in range(1, 4):
        for guarded in (0, 1):
            for chosen in combinations(traits, size - guarded):
                for guard in guards if guarded else [None]:
                    found = _fits(present, cases, chosen, guard)
                    if found is not None:
                        return found
    return None


def _fits(
    present: Sequence[bool],
    cases: Sequence[Case],
    traits: Sequence[str],
    guard: tuple[str, bool] | None,
) -> Condition | None:
    inside = [case for case, there in zip(cases, present, strict=True) if there]
    condition = Condition(
        tuple((name, _values(name, inside)) for name in traits),
        has=(guard[0],) if guard and guard[1] else (),
        lacks=(guard[0],) if guard and not guard[1] else (),
    )
    if not _holds(condition, present, cases):
        return None
    return _extended(condition, present, cases)


def _holds(condition: Condition, present: Sequence[bool], cases: Sequence[Case]) -> bool:
    return all(condition.meets(case) == there for case, there in zip(cases, present, strict=True))


def _extended(condition: Condition, present: Sequence[bool], cases: Sequence[Case]) -> Condition:
    """The condition with every value that no recording contradicts: a sub-agent's compaction was
    never recorded, so its turns do not say that compactions have no parent."""
    if not (condition.has or condition.lacks or len(condition.traits) > 1):
        return condition
    for name, values in condition.traits:
        kept = list(values)
        for value in sorted({case.trait(name) for case in cases} - set(values)):
            traits = tuple(
                (key, tuple(sorted([*kept, value])) if key == name else old)
                for key, old in condition.traits
            )
            wider = Condition(traits, condition.has, condition.lacks)
            if _holds(wider, present, cases):
                condition, kept = wider, [*kept, value]
    return condition


def _values(name: str, cases: Sequence[Case]) -> tuple[str, ...]:
    return tuple(sorted({case.trait(name) for case in cases}))


def _narrowed(present: Sequence[bool], cases: Sequence[Case]) -> Condition:
    """What excludes a field that is there sometimes."""
    inside = [case for case, there in zip(cases, present, strict=True) if there]
    outside = [case for case, there in zip(cases, present, strict=True) if not there]
    out = []
    for name in TRAITS:
        seen = set(_values(name, inside))
        known = {case.trait(name) for case in cases}
        ruled_out = {value for value in known - seen if _alike(name, value, inside, outside)}
        if ruled_out:
            out.append((name, tuple(sorted(known - ruled_out))))
    return Condition(tuple(out))


_GOES_WITH = {"kind": ("transport", "shape", "http")}
"""Traits that are not held equal when another one is judged: a kind may have one transport only."""


def _alike(name: str, value: str, inside: Sequence[Case], outside: Sequence[Case]) -> bool:
    """Whether a case without the field has this value, and is else like a case with it."""
    free = {name, *_GOES_WITH.get(name, ())}

    def rest(case: Case) -> tuple[object, ...]:
        return (*((key, val) for key, val in case.traits if key not in free), case.setting)

    known = {rest(case) for case in inside}
    return any(case.trait(name) == value and rest(case) in known for case in outside)


def split(
    groups: Sequence[Sequence[bool]],
    cases: Sequence[Case],
    roles: Sequence[str] = (),
) -> list[Condition] | None:
    """Conditions for parts of a field that exclude each other, if each part has an exact one.

    Args:
        groups: for each part, in which cases it is; a case is in one part at most, and cases in
            no part are those without the field.
    """
    there = [any(flags) for flags in zip(*groups, strict=True)]
    kept = [case for case, flag in zip(cases, there, strict=True) if flag]
    out: list[Condition] = []
    for part in groups:
        inside = [flag for flag, keep in zip(part, there, strict=True) if keep]
        condition = exactly(inside, kept, roles)
        if condition is None:
            return None
        out.append(condition)
    return out


def both(one: Condition, other: Condition) -> Condition:
    """The condition that both hold."""
    traits: dict[str, tuple[str, ...]] = dict(one.traits)
    for name, values in other.traits:
        old = traits.get(name)
        traits[name] = values if old is None else tuple(v for v in old if v in values)
    ordered = tuple((name, traits[name]) for name in TRAITS if name in traits)
    return Condition(
        ordered,
        tuple(dict.fromkeys([*one.has, *other.has])),
        tuple(dict.fromkeys([*one.lacks, *other.lacks])),
    )
