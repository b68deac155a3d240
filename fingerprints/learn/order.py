"""The order of a list: from what stood before what in every instance. Pure.

A field that stands in two places, and whose place a condition explains, becomes two entries; what
nothing explains is random: a group of headers, or a document whose order is free.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from fingerprints.learn.conditions import Case, Condition, split

MOST_SPLITS = 4
"""Fields whose place a condition may explain, in one list; beyond that the order is random."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One place of a field.

    Attributes:
        name: of the field.
        condition: when it stands here.
    """

    name: str
    condition: Condition = field(default_factory=Condition)


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list.

    Attributes:
        places: in wire order.
        random: groups of names whose order among each other is random.
    """

    places: tuple[Placed, ...]
    random: tuple[tuple[str, ...], ...] = ()


type Node = tuple[str, Condition]


def order_of(instances: Sequence[Sequence[str]], cases: Sequence[Case]) -> Order:
    """The order of the names in all instances.

    Args:
        instances: the names of each, in wire order; of a repeated name the first counts.
        cases: the conditions of each.
    """
    rows = [list(dict.fromkeys(names)) for names in instances]
    nodes: dict[str, list[Node]] = {}
    for row in rows:
        for name in row:
            nodes.setdefault(name, [(name, Condition())])
    for _ in range(MOST_SPLITS):
        conflicts = _conflicts(_as_nodes(rows, cases, nodes))
        if not conflicts or not _split_one(rows, cases, nodes, conflicts):
            break
    left = {name for group in _groups(_conflicts(_as_nodes(rows, cases, nodes))) for name in group}
    if 2 * len(left) > len(
        nodes
    ):  # a map in random order; what seemed to explain a place is chance
        nodes = {name: [(name, Condition())] for name in nodes}
    nodes |= {name: [(name, Condition())] for name in left}
    walked = _as_nodes(rows, cases, nodes)
    conflicts = _conflicts(walked)
    places = _sorted(walked, conflicts)
    return Order(tuple(Placed(name, condition) for name, condition in places), _groups(conflicts))


def _as_nodes(
    rows: Sequence[Sequence[str]], cases: Sequence[Case], nodes: dict[str, list[Node]]
) -> list[list[Node]]:
    return [
        [next(node for node in nodes[name] if node[1].meets(case)) for name in row]
        for row, case in zip(rows, cases, strict=True)
    ]


def _conflicts(rows: Sequence[Sequence[Node]]) -> list[tuple[Node, Node]]:
    """Pairs that stood in both orders."""
    before: set[tuple[Node, Node]] = set()
    for row in rows:
        for index, one in enumerate(row):
            before.update((one, other) for other in row[index + 1 :])
    return sorted(
        {pair for pair in before if (pair[1], pair[0]) in before and _key(pair[0]) < _key(pair[1])},
        key=lambda pair: (_key(pair[0]), _key(pair[1])),
    )


def _key(node: Node) -> tuple[str, str]:
    return node[0], str(node[1])


def _split_one(
    rows: Sequence[Sequence[str]],
    cases: Sequence[Case],
    nodes: dict[str, list[Node]],
    conflicts: Sequence[tuple[Node, Node]],
) -> bool:
    """Gives the field with the most conflicts two places, if a condition tells them apart."""
    count: dict[str, int] = defaultdict(int)
    for one, other in conflicts:
        count[one[0]] += 1
        count[other[0]] += 1
    for name in sorted(count, key=lambda each: (-count[each], each)):
        if len(nodes[name]) > 1:
            continue
        rivals = {other[0] for pair in conflicts for other in pair if name in _names(pair)}
        groups = _arrangements(name, rivals - {name}, rows)
        if len(groups) < 2:
            continue
        conditions = split(groups, cases)
        if conditions is not None and all(len(each.traits) == 1 for each in conditions):
            nodes[name] = [(name, condition) for condition in conditions]
            return True
    return False


def _names(pair: tuple[Node, Node]) -> tuple[str, str]:
    return pair[0][0], pair[1][0]


def _arrangements(name: str, rivals: set[str], rows: Sequence[Sequence[str]]) -> list[list[bool]]:
    """The ways in which a field stands to its rivals; for each, which rows have it."""
    ways: list[tuple[dict[str, bool], set[int]]] = []
    for index, row in enumerate(rows):
        if name not in row:
            continue
        at = row.index(name)
        here = {rival: row.index(rival) < at for rival in rivals if rival in row}
        for known, members in ways:
            if all(known.get(rival, before) == before for rival, before in here.items()):
                known |= here
                members.add(index)
                break
        else:
            ways.append((here, {index}))
    return [[index in members for index in range(len(rows))] for _, members in ways]


def _sorted(rows: Sequence[Sequence[Node]], conflicts: Sequence[tuple[Node, Node]]) -> list[Node]:
    """A topological order; where nothing decides, by the mean place."""
    unsure = {*conflicts, *((other, one) for one, other in conflicts)}
    after: dict[Node, set[Node]] = {}
    where: dict[Node, list[float]] = defaultdict(list)
    for row in rows:
        for index, one in enumerate(row):
            where[one].append(index / len(row))
            after.setdefault(one, set())
            for other in row[:index]:
                if (other, one) not in unsure:
                    after[one].add(other)
    mean = {node: sum(places) / len(places) for node, places in where.items()}
    left = set(after)
    out: list[Node] = []
    while left:
        free = [node for node in left if not (after[node] & left)] or list(left)
        chosen = min(free, key=lambda node: (mean[node], _key(node)))
        out.append(chosen)
        left.remove(chosen)
    return out


def _groups(conflicts: Sequence[tuple[Node, Node]]) -> tuple[tuple[str, ...], ...]:
    """Names that are connected by conflicts."""
    groups: list[set[str]] = []
    for one, other in conflicts:
        joined = {one[0], other[0]}
        for group in [group for group in groups if group & joined]:
            groups.remove(group)
            joined |= group
        groups.append(joined)
    return tuple(sorted(tuple(sorted(group)) for group in groups))
