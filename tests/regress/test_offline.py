"""Recordings against their profile and against other runs, without sending anything."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import pytest

from fingerprints import trace_file
from fingerprints.compare.noise import Habits
from fingerprints.trace import Trace
from replay.regress import offline
from replay.regress.corpus import Recorded, load
from replay.regress.rules import ALLOWANCES, RACES
from tests.fingerprints.made_traces import Run, made, with_body
from tests.fingerprints.recordings import case, cases
from tests.fingerprints.test_trace_view import exchange_of


def official(run: int, trace: Trace | None = None) -> Trace:
    trace = trace or Run(run).trace()
    return trace.model_copy(update={"client": "codex", "release": "0.169.0"})


def recorded(trace: Trace) -> Recorded:
    return Recorded(Path("x"), trace)


def test_against_the_profile_of_its_release() -> None:
    models = made([exchange_of(case("0.169.0/models")), exchange_of(case("0.169.0/usage"))])
    requests = offline.against_profile(recorded(official(1, models)))
    assert [(each.kind, each.verdict) for each in requests] == [
        ("models", "same"),
        ("usage", "same"),
    ]
    assert requests[0].trace == "codex@0.169.0/turn-http#1 against codex@0.169.0"
    unknown = official(1, models).model_copy(update={"release": "9.9.9"})
    assert offline.against_profile(recorded(unknown)) == []


def test_against_other_runs() -> None:
    golden = [recorded(Run(1).trace()), recorded(Run(2).trace())]
    requests = offline.against_runs(golden, recorded(Run(3).trace()), Habits())
    assert {each.verdict for each in requests} == {"same"}
    assert requests[0].trace == "made@1.0.0/turn-http#3 against #1, #2"
    trace = Run(3).trace()
    body = trace.exchanges[1].body
    assert body is not None
    wrong = with_body(trace, 2, copy.deepcopy(body.data) | {"store": True})
    (found,) = [
        each
        for each in offline.against_runs(golden, recorded(wrong), Habits())
        if each.verdict != "same"
    ]
    assert [each.path for each in found.differences] == ["body:store"]


def test_the_whole_of_a_folder(tmp_path: Path) -> None:
    for run in (1, 2, 3):
        trace_file.write(official(run), tmp_path)
        trace_file.write(Run(run).trace(), tmp_path)
    steps: list[str] = []
    found = load([tmp_path])
    requests = list(offline.check(found, step=steps.append))
    assert steps == [f"codex@0.169.0/turn-http#{run}" for run in (1, 2, 3, 3)]
    against = {each.trace.partition(" against ")[2] for each in requests}
    assert against == {"codex@0.169.0", "#1, #2"}


def test_every_rule_has_a_reason() -> None:
    assert len(ALLOWANCES) == len(RACES)
    assert all(RACES.values())


@pytest.mark.slow
def test_three_hundred_requests_a_second_on_one_core() -> None:
    exchanges = [exchange_of(each) for each in cases("0.169.0") if not each.is_frame]
    runs = [recorded(official(run, made(exchanges, run=run))) for run in range(1, 11)]
    started = time.process_time()
    requests = list(offline.check(runs))
    speed = len(requests) / (time.process_time() - started)
    assert len(requests) > 400
    assert speed > 300, f"{speed:.0f} requests/s"
