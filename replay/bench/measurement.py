"""Cases, what was measured in them, and the statistics over it. Pure.

Targets take turns within each round. So a comparison is made round by round, between neighbours in
time, and its median over the rounds is what is reported: a slow minute of the machine hits all
targets of a round alike and drops out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import median


@dataclass(frozen=True, slots=True)
class Case:
    """One column of the matrix.

    Attributes:
        size: bytes of a request body; where it grows, of the last one.
        deltas: text deltas of an answer.
        streamed: each event is written by itself; else the short answer goes out at once.
        concurrency: connections, each with one request under way.
        growing: requests of a conversation, each of which repeats the one before and says one tool
            call more; 1: one request, again and again.
    """

    name: str
    title: str
    size: int
    deltas: int
    streamed: bool
    concurrency: int
    growing: int = 1

    @property
    def unit(self) -> str:
        return "streams/s" if self.streamed else "req/s"


@dataclass(frozen=True, slots=True)
class Turn:
    """One target's turn in one round of one case.

    Attributes:
        latencies: milliseconds of each right answer, to its last byte.
        first: milliseconds of each right answer, to its first byte.
        elapsed: seconds.
        failed: wrong or missing answers.
        reasons: distinct reasons of those.
        processor: seconds of processor time that the proxy used; None where there is none.
        asked: model requests that reached the upstream.
        refused: those that the upstream refused.
        reconnects: connections that had to be opened anew.
    """

    latencies: Sequence[float]
    first: Sequence[float]
    elapsed: float
    failed: int = 0
    reasons: Sequence[str] = ()
    processor: float | None = None
    asked: int = 0
    refused: int = 0
    reconnects: int = 0

    @property
    def answered(self) -> int:
        return len(self.latencies)

    @property
    def p50(self) -> float:
        return percentile(self.latencies, 50)

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return self.answered / self.elapsed if self.elapsed else 0.0


@dataclass(slots=True)
class Series:
    """All turns of one target in one case."""

    turns: list[Turn] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return sum(turn.answered for turn in self.turns)

    @property
    def failed(self) -> int:
        return sum(turn.failed for turn in self.turns)

    @property
    def reasons(self) -> list[str]:
        return list(dict.fromkeys(chain.from_iterable(turn.reasons for turn in self.turns)))

    @property
    def p50(self) -> float:
        """Milliseconds; median over the rounds of each round's median."""
        return self._over_rounds(lambda turn: turn.p50)

    @property
    def p99(self) -> float:
        """Milliseconds; of all answers together, as one round has too few for a tail."""
        return percentile(list(chain.from_iterable(turn.latencies for turn in self.turns)), 99)

    @property
    def first_p50(self) -> float:
        """Milliseconds to the first byte."""
        return self._over_rounds(lambda turn: percentile(turn.first, 50))

    @property
    def rate(self) -> float:
        return self._over_rounds(lambda turn: turn.rate)

    @property
    def processor(self) -> float | None:
        """Milliseconds of the proxy's processor time per answer."""
        used = [turn.processor for turn in self.turns if turn.processor is not None]
        return sum(used) * 1e3 / self.answered if used and self.answered else None

    @property
    def refusals(self) -> float:
        """Refused attempts per answer."""
        refused = sum(turn.refused for turn in self.turns)
        return refused / self.answered if self.answered else 0.0

    def _over_rounds(self, value: Callable[[Turn], float]) -> float:
        values = [value(turn) for turn in self.turns if turn.answered]
        return median(values) if values else float("nan")


@dataclass(slots=True)
class Memory:
    """Resident bytes of a fresh proxy, at its start and after each tenth of the requests."""

    requests: int = 0
    resident: list[int] = field(default_factory=list)
    failed: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """Bytes per 1,000 requests in the second half: what start-up has no part in."""
        blocks = len(self.resident) - 1
        if blocks < 2 or not self.requests:
            return float("nan")
        half = blocks // 2
        grown = self.resident[-1] - self.resident[half]
        return grown / (self.requests * (blocks - half) / blocks) * 1e3


@dataclass(slots=True)
class Results:
    """Everything that was measured, by names of cases and targets."""

    series: dict[str, dict[str, Series]] = field(default_factory=dict)
    resident: dict[str, int] = field(default_factory=dict)
    """Bytes after the whole matrix."""
    memory: dict[str, Memory] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    """Lines of the proxies' logs, which are started to hold warnings and errors only."""
    faults: list[str] = field(default_factory=list)
    """What makes figures worthless although every answer came right."""

    @property
    def failed(self) -> int:
        """Wrong or missing answers in all."""
        timed = sum(each.failed for row in self.series.values() for each in row.values())
        return timed + sum(each.failed for each in self.memory.values())


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds: its median and its middle half."""

    median: float
    low: float
    high: float

    def text(self, sign: str = "", unit: str = "") -> str:
        """Two decimals; the middle half only where there is one. ``sign``: "+" to show it."""
        middle = f"{self.median:{sign}.2f}{unit}"
        if self.low == self.high:
            return middle
        return f"{middle} ({self.low:{sign}.2f} to {self.high:{sign}.2f})"


def rate_ratio(series: Series, base: Series) -> Spread | None:
    """Answers a second relative to ``base``, paired by round; None where no round has both."""
    return _paired(series, base, lambda own, other: own.rate / other.rate)


def added_p50(series: Series, base: Series) -> Spread | None:
    """Milliseconds of median latency above ``base``, paired by round."""
    return _paired(series, base, lambda own, other: own.p50 - other.p50)


def _paired(series: Series, base: Series, value: Callable[[Turn, Turn], float]) -> Spread | None:
    pairs = zip(series.turns, base.turns, strict=False)
    return spread(value(own, other) for own, other in pairs if own.answered and other.answered)


def spread(values: Iterable[float]) -> Spread | None:
    """None of nothing."""
    known = list(values)
    if not known:
        return None
    return Spread(median(known), percentile(known, 25), percentile(known, 75))


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear interpolation between the two nearest ranks; NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
