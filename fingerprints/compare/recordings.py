"""Whole recordings: the candidate's requests against those of one or more goldens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fingerprints.compare.align import Nearest, align, nearest
from fingerprints.compare.allowances import SOMETIMES, UNEQUAL, Allowance, excuse
from fingerprints.compare.equalities import Broken, broken, spots
from fingerprints.compare.facts import Facts, Unit, units
from fingerprints.compare.noise import Habits, Noise
from fingerprints.compare.pairs import NOTHING, PairComparison, PairDifferences, Row
from fingerprints.difference import Change, Difference, Layer, moved, shorten
from fingerprints.roles import Json
from fingerprints.trace import Trace


@dataclass(slots=True)
class Slot:
    """A request of the goldens: in each golden the unit that stands for it, or None."""

    units: list[Unit | None]

    @property
    def first(self) -> Unit:
        return next(unit for unit in self.units if unit is not None)

    @property
    def always(self) -> bool:
        return all(unit is not None for unit in self.units)


@dataclass(slots=True)
class Pair:
    """A request of the candidate, of the goldens, or of both.

    Attributes:
        golden: of the first golden that has it; None for a request too many.
        candidate: None for a request that is missing.
        differences: all of them, those across requests too.
        excused: those that an allowance covers, with the allowance.
        nearest: for a request without counterpart: what it resembles most.
        rows: both side by side.
    """

    golden: Unit | None
    candidate: Unit | None
    differences: list[Difference] = field(default_factory=list)
    excused: list[tuple[Difference, str]] = field(default_factory=list)
    nearest: Nearest | None = None
    rows: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class Comparison:
    """What came of it.

    Attributes:
        pairs: in the goldens' order.
        runs: how many goldens there were.
        absent: requests that some goldens do not have and the candidate does not have either.
    """

    pairs: list[Pair]
    runs: int
    absent: int = 0

    @property
    def differences(self) -> list[Difference]:
        return [difference for pair in self.pairs for difference in pair.differences]


def compare(
    goldens: Sequence[Trace],
    candidate: Trace,
    *,
    habits: Habits | None = None,
    content: Sequence[str] = (),
    allowances: Sequence[Allowance] = (),
    side_by_side: bool = False,
) -> Comparison:
    """The candidate against the goldens.

    Args:
        goldens: at least one; noise is learned from two or more. From one only, ids, times and
            placeholders are taken to vary within their kind.
        habits: of other recordings by the same client; they show which orders are random, and
            which values vary where there is one golden only. Learns from the goldens.
        content: paths of what the caller brings (``body:input``): only the JSON type is compared.
        allowances: rules that a person gave.
        side_by_side: fill :attr:`Pair.rows`.
    """
    if not goldens:
        raise ValueError("at least one golden recording is needed")
    return _Comparison(
        goldens, candidate, habits or Habits(), tuple(content), tuple(allowances), side_by_side
    ).run()


class _Comparison:
    def __init__(
        self,
        goldens: Sequence[Trace],
        candidate: Trace,
        habits: Habits,
        content: tuple[str, ...],
        allowances: tuple[Allowance, ...],
        side_by_side: bool,
    ) -> None:
        self.runs = len(goldens)
        self._content = content
        self._allowances = allowances
        self._side_by_side = side_by_side
        self.slots = slots([units(golden) for golden in goldens])
        self.candidate = units(candidate)
        self._facts: dict[int, Facts] = {}
        self._habits = habits
        self._conditions = goldens[0].conditions

    def run(self) -> Comparison:
        noises = [self._noise(slot) for slot in self.slots]
        aligned = align([slot.first for slot in self.slots], self.candidate)
        index = {id(slot.first): at for at, slot in enumerate(self.slots)}
        out = Comparison([], self.runs)
        by_slot: dict[int, Pair] = {}
        for golden, unit in aligned:
            if golden is None and unit is not None:
                if not self._repeats_vary(unit):
                    out.pairs.append(self._surplus(unit))
            elif golden is not None:
                at = index[id(golden)]
                if unit is None and not self.slots[at].always:
                    out.absent += 1
                    continue
                pair = self._missing(golden) if unit is None else self._pair(at, noises[at], unit)
                by_slot[at] = pair
                out.pairs.append(pair)
        self._equalities(noises, by_slot)
        self._sequences(by_slot)
        return out

    # --- goldens ---

    def _noise(self, slot: Slot) -> Noise:
        found = []
        for unit in slot.units:
            if unit is not None:
                facts = unit.facts(None if unit is slot.first else slot.first)
                self._facts[id(unit)] = facts
                self._habits.learn(unit, facts)
                found.append(facts)

        def elsewhere(path: str) -> list[Json]:
            return self._habits.elsewhere(self._conditions, slot.first, path)

        return Noise(found, elsewhere)

    def _repeats_vary(self, unit: Unit) -> bool:
        """Whether the goldens differ in how often they send this kind of request."""
        same = [
            slot
            for slot in self.slots
            if (slot.first.place, slot.first.kind) == (unit.place, unit.kind)
        ]
        return any(not slot.always for slot in same)

    # --- the candidate ---

    def _pair(self, at: int, noise: Noise, unit: Unit) -> Pair:
        golden = self.slots[at].first
        facts = unit.facts(golden)
        self._facts[id(unit)] = facts
        comparison = PairComparison(
            noise,
            golden,
            facts,
            habits=self._habits,
            content=self._content,
            allowances=self._allowances,
        )
        result = comparison.run()
        rows = comparison.rows() if self._side_by_side else []
        return Pair(golden, unit, result.found, result.excused, rows=rows)

    def _surplus(self, unit: Unit) -> Pair:
        near = nearest(unit, [slot.first for slot in self.slots])
        pair = Pair(None, unit, nearest=near)
        self._alone(pair, unit, Change.ADDED)
        return pair

    def _missing(self, golden: Unit) -> Pair:
        pair = Pair(golden, None, nearest=nearest(golden, self.candidate))
        self._alone(pair, golden, Change.REMOVED)
        return pair

    def _alone(self, pair: Pair, unit: Unit, kind: Change) -> None:
        title = f"{unit.title} {unit.kind}".strip()
        layer = Layer.REQUEST_LINE if unit.message is None else Layer.FRAME_SEQUENCE
        path = "request" if unit.message is None else "message"
        texts = (NOTHING, title) if kind is Change.ADDED else (title, NOTHING)
        found = Difference(layer, path, kind, *texts, cover=f"{path}={SOMETIMES}")
        _add(pair, found, excuse(self._allowances, path, SOMETIMES))

    # --- across requests ---

    def _equalities(self, noises: Sequence[Noise], by_slot: dict[int, Pair]) -> None:
        whole = [at for at, slot in enumerate(self.slots) if slot.always]
        goldens = []
        for run in range(self.runs):
            facts = [(at, noises[at].facts[run]) for at in whole]
            goldens.append(spots(facts, self._content))
        own = [
            (at, self._facts[id(pair.candidate)])
            for at, pair in by_slot.items()
            if pair.candidate is not None and at in set(whole)
        ]
        wrong = [
            (at, difference.path) for at, pair in by_slot.items() for difference in pair.differences
        ]
        for each in broken(goldens, spots(own, self._content), known=wrong):
            pair = by_slot[each.spot.unit]
            source = by_slot[each.source.unit].candidate
            allowance = excuse(self._allowances, each.spot.path, UNEQUAL)
            _add(pair, _equality(each, pair.candidate, source), allowance)

    def _sequences(self, by_slot: dict[int, Pair]) -> None:
        """The order of messages on each connection."""
        places: dict[int, tuple[int, int]] = {}
        for at, slot in enumerate(self.slots):
            if slot.first.message is not None:
                places[at] = (slot.first.exchange.number, slot.first.message)
        by_connection: dict[int, list[tuple[int, int]]] = {}
        for at in places:
            unit = by_slot[at].candidate if at in by_slot else None
            if unit is not None and unit.message is not None:
                by_connection.setdefault(unit.exchange.number, []).append((unit.message, at))
        for found in by_connection.values():
            actual = [at for _, at in sorted(found)]
            self._moved(sorted(actual, key=lambda at: places[at]), actual, by_slot)

    def _moved(
        self, expected: Sequence[int], actual: Sequence[int], by_slot: dict[int, Pair]
    ) -> None:
        names = {at: f"{self.slots[at].first.name} {self.slots[at].first.kind}" for at in actual}
        back = {name: at for at, name in names.items()}
        for name, before, after in moved(
            [names[at] for at in expected], [names[at] for at in actual]
        ):
            found = Difference(
                Layer.FRAME_SEQUENCE,
                "message",
                Change.MOVED,
                f"after {before}" if before else "first",
                f"after {after}" if after else "first",
            )
            _add(by_slot[back[name]], found, None)


def slots(runs: Sequence[Sequence[Unit]]) -> list[Slot]:
    """The requests of several goldens, aligned with each other."""
    out = [Slot([unit]) for unit in runs[0]]
    for number, run in enumerate(runs[1:], 1):
        by_first = {id(slot.first): slot for slot in out}
        woven: list[Slot] = []
        for golden, unit in align([slot.first for slot in out], run):
            if golden is None:
                woven.append(Slot([*[None] * number, unit]))
            else:
                slot = by_first[id(golden)]
                slot.units.append(unit)
                woven.append(slot)
        out = woven
    return out


def _add(pair: Pair, difference: Difference, allowance: Allowance | None) -> None:
    result = PairDifferences(pair.differences, pair.excused)
    result.add(difference, allowance)


def _equality(each: Broken, here: Unit | None, there: Unit | None) -> Difference:
    path = each.source.path
    if here is not None and there is not None and here is not there:
        path = f"{path} of request {there.name}"
    expected = f"not the value of {path}" if each.merged else f"the value of {path}"
    if not each.merged:
        expected += f", {shorten(each.wanted)}"
    return Difference(
        Layer.EQUALITY,
        each.spot.path,
        Change.EQUALITY,
        expected,
        shorten(each.actual),
        cover=f"{each.spot.path}={UNEQUAL}",
    )
