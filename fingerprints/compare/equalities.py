"""Places that hold the same value, within a request and across the requests of a recording.

What is equal in every golden must be equal in the candidate, and what is never equal in any golden
must not become equal. Only values count that are hardly equal by chance: ids, tokens, times; also
inside longer values (``‹uuid 7›:0``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fingerprints.compare.facts import Container, Facts
from fingerprints.compare.shape import is_identifier, shape
from fingerprints.matchers import as_text

_PARTS = re.compile(
    r"⟨[a-z]+:\d+⟩|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<!\d)1\d{12}(?!\d)"
)


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """A place: which request, which path, which id in the value there (from 0)."""

    unit: int
    path: str
    part: int


type Spots = dict[Spot, str]


def spots(units: Iterable[tuple[int, Facts]], inside: Sequence[str] = ()) -> Spots:
    """The identifiers of a recording.

    Args:
        units: number of each request, and its facts.
        inside: paths below which nothing is looked at.
    """
    skipped = tuple(f"{path}{sign}" for path in inside for sign in "[.")
    out: Spots = {}
    for number, facts in units:
        for path, value in facts.values.items():
            if isinstance(value, Container) or not is_identifier(value):
                continue
            if skipped and path.startswith(skipped):
                continue
            for part, text in enumerate(_identifiers(as_text(value))):
                out[Spot(number, path, part)] = text
    return out


def _identifiers(text: str) -> list[str]:
    found: list[str] = _PARTS.findall(text)
    if found:
        return found
    return [text] if "‹" in shape(text) else []


@dataclass(frozen=True, slots=True)
class Broken:
    """An equality that the candidate does not keep, or one that it should not have.

    Attributes:
        spot: where.
        source: the place that it should, or should not, be equal to.
        wanted: the value of ``source``.
        actual: the value of ``spot``.
        merged: True for two places that are never equal in the goldens.
    """

    spot: Spot
    source: Spot
    wanted: str
    actual: str
    merged: bool = False


def broken(
    goldens: Sequence[Spots], candidate: Spots, *, known: Iterable[tuple[int, str]] = ()
) -> list[Broken]:
    """What the candidate does otherwise than every golden.

    Args:
        known: requests and paths whose value was already found to be wrong; they are left out.
    """
    wrong = set(known)
    own = {spot: text for spot, text in candidate.items() if (spot.unit, spot.path) not in wrong}
    groups = _groups(goldens)
    out = []
    for group in groups.values():
        out += _departures(group, own)
    return out + _mergers(goldens, groups, own, {each.spot for each in out})


def _groups(goldens: Sequence[Spots]) -> dict[tuple[str, ...], list[Spot]]:
    """Spots by their values in all goldens: those of one group are equal in every golden."""
    out: dict[tuple[str, ...], list[Spot]] = {}
    for spot in goldens[0]:
        values = tuple(golden.get(spot, "") for golden in goldens)
        constant = len(goldens) > 1 and len(set(values)) == 1 and "⟨" not in values[0]
        if all(values) and not constant:
            out.setdefault(values, []).append(spot)
    return out


def _departures(group: Sequence[Spot], own: Spots) -> list[Broken]:
    here = [spot for spot in group if spot in own]
    counts = Counter(own[spot] for spot in here)
    if len(counts) < 2:
        return []
    # The value that most places have is right; of equal numbers, the first one.
    wanted = max(counts, key=lambda text: counts[text])
    source = next(spot for spot in here if own[spot] == wanted)
    return [Broken(spot, source, wanted, own[spot]) for spot in here if own[spot] != wanted]


def _mergers(
    goldens: Sequence[Spots],
    groups: Mapping[tuple[str, ...], Sequence[Spot]],
    own: Spots,
    told: set[Spot],
) -> list[Broken]:
    values = {spot: key for key, group in groups.items() for spot in group}
    by_text: dict[str, dict[tuple[str, ...], Spot]] = {}
    for spot, text in own.items():
        if spot in values and spot not in told:
            by_text.setdefault(text, {}).setdefault(values[spot], spot)
    out = []
    for text, classes in by_text.items():
        keys = list(classes)
        for key in keys[1:]:
            if all(one != two for one, two in zip(keys[0], key, strict=True)):
                first = classes[keys[0]]
                out.append(Broken(classes[key], first, text, text, merged=True))
    return out
