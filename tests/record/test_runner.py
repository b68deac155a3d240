"""Runs: their order, what each comes to, and a stand-in of the client recorded for real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fingerprints import trace_file
from replay.record import catalogue, runner
from replay.record.errors import RecordError
from replay.record.install import Installed
from replay.record.runner import CodexRunner, Outcome, plan
from replay.record.scenarios import CODEX, Case, Scenario, Step, select


def chosen(name: str, *cases: Case) -> Scenario:
    [scenario] = select(CODEX, [name])
    return replace(scenario, cases=cases)


def test_the_first_run_over_websocket_is_begun_first() -> None:
    runs = plan(CODEX, 2)
    assert [run.case.transport for run in runs[:2]] == ["websocket", "http"]
    transports = [run.case.transport for run in runs[1:]]
    assert transports == sorted(transports)
    assert len(set(runs)) == len(runs) == 2 * sum(len(each.cases) for each in CODEX)
    assert plan((), 2) == []


@pytest.mark.slow
async def test_a_client_is_recorded(
    fake_client: Callable[[str], Installed], tmp_path: Path
) -> None:
    told: list[Outcome] = []
    work = CodexRunner(fake_client("good"), tmp_path / "cache", tmp_path / "out", told=told.append)
    scenarios = [
        chosen("turn", Case(), Case(model="other"), Case("websocket"), Case("websocket", git=True)),
        chosen("review", Case(git=True)),
    ]
    outcomes = await work.record(plan(scenarios, 1), jobs=3)
    found = {(each.run.scenario.name, each.run.case): each for each in outcomes}
    assert sorted(told, key=str) == sorted(outcomes, key=str)
    plain = found["turn", Case()]
    assert (plain.status, plain.exchanges) == ("recorded", 2), (plain.reason, plain.output)
    assert plain.file is not None
    trace = trace_file.read(plain.file)
    assert plain.file.parent == tmp_path / "out" / "codex" / "9.9.9"
    assert [each.authority for each in trace.exchanges] == ["elsewhere.example.com", "chatgpt.com"]
    assert found["turn", Case(model="other")].file != plain.file
    for case in (Case("websocket"), Case("websocket", git=True)):
        assert found["turn", case].status == "lacking"
        assert found["turn", case].reason == "9.9.9 asks for no WebSocket"
    review = found["review", Case(git=True)]
    assert (review.status, review.reason) == ("lacking", "9.9.9 has no `codex exec review`")
    models = catalogue.read(plain.file.with_name("catalogue.json"))
    assert (models.default, models.models[0].shape) == ("fake-lite", "lite")


@pytest.mark.slow
async def test_a_failure_shows_the_output_without_secrets(
    fake_client: Callable[[str], Installed], tmp_path: Path
) -> None:
    work = CodexRunner(fake_client("fails"), tmp_path / "cache", tmp_path / "out")
    [outcome] = await work.record(plan([chosen("turn", Case())], 1), jobs=1)
    assert outcome.status == "failed"
    assert outcome.reason == "`codex exec Say hello.` ended with code 3"
    assert outcome.output == "no luck in ⟨folder⟩/home with ⟨secret⟩"
    assert not list(tmp_path.rglob("*.trace.json"))


@pytest.mark.slow
async def test_a_recording_that_shows_too_little_is_a_failure(
    fake_client: Callable[[str], Installed], tmp_path: Path
) -> None:
    work = CodexRunner(fake_client("good"), tmp_path / "cache", tmp_path / "out")
    [outcome] = await work.record(plan([chosen("tool", Case())], 1), jobs=1)
    assert outcome.status == "failed"
    assert "2 answered model requests over http were expected, 1 are there" in outcome.reason
    assert "404 200" in outcome.output


async def test_a_client_that_does_not_run(tmp_path: Path, fake_client: Any) -> None:
    installed = fake_client("good")
    installed.program.write_text("#!/bin/sh\necho wrong machine\nexit 1\n")
    work = CodexRunner(installed, tmp_path / "cache", tmp_path / "out")
    with pytest.raises(RecordError, match="does not run here") as caught:
        await work.record([], jobs=1)
    assert caught.value.output == "wrong machine"


# --- with sessions and drivers that only pretend -------------------------------------------------


class Pretended:
    """Counts what is done; the client speaks WebSocket or not, and fails so many times."""

    def __init__(self, *, spoken: bool = True, failures: int = 0) -> None:
        self.spoken, self.failures = spoken, failures
        self.running = self.most = 0
        self.begun: list[Case] = []
        self.tried: list[Scenario] = []

    async def __call__(self, run: runner.Run, able: Any) -> Outcome:
        self.begun.append(run.case)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if self.failures:
            self.failures -= 1
            self.tried.append(run.scenario)
            raise RecordError("busy")
        if run.case.transport == "websocket":
            self.runner._sockets[run.scenario.sign_in].spoken = self.spoken
            if not self.spoken:
                raise runner._no_websocket(able)
        return Outcome(run, "recorded")

    runner: CodexRunner


@pytest.fixture
def pretending(
    fake_client: Callable[[str], Installed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Pretended], CodexRunner]:
    installed = fake_client("good")

    def make(pretended: Pretended) -> CodexRunner:
        work = CodexRunner(installed, tmp_path / "cache", tmp_path / "out")
        pretended.runner = work
        monkeypatch.setattr(work, "_recorded", pretended)
        return work

    return make


EIGHT = Scenario(
    "any",
    "",
    (Step("exec", ("x",)),),
    (Case("websocket"), Case("websocket", git=True), Case(), Case(git=True)),
)


async def test_no_more_at_once_than_jobs(pretending: Any) -> None:
    for jobs in (1, 3):
        pretended = Pretended()
        outcomes = await pretending(pretended).record(plan([EIGHT], 2), jobs)
        assert {each.status for each in outcomes} == {"recorded"}
        assert pretended.most <= jobs


async def test_websocket_is_tried_once_where_there_is_none(pretending: Any) -> None:
    pretended = Pretended(spoken=False)
    outcomes = await pretending(pretended).record(plan([EIGHT], 2), jobs=8)
    assert [case.transport for case in pretended.begun].count("websocket") == 1
    assert sum(each.status == "lacking" for each in outcomes) == 4
    assert sum(each.status == "recorded" for each in outcomes) == 4


async def test_one_failure_is_tried_again_a_second_one_counts(pretending: Any) -> None:
    [run, *_] = plan([replace(EIGHT, cases=(Case(),))], 1)
    [good] = await pretending(Pretended(failures=1)).record([run], 1)
    [bad] = await pretending(Pretended(failures=2)).record([run], 1)
    assert (good.status, bad.status, bad.reason) == ("recorded", "failed", "busy")


async def test_another_way_is_taken_where_the_first_fails_and_kept(pretending: Any) -> None:
    instead = replace(EIGHT, surface="tui")
    scenario = replace(EIGHT, instead=instead, cases=(Case(),))
    pretended = Pretended(failures=1)
    outcomes = await pretending(pretended).record(plan([scenario], 3), 1)
    assert [each.status for each in outcomes] == ["recorded"] * 3
    assert {each.run.scenario for each in outcomes} == {scenario}
    assert pretended.tried == [scenario]
    assert len(pretended.begun) == 4
    nowhere = replace(EIGHT, needs=frozenset({"fork"}))
    pretended = Pretended(failures=2)
    [outcome] = await pretending(pretended).record(plan([replace(scenario, instead=nowhere)], 1), 1)
    assert outcome.status == "failed"
