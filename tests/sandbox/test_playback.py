"""Faults inside an answer, as steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.sandbox.events import Event
from replay.sandbox.faults import parse_rule
from replay.sandbox.playback import Close, Drip, Emit, Pause, Reset, Step, script

EVENTS = [Event(f"e{number}", "{}", number >= 3) for number in range(6)]


def failed(error: dict[str, Any], number: int) -> Event:
    return Event("response.failed", json.dumps({**error, "sequence_number": number}), False)


def steps(fault: dict[str, Any] | None, pace: float = 0.0) -> list[Step]:
    found = None if fault is None else parse_rule({"fault": fault}).fault
    return script(iter(EVENTS), found, failed=failed, pace=pace)


def names(found: list[Step]) -> list[str]:
    return [step.type if isinstance(step, Emit) else type(step).__name__ for step in found]


def test_without_a_fault_everything_is_sent() -> None:
    assert names(steps(None)) == ["e0", "e1", "e2", "e3", "e4", "e5"]


@pytest.mark.parametrize(
    ("at", "count"), [(0, 0), (2, 2), ("before_output", 3), ("after_output", 4), (99, 6)]
)
@pytest.mark.parametrize(
    ("fault", "last"),
    [
        ({"kind": "reset"}, "Reset"),
        ({"kind": "close"}, "Close"),
        ({"kind": "close_socket", "code": 1012}, "Close"),
        ({"kind": "failure"}, "response.failed"),
        ({"kind": "error_frame"}, "error"),
    ],
)
def test_the_answer_ends_at_the_place(
    fault: dict[str, Any], last: str, at: int | str, count: int
) -> None:
    found = names(steps({**fault, "at": at}))
    assert found == [f"e{number}" for number in range(count)] + [last]


def test_a_stall_goes_on_afterwards() -> None:
    found = steps({"kind": "stall", "seconds": 2, "at": "before_output"})
    assert names(found) == ["e0", "e1", "e2", "Pause", "e3", "e4", "e5"]
    assert Pause(2) in found


def test_drip_and_close_code() -> None:
    assert steps({"kind": "drip", "bytes": 3, "seconds": 0.5})[0] == Drip(3, 0.5)
    found = steps({"kind": "close_socket", "code": 4000, "reason": "why"})
    assert found == [Close(4000, "why")]


def test_pace_is_between_events() -> None:
    found = names(steps(None, pace=0.1))
    assert found == ["e0", *[name for number in range(1, 6) for name in ("Pause", f"e{number}")]]


@pytest.mark.parametrize("fault", [{"status": 500}, {"preset": "slow_down"}, {"kind": "delay"}])
def test_faults_before_the_head_change_nothing_here(fault: dict[str, Any]) -> None:
    assert names(steps(fault)) == ["e0", "e1", "e2", "e3", "e4", "e5"]


def test_failure_texts() -> None:
    [*_, last] = steps({"kind": "failure", "code": "rate_limit_exceeded"})
    assert isinstance(last, Emit)
    assert "try again in" in last.data
    [*_, last] = steps({"kind": "failure", "code": "x", "message": "own words", "error": {"a": 1}})
    assert isinstance(last, Emit)
    assert json.loads(last.data) == {
        "code": "x",
        "message": "own words",
        "a": 1,
        "sequence_number": 3,
    }


def test_an_error_frame_without_status_has_none() -> None:
    [step] = steps({"kind": "error_frame", "code": "c", "error": {"plan_type": "plus"}})
    assert isinstance(step, Emit)
    frame = json.loads(step.data)
    assert "status" not in frame
    assert frame["error"]["plan_type"] == "plus"
    [step] = steps({"kind": "error_frame", "status": 429})
    assert isinstance(step, Emit)
    assert json.loads(step.data)["status"] == 429


@given(st.integers(0, 10), st.integers(0, 10))
def test_a_reset_sends_a_prefix_and_takes_no_further_event(length: int, at: int) -> None:
    taken = 0

    def events() -> Iterator[Event]:
        nonlocal taken
        for number in range(length):
            taken += 1
            yield Event(str(number), "{}", True)

    rule = parse_rule({"fault": {"kind": "reset", "at": at}})
    found = script(events(), rule.fault, failed=failed)
    assert isinstance(found[-1], Reset)
    assert len(found) - 1 == min(length, at)
    assert taken <= at + 1
