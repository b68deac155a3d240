"""The regression suite: a test for each recording; ``pytest -k`` chooses, a failure shows the diff.

Recordings of the official client must be what the profile of their release says, and what other
runs of the same were. The online half (through a floway) is in ``test_replayed.py``.
"""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from replay.regress import offline
from replay.regress.corpus import TRACES, Recorded, load
from replay.report import terminal
from replay.report.model import Report, Request

RECORDED = load([TRACES]) if any(TRACES.rglob("*.trace.json")) else []
OFFICIAL = [each for each in RECORDED if each.official]
GROUPS = list(offline.groups(OFFICIAL))


def shown(requests: list[Request]) -> str:
    """What differs, as ``floway regress`` shows it; "" for nothing."""
    report = Report(kind="regress", tool="pytest", requests=requests).settle()
    if report.verdict == "same":
        return ""
    text = io.StringIO()
    terminal.show(report, Console(file=text, width=140, highlight=False))
    return text.getvalue()


def named(recorded: Recorded) -> str:
    return recorded.trace.name


@pytest.mark.parametrize("recorded", OFFICIAL, ids=named)
def test_recording_is_what_its_profile_says(recorded: Recorded) -> None:
    requests = offline.against_profile(recorded)
    assert requests, "no profile for this release"
    assert not (differences := shown(requests)), differences


@pytest.mark.parametrize(
    ("golden", "last", "habits"), GROUPS, ids=[named(last) for _, last, _ in GROUPS]
)
def test_run_is_what_other_runs_are(golden: list[Recorded], last: Recorded, habits: Any) -> None:
    requests = offline.against_runs(golden, last, habits)
    assert requests
    assert not (differences := shown(requests)), differences
