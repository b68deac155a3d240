from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.bench.measurement import (
    Memory,
    Results,
    Series,
    Turn,
    added_p50,
    percentile,
    rate_ratio,
    spread,
)


def turn(*latencies: float, elapsed: float = 1.0, failed: int = 0, **more: object) -> Turn:
    return Turn(latencies, latencies, elapsed, failed, **more)  # type: ignore[arg-type]


floats = st.floats(0, 1e6)


@given(st.lists(floats, min_size=1))
def test_percentiles_are_bounded_and_the_middle_is_the_median(values: list[float]):
    assert percentile(values, 0) == min(values)
    assert percentile(values, 100) == max(values)
    assert percentile(values, 50) == pytest.approx(statistics.median(values))


@given(st.lists(floats, min_size=2), st.integers(1, 99))
def test_percentiles_agree_with_the_standard_library(values: list[float], percent: int):
    inclusive = statistics.quantiles(values, n=100, method="inclusive")
    assert percentile(values, percent) == pytest.approx(inclusive[percent - 1], abs=1e-6)


def test_nothing_has_no_percentile():
    assert math.isnan(percentile([], 50))
    assert spread([]) is None


def test_comparison_is_by_round():
    """Twice as slow a machine in the second round changes nothing."""
    base = Series([turn(1, 1, 1, 1, elapsed=1), turn(2, 2, elapsed=1)])
    own = Series([turn(2, 2, elapsed=1), turn(4, elapsed=1)])
    ratio = rate_ratio(own, base)
    assert ratio is not None
    assert (ratio.low, ratio.median, ratio.high) == (0.5, 0.5, 0.5)
    added = added_p50(own, base)
    assert added is not None
    assert (added.low, added.median, added.high) == (1.25, 1.5, 1.75)


def test_rounds_without_answers_are_left_out():
    base = Series([turn(1), turn(1), turn(2)])
    own = Series([turn(failed=3), turn(2, elapsed=2), turn(failed=1)])
    ratio = rate_ratio(own, base)
    assert ratio is not None
    assert ratio.median == 0.5
    assert rate_ratio(Series([turn(failed=1)]), base) is None
    assert own.failed == 4
    assert own.p50 == 2


def test_a_series_without_answers_has_no_figures():
    series = Series([turn(failed=2, reasons=("a", "b")), turn(failed=1, reasons=("b",))])
    assert math.isnan(series.p50)
    assert math.isnan(series.p99)
    assert math.isnan(series.rate)
    assert series.processor is None
    assert series.refusals == 0
    assert series.reasons == ["a", "b"]


def test_tail_is_of_all_answers_together():
    series = Series([turn(*[1.0] * 99), turn(*[1.0] * 100, 500.0)])
    assert series.p99 == 1.0
    assert Series([turn(*[1.0] * 90), turn(*[500.0] * 10)]).p99 == 500.0


def test_processor_time_and_refusals_are_per_answer():
    series = Series([turn(1, 1, processor=0.01, refused=2), turn(1, 1, processor=0.03, refused=3)])
    assert series.processor == pytest.approx(10.0)
    assert series.refusals == 1.25


def test_growth_of_memory_is_that_of_the_second_half():
    resident = [100, 200, 300, 310, 320]
    assert Memory(requests=4000, resident=resident).growth == pytest.approx(10)
    assert math.isnan(Memory(requests=10, resident=[1, 2]).growth)


def test_failures_of_all_cases_are_summed():
    results = Results(
        series={"a": {"x": Series([turn(failed=2)])}, "b": {"x": Series([turn(1)])}},
        memory={"x": Memory(failed=3)},
    )
    assert results.failed == 5
