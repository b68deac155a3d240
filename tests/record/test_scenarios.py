"""The table of scenarios, and what a recording must show."""

from __future__ import annotations

from typing import Any

import pytest

from fingerprints.trace import Answer, Exchange, Message, Origin, Payload, Trace
from replay.record.scenarios import (
    CODEX,
    OTHER,
    Case,
    Scenario,
    Step,
    conditions,
    label,
    model_requests,
    problems,
    select,
    speaks_websocket,
)

RESPONSES = "/backend-api/codex/responses"


def payload(data: Any) -> Payload:
    return Payload(form="json", length=1, data=data)


def post(data: Any = None, *, status: int | None = 200, path: str = RESPONSES) -> Exchange:
    return Exchange(
        number=1,
        method="POST",
        authority="chatgpt.com",
        path=path,
        headers=(),
        body=payload(data or {"input": []}),
        answer=None if status is None else Answer(status=status),
    )


def socket(*frames: Any, status: int = 101) -> Exchange:
    messages = [Message(sender="client", at=0, payload=payload(frame)) for frame in frames]
    server = Message(sender="server", at=0, payload=payload({"type": "response.create"}))
    return Exchange(
        number=1,
        method="GET",
        authority="chatgpt.com",
        path=RESPONSES,
        headers=(("Upgrade", "websocket"),),
        messages=(*messages, server),
        answer=Answer(status=status),
    )


def trace(*exchanges: Exchange) -> Trace:
    return Trace(client="codex", origin=Origin(tool="test", on="2026-11-21"), exchanges=exchanges)


def scenario(**more: Any) -> Scenario:
    return Scenario("any", "", (Step("exec", ("x",)),), (Case(),), **more)


def test_every_case_has_a_file_of_its_own() -> None:
    traces = [
        trace().model_copy(
            update={"scenario": each.name, "conditions": conditions(each, case, "gpt-5.5")}
        )
        for each in CODEX
        for case in each.cases
    ]
    assert len({item.name for item in traces}) == len(traces) > 30


def test_every_scenario_runs_over_both_transports_unless_it_is_about_start_up() -> None:
    transports = {each.name: {case.transport for case in each.cases} for each in CODEX}
    assert {name for name, found in transports.items() if len(found) < 2} == {"expired"}


def test_steps_have_as_many_prompts_as_they_need() -> None:
    for each in CODEX:
        for step in each.steps:
            expected = {"review": 0, "terminal": 2}.get(step.way, 1)
            assert len(step.prompts) == expected, each.name
            if step.way in ("resume", "fork", "review", "terminal"):
                assert step.way in each.needs, each.name


def test_conditions_name_the_model_that_was_asked_for() -> None:
    case = Case("websocket", OTHER, git=True)
    found = conditions(scenario(), case, "gpt-5.5")
    assert (found.transport, found.model, found.git) == ("websocket", "gpt-5.5", True)
    assert conditions(scenario(), Case(), "gpt-5.5").model == ""
    assert label(case) == "websocket, other model, git"
    assert label(Case(http="HTTP/1.1")) == "http, HTTP/1.1"


def test_select() -> None:
    assert select(CODEX, ()) == CODEX
    assert [each.name for each in select(CODEX, ["tool", "turn", "tool"])] == ["turn", "tool"]
    with pytest.raises(ValueError, match=r"no scenario is called nonsense; there are: turn, "):
        select(CODEX, ["nonsense", "turn"])


def test_only_answered_requests_over_the_wanted_transport_count() -> None:
    warm = {"type": "response.create", "generate": False}
    asked = {"type": "response.create", "input": [1]}
    recorded = trace(
        post({"input": [2]}),
        post(status=500),
        post(status=None),
        post(path="/backend-api/codex/models"),
        post({"input": [3]}, path=f"{RESPONSES}/compact?x=1"),
        socket(warm, asked, {"type": "other"}),
        socket(asked, status=426),
    )
    assert [item.data for item in model_requests(recorded, "http")] == [
        {"input": [2]},
        {"input": [3]},
    ]
    # A compaction may go over HTTP even then.
    found = [item.data for item in model_requests(recorded, "websocket")]
    assert found == [{"input": [3]}, asked]


def test_who_speaks_websocket() -> None:
    assert speaks_websocket(trace(socket(status=426)))
    other = socket().model_copy(update={"path": "/other"})
    assert not speaks_websocket(trace(post(), other))


def test_a_recording_that_shows_less_is_told() -> None:
    output = {"input": [{"type": "message"}, {"type": "custom_tool_call_output"}]}
    wanted = scenario(requests=2, calls=("/oauth/token",), output=True)
    good = trace(post(), post(output), post(path="/oauth/token?x"))
    assert problems(good, wanted, Case()) == []
    found = problems(trace(post()), wanted, Case())
    assert found == [
        "2 answered model requests over http were expected, 1 are there",
        "/oauth/token was not called",
        "no tool's output was sent back",
    ]
    assert problems(good, wanted, Case("websocket"))[0].endswith("0 are there")
