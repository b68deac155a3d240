"""Single requests against all golden requests of their kind, whatever recording those are of.

For requests that have no counterpart in a golden recording, as those that a proxy makes of what
another client asked: each must be what *some* request of the official client could have been. All
golden requests of the kind teach what varies.

Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fingerprints.compare.align import nearest
from fingerprints.compare.allowances import Allowance
from fingerprints.compare.facts import Unit, units
from fingerprints.compare.noise import Habits, Noise
from fingerprints.compare.pairs import PairComparison
from fingerprints.compare.recordings import Comparison, Pair
from fingerprints.difference import Change, Difference, Layer
from fingerprints.trace import Trace

type _Kind = tuple[object, ...]


class Pool:
    """Golden requests by place and kind.

    Args:
        goldens: recordings of the official client.
        content: paths of what the caller brings: only the JSON type is compared.
    """

    def __init__(self, goldens: Iterable[Trace], content: Sequence[str] = ()) -> None:
        self._content = tuple(content)
        self._habits = Habits()
        self._units: dict[_Kind, list[Unit]] = {}
        for trace in goldens:
            for unit in units(trace):
                self._units.setdefault(_kind(unit), []).append(unit)
        self._noises: dict[_Kind, Noise] = {}

    def compare(
        self,
        candidate: Trace,
        *,
        allowances: Sequence[Allowance] = (),
        side_by_side: bool = False,
    ) -> Comparison:
        """Every request of the candidate against those of its kind."""
        pairs = [
            self._pair(unit, tuple(allowances), side_by_side=side_by_side)
            for unit in units(candidate)
        ]
        return Comparison(pairs, len(self._units))

    def _pair(self, unit: Unit, allowances: Sequence[Allowance], *, side_by_side: bool) -> Pair:
        goldens = self._units.get(_kind(unit))
        if not goldens:
            title = f"{unit.title} {unit.kind}".strip()
            found = Difference(
                Layer.REQUEST_LINE, "request", Change.UNKNOWN, "a request of the goldens", title
            )
            every = [each for group in self._units.values() for each in group]
            return Pair(None, unit, [found], nearest=nearest(unit, every))
        first = goldens[0]
        comparison = PairComparison(
            self._noise(_kind(unit), goldens),
            first,
            unit.facts(first),
            habits=self._habits,
            content=self._content,
            allowances=allowances,
        )
        result = comparison.run()
        rows = comparison.rows() if side_by_side else []
        return Pair(first, unit, result.found, result.excused, rows=rows)

    def _noise(self, kind: _Kind, goldens: Sequence[Unit]) -> Noise:
        noise = self._noises.get(kind)
        if noise is None:
            first = goldens[0]
            facts = [each.facts(None if each is first else first) for each in goldens]
            for each, one in zip(goldens, facts, strict=True):
                self._habits.learn(each, one)
            noise = self._noises[kind] = Noise(facts)
        return noise


def _kind(unit: Unit) -> _Kind:
    return (*unit.place, unit.kind)
