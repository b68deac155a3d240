from __future__ import annotations

import pytest

from replay.bench.answers import event_count
from replay.bench.measurement import Results, Series, Turn
from replay.bench.runner import CASES, failover_faults, log_lines
from replay.bench.targets import TARGETS


def test_the_matrix_is_that_of_the_quality_bars():
    matrix = {(case.size, case.streamed, case.concurrency) for case in CASES.values()}
    short = {(size, False, c) for size in (8 * 1024, 256 * 1024) for c in (1, 32)}
    assert matrix == short | {(8 * 1024, True, 1), (8 * 1024, True, 32)}
    assert {event_count(case.deltas) for case in CASES.values() if case.streamed} == {200}


@pytest.mark.parametrize(
    ("refused", "faults"),
    [
        (100, []),
        (97, []),
        (50, ["c, failover: 0.50 refusals per answer, not one"]),
        (200, ["c, failover: 2.00 refusals per answer, not one"]),
    ],
)
def test_a_failover_case_without_failovers_is_a_fault(refused: int, faults: list[str]):
    row = {
        "failover": Series([Turn([1.0] * 100, [1.0] * 100, 1.0, refused=refused)]),
        "responses": Series([Turn([1.0], [1.0], 1.0)]),
    }
    targets = [TARGETS["responses"], TARGETS["failover"]]
    assert list(failover_faults(targets, Results(series={"c": row}))) == faults


def test_failed_turns_are_no_missing_failovers():
    row = {"failover": Series([Turn([], [], 1.0, 3, ["status 502"])])}
    assert list(failover_faults([TARGETS["failover"]], Results(series={"c": row}))) == []


def test_log_lines_are_mitmproxys():
    text = "floway is ready\n[05:21:30.160] a warning\n  curl http://x\n[05:21:31.2] another\n"
    assert log_lines(text) == ["[05:21:30.160] a warning", "[05:21:31.2] another"]
