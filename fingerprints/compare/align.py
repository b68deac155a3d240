"""Requests of two recordings that belong together.

By method, path, kind of request and order: first those that have the same header names and are of
the same kind, if there are as many of them on both sides (side calls of two threads come in any
order); then within each kind, keeping the order and leaving out what fits worst where the numbers
differ; then what is left over within each method and path, so that a request whose kind was changed
is still compared with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from fingerprints.compare.facts import Unit

_ALIKE = 0.4
"""Units of another kind are compared when they share this part of what they have."""

_MANY = 400
"""Pairs of longer sequences are made by order alone."""


def likeness(one: Unit, other: Unit) -> float:
    """From 0, nothing in common, to 1."""
    union = len(one.look | other.look)
    return len(one.look & other.look) / union if union else 1.0


def align(
    golden: Sequence[Unit], candidate: Sequence[Unit]
) -> list[tuple[Unit | None, Unit | None]]:
    """Pairs; what has no counterpart stands alone. In the golden's order, with what the candidate
    has besides after what it followed there."""
    pairs: dict[int, Unit] = {}
    taken: set[int] = set()
    ours = _grouped(golden, _by_names)
    theirs = _grouped(candidate, _by_names)
    for name, group in ours.items():
        others = theirs.get(name, [])
        if len(group) == len(others):
            for one, other in zip(group, others, strict=True):
                pairs[id(one)] = other
                taken.add(id(other))
    for key, least in ((_by_kind, 0.0), (_by_place, _ALIKE)):
        ours = _grouped([unit for unit in golden if id(unit) not in pairs], key)
        theirs = _grouped([unit for unit in candidate if id(unit) not in taken], key)
        for name, group in ours.items():
            for one, other in _matched(group, theirs.get(name, []), least):
                pairs[id(one)] = other
                taken.add(id(other))
    return _woven(golden, candidate, pairs)


def _by_names(unit: Unit) -> Hashable:
    names = () if unit.message is not None else (name.lower() for name, _ in unit.exchange.headers)
    return (*unit.place, unit.kind, unit.query, frozenset(names))


def _by_kind(unit: Unit) -> Hashable:
    return (*unit.place, unit.kind, unit.query)


def _by_place(unit: Unit) -> Hashable:
    return unit.place


def _grouped(items: Sequence[Unit], key: Callable[[Unit], Hashable]) -> dict[Hashable, list[Unit]]:
    out: dict[Hashable, list[Unit]] = {}
    for item in items:
        out.setdefault(key(item), []).append(item)
    return out


def _matched(
    golden: Sequence[Unit], candidate: Sequence[Unit], least: float
) -> list[tuple[Unit, Unit]]:
    """The order-keeping pairing with the greatest likeness."""
    if not golden or not candidate:
        return []
    if least == 0 and (len(golden) == len(candidate) or max(len(golden), len(candidate)) > _MANY):
        return list(zip(golden, candidate, strict=False))
    rows, columns = len(golden), len(candidate)
    alike = [[likeness(one, other) for other in candidate] for one in golden]
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            both = best[row + 1][column + 1] + _worth(alike[row][column], least)
            best[row][column] = max(both, best[row + 1][column], best[row][column + 1])
    out = []
    row = column = 0
    while row < rows and column < columns:
        both = best[row + 1][column + 1] + _worth(alike[row][column], least)
        if alike[row][column] >= least and best[row][column] <= both + 1e-9:
            out.append((golden[row], candidate[column]))
            row, column = row + 1, column + 1
        elif best[row + 1][column] >= best[row][column + 1]:
            row += 1
        else:
            column += 1
    return out


def _worth(likeness_: float, least: float) -> float:
    """Every pair is better than none, so the shorter side is matched to its end."""
    return likeness_ + 0.01 if likeness_ >= least else 0.0


def _woven(
    golden: Sequence[Unit], candidate: Sequence[Unit], pairs: dict[int, Unit]
) -> list[tuple[Unit | None, Unit | None]]:
    back = {id(other): index for index, one in enumerate(golden) if (other := pairs.get(id(one)))}
    after: dict[int, list[Unit]] = {}
    last = -1
    for unit in candidate:
        if id(unit) in back:
            last = back[id(unit)]
        else:
            after.setdefault(last, []).append(unit)
    out: list[tuple[Unit | None, Unit | None]] = [(None, unit) for unit in after.get(-1, [])]
    for index, one in enumerate(golden):
        out.append((one, pairs.get(id(one))))
        out += [(None, unit) for unit in after.get(index, [])]
    return out


@dataclass(frozen=True, slots=True)
class Nearest:
    """The unit that an unmatched one resembles most.

    Attributes:
        unit: that unit.
        likeness: from 0 to 1.
        apart: what keeps them apart, each with the value there and here: ``("path", "/a", "/b")``.
    """

    unit: Unit
    likeness: float
    apart: tuple[tuple[str, str, str], ...]


def nearest(unit: Unit, among: Sequence[Unit]) -> Nearest | None:
    """The most similar unit, None where there is none to compare with."""
    sort = [other for other in among if (other.message is None) == (unit.message is None)]
    if not sort:
        return None
    found = max(sort, key=lambda other: _closeness(unit, other))
    return Nearest(found, likeness(unit, found), tuple(_apart(found, unit)))


def _closeness(unit: Unit, other: Unit) -> tuple[float, float]:
    ours, theirs = unit.facts().line, other.facts().line
    line = sum(theirs.get(name) == value for name, value in ours.items())
    return line * 0.1 + likeness(unit, other), likeness(unit, other)


def _apart(golden: Unit, unit: Unit) -> list[tuple[str, str, str]]:
    theirs, ours = golden.facts(), unit.facts()
    out = [
        (name, str(value), str(ours.line.get(name)))
        for name, value in theirs.line.items()
        if ours.line.get(name) != value
    ]
    if golden.place[-1] != unit.place[-1] and not out:
        out.append(("transport", golden.place[-1], unit.place[-1]))
    if golden.kind != unit.kind:
        out.append(("kind", golden.kind or "none", unit.kind or "none"))
    if not out:
        out.append(("number", "fewer of this kind", "one more"))
    return out
