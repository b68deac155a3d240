"""OpenCode over chat completions and over Responses, as a user sets it up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.conftest import StartFloway, find_client
from tests.clients.evidence import cached_tokens, gate_refusals, leaks, model_requests
from tests.clients.opencode_cli import KEY, MODEL, OpenCodeCli, Provider
from tests.floway_process import Floway

pytestmark = pytest.mark.clients

LITE = "gpt-6.1-sol"
"""A model that takes tools and instructions inside its input."""


@pytest.fixture(scope="module")
def floway(start_floway_module: StartFloway) -> Floway:
    return start_floway_module()


@pytest.mark.parametrize("model", [MODEL, LITE])
@pytest.mark.parametrize("provider", ["openai-compatible", "openai"])
def test_a_conversation(floway: Floway, provider: Provider, model: str, tmp_path: Path) -> None:
    program = find_client("opencode", "opencode")
    floway.sandbox.forget()
    opencode = OpenCodeCli.make(program, tmp_path, floway, provider, model)
    (opencode.work / "notes.txt").write_text("the answer is 42\n")

    first = opencode.run("say hello")
    assert first.code == 0, first
    assert "You said: say hello" in first.out, first

    command = {"command": "echo sandbox-$((6*7))", "description": "prints"}
    second = opencode.run("--continue", f"Run it. [[call bash {json.dumps(command)}]]")
    assert second.code == 0, second
    assert "sandbox-42" in second.out, second

    file = {"filePath": str(opencode.work / "notes.txt")}
    third = opencode.run("--continue", f"Read it. [[call read {json.dumps(file)}]]")
    assert third.code == 0, third
    assert "the answer is 42" in third.out, third

    last = opencode.run("--continue", "once more")
    assert last.code == 0, last
    assert "You said: once more" in last.out, last

    entries = floway.sandbox.requests()
    assert gate_refusals(entries) == []
    assert leaks(entries, [KEY]) == []
    asked = model_requests(entries)
    assert {request.status for request in asked} == {200}
    assert len({request.account for request in asked}) == 1
    assert len({request.session for request in asked}) == 1, "one conversation, title included"
    turns = [request for request in asked if _offers_tools(request.body)]
    assert len(asked) - len(turns) == 1, "the title"
    assert len(turns) == 6
    assert "sandbox-42" in turns[2].outputs()[-1]
    assert "the answer is 42" in turns[4].outputs()[-1]
    assert all(cached_tokens(request) >= 1024 for request in turns[1:]), [
        request.usage for request in turns
    ]


def _offers_tools(body: dict[str, object]) -> bool:
    items = body.get("input")
    assert isinstance(items, list)
    return bool(body.get("tools")) or items[0].get("type") == "additional_tools"
