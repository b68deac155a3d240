from __future__ import annotations

import json

import pytest
from rich.console import Console

from replay.bench.bars import bars
from replay.bench.machine import Machine, this_machine
from replay.bench.measurement import Memory, Results, Series, Turn
from replay.bench.report import Report
from replay.bench.runner import CASES, Plan
from replay.bench.targets import DEFAULT_TARGETS, TARGETS

MACHINE = Machine(2, "Test CPU", 4 * 2**30, "Linux", "3.13", "12.2.3", "0.1.0", 0.1)
PLAN = Plan(
    cases=tuple(CASES.values()),
    targets=tuple(TARGETS[name] for name in DEFAULT_TARGETS),
    rounds=2,
    seconds=1.0,
    requests=0,
    memory_requests=10_000,
    warm_up=1,
    model="m",
    leg="http1",
    pin=False,
)


def series(latency: float, rate: int, **more: object) -> Series:
    turn = Turn([latency] * rate, [latency / 2] * rate, 1.0, **more)  # type: ignore[arg-type]
    return Series([turn, turn])


def results(added: float = 0.4, rate: int = 90, resident: int = 140_000_000) -> Results:
    row = {
        "direct": series(0.1, 1000),
        "bare": series(2.0, 100, processor=0.2),
        "responses": series(2.0 + added, rate, processor=0.25),
        "chat": series(3.0, 60),
        "failover": series(4.0, 50, refused=50, asked=100),
    }
    memory = Memory(requests=10_000, resident=[80_000_000, 100_000_000, resident])
    return Results(
        series=dict.fromkeys(CASES, row),
        resident={"bare": 120_000_000},
        memory={"responses": memory},
        warnings={"bare": [], "chat": ["[05:00:00.000] something"]},
        faults=["a fault"],
    )


def shown(report: Report) -> str:
    console = Console(width=200, record=True, file=None, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        for part in report.tables():
            console.print(part)
    return capture.get()


def test_tables_show_what_was_measured():
    text = shown(Report(MACHINE, PLAN, results()))
    for case in CASES.values():
        assert case.title in text
    line = next(line for line in text.splitlines() if "floway, responses" in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == [
        "floway, responses", "2.40", "2.40", "1.20", "90", "0.90", "+0.40", "2.78", "–", "–",
    ]  # fmt: skip
    assert "1.00" in next(line for line in text.splitlines() if "a failover in every" in line)
    assert "chat logged 1 warnings; the last: [05:00:00.000] something" in text
    assert "a fault" in text


def test_failures_and_their_reasons_are_shown():
    found = results()
    broken = Series([Turn([], [], 1.0, 3, ["status 502"])])
    found.series["body8k-c1"] = {**found.series["body8k-c1"], "chat": broken}
    found.memory["chat"] = Memory(failed=2, reasons=["status 503"], resident=[1])
    text = shown(Report(MACHINE, PLAN, found))
    assert "body8k-c1, chat: status 502" in text
    assert "memory, chat: status 503" in text


def test_spread_is_shown_where_rounds_differ():
    found = results()
    own = Series([Turn([2.2] * 80, [1.0] * 80, 1.0), Turn([2.6] * 88, [1.0] * 88, 1.0)])
    found.series["body8k-c1"] = {**found.series["body8k-c1"], "responses": own}
    text = shown(Report(MACHINE, PLAN, found))
    assert "0.84 (0.82 to 0.86)" in text
    assert "+0.40 (+0.30 to +0.50)" in text


def test_markdown_has_all_cases_in_one_table():
    text = Report(MACHINE, PLAN, results()).markdown()
    lines = text.splitlines()
    rows = [line for line in lines if line.startswith("| ") and "body" in line]
    assert len(rows) == len(CASES) * len(DEFAULT_TARGETS)
    head = next(line for line in lines if line.startswith("| case"))
    assert {line.count("|") for line in rows} == {head.count("|")}
    assert "2 cores (Test CPU), 4 GiB" in lines[0]


def test_the_document_is_json_without_holes():
    found = results()
    found.series["body8k-c1"] = {
        **found.series["body8k-c1"],
        "chat": Series([Turn([], [], 1.0, 3, ["status 502"])]),
    }
    document = json.loads(json.dumps(Report(MACHINE, PLAN, found).document(), allow_nan=False))
    first = document["cases"][0]
    assert first["targets"]["chat"]["p50"] is None
    assert first["targets"]["responses"]["rate_ratio"]["median"] == pytest.approx(0.9)
    assert document["memory"]["responses"]["resident"][-1] == 140_000_000
    assert document["machine"]["cores"] == 2


def test_bars_that_are_met():
    measured = bars(results())
    assert [bar.met for bar in measured] == [True] * len(measured)


def test_bars_that_are_missed():
    measured = {bar.title: bar.met for bar in bars(results(added=3, rate=80, resident=10**9))}
    assert measured["added p50, 8 KB, c=1"] is False
    assert measured["added p50, 256 KB, c=1"] is False
    assert measured["requests/s of bare, 8 KB, c=32"] is False
    assert measured["SSE streams/s of bare, responses, c=32"] is False
    assert measured["SSE streams/s of bare, chat, c=32"] is True
    assert measured["RSS after 10,000 requests"] is False


def test_bars_without_a_measurement_say_so():
    assert {bar.met for bar in bars(Results())} == {None}
    few = Results(memory={"responses": Memory(requests=300, resident=[1, 2])})
    assert {bar.met for bar in bars(few)} == {None}


def test_this_machine_is_described():
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.memory > 2**28
    assert f"{machine.cores} cores" in str(machine)
