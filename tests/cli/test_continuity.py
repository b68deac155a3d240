"""``floway continuity``: what is said of conversations that were played."""

from __future__ import annotations

import json
from typing import Any

import pytest

from replay.continuity.measure import Measured
from replay.continuity.play import Case, Result, Stage

YARDSTICK = Result(Case("codex direct", 0), 20, Measured(27, 10_000, 9_900))


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> dict[str, Result]:
    """What is played, by client; everything else is read whole."""
    given: dict[str, Result] = {}

    async def yardstick(_: Stage) -> Result:
        return given.get("yardstick", YARDSTICK)

    async def play(stage: Stage, case: Case) -> Result:
        found = given.get(case.client, Result(case, 0, Measured(27, 10_000, 10_000)))
        return Result(
            case, stage._turns, found.measured, found.failure, found.output, found.skipped
        )

    monkeypatch.setattr(Stage, "yardstick", yardstick)
    monkeypatch.setattr(Stage, "play", play)
    return given


def of(**values: Any) -> Result:
    return Result(Case("websocket", 1), 20, **values)


@pytest.mark.usefixtures("results")
def test_a_table(floway) -> None:
    code, out, _ = floway("continuity", "--clients", "websocket")
    assert code == 0
    head, first, *rows = out.splitlines()
    assert head.split()[:3] == ["client", "accounts", "case"]
    assert first.split()[:2] == ["codex", "direct"]
    assert "99.00 %" in first
    assert len(rows) == 5
    assert all("100.00 %  " in row and "101.01 %" in row for row in rows)


@pytest.mark.usefixtures("results")
def test_json(floway) -> None:
    code, out, _ = floway("continuity", "--clients", "sdk-chat,websocket", "--turns", "7", "--json")
    assert code == 0
    rows = json.loads(out)
    assert len(rows) == 11
    assert rows[0]["of_yardstick"] == 1.0
    assert rows[1] == {
        "client": "sdk-chat",
        "accounts": 1,
        "case": "plain",
        "turns": 7,
        "requests": 27,
        "eligible_tokens": 10_000,
        "cached_tokens": 10_000,
        "ratio": 1.0,
        "of_yardstick": 1.0101,
        "rebuilds": 0,
    }


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (of(measured=Measured(27, 10_000, 9_800)), "less than 99%"),
        (of(failure="turn 3: no answer", output="its last words"), "its last words"),
    ],
)
def test_less_than_the_goal(floway, results, result: Result, said: str) -> None:
    results["websocket"] = result
    code, out, err = floway("continuity", "--clients", "websocket")
    assert code == 1
    assert said in out + err


def test_a_client_that_is_not_there_is_skipped(floway, results) -> None:
    results["opencode-chat"] = of(skipped="npm is not installed")
    code, out, err = floway("continuity", "--clients", "opencode-chat,websocket", "--json")
    assert code == 0
    assert {row["client"] for row in json.loads(out)} == {"codex direct", "websocket"}
    assert err.count("opencode-chat: skipped: npm is not installed") == 1


def test_without_a_yardstick_nothing_is_good(floway, results) -> None:
    results["yardstick"] = Result(Case("codex direct", 0), 20, failure="codex ended with 1")
    code, out, err = floway("continuity", "--clients", "websocket", "--json")
    assert code == 1
    assert {row["of_yardstick"] for row in json.loads(out)} == {None}
    assert "codex ended with 1" in err


def test_wrong_options(floway) -> None:
    code, _, err = floway("continuity", "--clients", "telnet")
    assert code == 2
    assert "no client is called 'telnet'; there are: opencode-chat" in err
    assert floway("continuity", "--turns", "1")[0] == 2
