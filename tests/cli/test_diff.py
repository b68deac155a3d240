"""``floway diff`` as a user types it."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from fingerprints import trace_file
from tests.fingerprints.made_traces import Run, with_body


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [trace_file.write(Run(run).trace(), tmp_path) for run in (1, 2, 3)]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    trace = Run(4).trace()
    body = trace.exchanges[1].body
    assert body is not None
    data = copy.deepcopy(body.data) | {"store": True}
    return trace_file.write(with_body(trace, 2, data), tmp_path / "other")


def test_another_good_run(floway, runs: list[Path]) -> None:
    one, two, three = map(str, runs)
    code, out, _ = floway("diff", one, three, "--golden", two)
    assert code == 0
    assert out.startswith("same  7 requests")


def test_a_difference_and_the_rule_that_covers_it(floway, runs: list[Path], other: Path) -> None:
    words = ["diff", str(runs[0]), str(other), "--golden", str(runs[1])]
    code, out, _ = floway(*words)
    assert code == 1
    assert "body:store  value" in out
    rule = next(line for line in out.splitlines() if "covered by" in line).split("covered by ")[1]
    code, out, _ = floway(*words, "--allow", rule.strip())
    assert code == 0
    assert "1 allowed" in out
    _, out, _ = floway(*words, "--allow", rule.strip(), "--all")
    assert f"allowed by {rule.strip()}" in out


def test_one_golden_only_is_said(floway, runs: list[Path]) -> None:
    _, out, _ = floway("diff", str(runs[0]), str(runs[0]))
    assert "Noise was learned from one golden only" in out


def test_folders_are_paired_by_scenario(floway, runs: list[Path], tmp_path: Path) -> None:
    candidates = tmp_path / "candidates"
    trace_file.write(Run(5).trace(), candidates)
    tool = Run(6).trace().model_copy(update={"scenario": "tool"})
    trace_file.write(tool, tmp_path / "golden")
    trace_file.write(Run(1).trace(), tmp_path / "golden")
    trace_file.write(Run(2).trace(), tmp_path / "golden")
    report = tmp_path / "r.json"
    words = ["diff", str(tmp_path / "golden"), str(candidates), "--report", str(report)]
    code, _, _ = floway(*words)
    assert code == 0
    assert json.loads(report.read_text())["golden"] == [
        "made@1.0.0/turn-http#1",
        "made@1.0.0/turn-http#2",
    ]


def test_a_candidate_without_golden(floway, runs: list[Path], tmp_path: Path) -> None:
    for scenario in ("tool", "resume"):
        trace = Run(5).trace().model_copy(update={"scenario": scenario})
        trace_file.write(trace, tmp_path / "candidates")
    code, _, err = floway("diff", str(runs[0].parent), str(tmp_path / "candidates"))
    assert code == 2
    assert "no golden recording of scenario" in err


@pytest.mark.parametrize("rule", ["nonsense", "=text", "body:x=nonsense", "body:x={uuid: z}"])
def test_a_rule_that_cannot_be_read(floway, runs: list[Path], rule: str) -> None:
    code, _, err = floway("diff", str(runs[0]), str(runs[1]), "--allow", rule)
    assert code == 2
    assert "is no rule" in err


def test_a_broken_golden_is_exit_code_3(floway, runs: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.trace.json"
    broken.write_text("[]")
    code, out, _ = floway("diff", str(runs[0]), str(runs[1]), "--golden", str(broken))
    assert code == 3
    assert "not a trace" in out
