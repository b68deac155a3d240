"""Recordings of third-party clients: what one must show, and what comes of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fingerprints import trace_file
from fingerprints.trace import Answer, Exchange, Origin, Payload, Trace
from replay.record.errors import Lacking, RecordError
from replay.record.gateway_session import GatewaySession
from replay.record.runner import TRIES, Outcome
from replay.record.third_party import (
    CASES,
    Client,
    ClientRunner,
    ClientScenario,
    has_output,
    plan,
    problems,
)

CHAT = "/v1/chat/completions"
TURN = ClientScenario("turn", "", (), CASES, path=CHAT, model="m")


def exchange(data: Any = None, *, path: str = CHAT, status: int = 200) -> Exchange:
    return Exchange(
        number=1,
        method="POST",
        authority="127.0.0.1:1",
        path=path,
        headers=(),
        body=Payload(form="json", length=1, data=data),
        answer=Answer(status=status),
    )


def trace(*exchanges: Exchange) -> Trace:
    return Trace(client="x", origin=Origin(tool="t", on="2026-11-21"), exchanges=exchanges)


# --- what a recording must show ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exchanges", "enough"),
    [
        ([exchange(), exchange(path=f"{CHAT}?beta=true")], True),
        ([exchange()], False),
        ([exchange(), exchange(status=400)], False),
        ([exchange(), exchange(path="/v1/responses")], False),
        ([exchange(), exchange().model_copy(update={"answer": None})], False),
        (
            [exchange(), exchange().model_copy(update={"answer": Answer(status=200, ended="cut")})],
            False,
        ),
    ],
)
def test_requests_must_be_answered(exchanges: list[Exchange], enough: bool) -> None:
    found = problems(trace(*exchanges), replace(TURN, requests=2))
    assert found == (
        [] if enough else ["2 answered requests to /v1/chat/completions were expected, 1 are there"]
    )


OUTPUTS = [
    {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]},
    {"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]},
    {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}]},
]
OTHERS: list[Any] = [
    {"input": "function_call_output"},
    {"input": [{"type": "function_call", "name": "tool_result"}]},
    {"messages": [{"role": "user", "content": "tool"}]},
    {"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]},
    {},
    [],
    None,
]


@pytest.mark.parametrize("data", OUTPUTS)
def test_a_tool_s_output_in_each_protocol(data: dict[str, Any]) -> None:
    assert has_output(exchange(data))
    assert problems(trace(exchange(data)), replace(TURN, output=True)) == []


@pytest.mark.parametrize("data", OTHERS)
def test_what_is_no_output(data: Any) -> None:
    assert not has_output(exchange(data))
    found = problems(trace(exchange(data)), replace(TURN, output=True))
    assert found == ["no tool's output was sent back"]


def test_the_plan_has_every_run_of_every_scenario() -> None:
    other = replace(TURN, name="other")
    runs = [(run.scenario.name, run.number) for run in plan([TURN, other], 2)]
    assert runs == [("turn", 1), ("turn", 2), ("other", 1), ("other", 2)]


# --- the runner ----------------------------------------------------------------------------------


@dataclass(slots=True)
class FakeRelease:
    """A client that asks once; ``failing``: how many starts fail before one does not."""

    release: str = "9.9.9"
    failing: int = 0
    path: str = CHAT
    lacking: str = ""
    starts: int = 0

    async def drive(self, session: GatewaySession, scenario: ClientScenario) -> str:
        self.starts += 1
        if self.starts <= self.failing:
            raise RecordError("it failed", "its last words")
        if self.lacking:
            raise Lacking(self.lacking)
        body = {"model": scenario.model, "messages": [{"role": "user", "content": "hi"}]}
        async with httpx.AsyncClient(timeout=20) as client:
            await client.post(f"{session.url}{self.path}", json=body)
        return "what it said"


async def _no_installation(*_: Any, **__: Any) -> FakeRelease:
    raise AssertionError("it is installed already")


def runner(fake: FakeRelease, folder: Path, told: list[Outcome]) -> ClientRunner:
    def tidy(trace: Trace) -> Trace:
        return trace.model_copy(update={"origin": Origin(tool="tidied", on="2026-11-21")})

    client = Client("fake", "sdk", (TURN,), _no_installation, tidy)
    return ClientRunner(client, fake, folder / "cache", folder / "out", told=told.append)


async def test_a_client_is_recorded(tmp_path: Path) -> None:
    told: list[Outcome] = []
    work = runner(FakeRelease(), tmp_path, told)
    [outcome] = await work.record(plan([TURN], 1), jobs=2)
    assert (told, outcome.status, outcome.exchanges) == ([outcome], "recorded", 1), outcome
    assert outcome.file is not None
    assert outcome.file.parent == tmp_path / "out" / "fake" / "9.9.9"
    found = trace_file.read(outcome.file)
    assert found.name == "fake@9.9.9/turn-sdk-http-api_key-m-http1#1"
    assert found.origin.tool == "tidied"
    assert found.exchanges[0].answer is not None
    assert found.exchanges[0].answer.body is None, "slim"


@pytest.mark.slow
async def test_a_second_try_may_do(tmp_path: Path) -> None:
    fake = FakeRelease(failing=1)
    [outcome] = await runner(fake, tmp_path, []).record(plan([TURN], 1), jobs=1)
    assert (outcome.status, fake.starts) == ("recorded", 2)


@pytest.mark.slow
async def test_a_failure_is_told_with_its_output(tmp_path: Path) -> None:
    fake = FakeRelease(failing=TRIES)
    [outcome] = await runner(fake, tmp_path, []).record(plan([TURN], 1), jobs=1)
    assert (outcome.status, fake.starts) == ("failed", TRIES)
    assert (outcome.reason, outcome.output) == ("it failed", "its last words")
    assert not (tmp_path / "out").exists()


async def test_what_a_release_lacks_is_tried_once(tmp_path: Path) -> None:
    fake = FakeRelease(lacking="9.9.9 has no such thing")
    [outcome] = await runner(fake, tmp_path, []).record(plan([TURN], 1), jobs=1)
    assert (outcome.status, outcome.reason) == ("lacking", "9.9.9 has no such thing")
    assert fake.starts == 1


@pytest.mark.slow
async def test_a_recording_that_shows_something_else_is_none(tmp_path: Path) -> None:
    fake = FakeRelease(path="/v1/messages/count_tokens")
    [outcome] = await runner(fake, tmp_path, []).record(plan([TURN], 1), jobs=1)
    assert (outcome.status, outcome.output) == ("failed", "what it said")
    assert outcome.reason.startswith("1 answered requests to /v1/chat/completions")
    assert not (tmp_path / "out").exists()
