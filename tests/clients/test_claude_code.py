"""Claude Code over the messages protocol, as a user sets it up."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.clients.claude_code_cli import KEY, ClaudeCodeCli
from tests.clients.conftest import StartFloway, find_client
from tests.clients.evidence import (
    RESPONSES,
    ModelRequest,
    cached_tokens,
    gate_refusals,
    header,
    leaks,
    model_requests,
)
from tests.floway_process import Floway

pytestmark = pytest.mark.clients

LITE = "gpt-6.1-sol"
"""A model that takes tools and instructions inside its input; also the first of the list."""


@pytest.fixture(scope="module")
def floway(start_floway_module: StartFloway) -> Floway:
    return start_floway_module()


def claude_code(folder: Path, floway: Floway, **more: str) -> ClaudeCodeCli:
    program = find_client("claude-code", "claude")
    floway.sandbox.forget()
    made = ClaudeCodeCli.make(program, folder, floway, **more)
    (made.work / "notes.txt").write_text("the answer is 42\n")
    return made


def directive(name: str, **arguments: str | int) -> str:
    return f"[[call {name} {json.dumps(arguments)}]]"


def asked(floway: Floway) -> list[ModelRequest]:
    """The model requests, all of which were accepted in the official form."""
    entries = floway.sandbox.requests()
    assert gate_refusals(entries) == []
    assert leaks(entries, [KEY]) == []
    found = model_requests(entries)
    assert {request.status for request in found} == {200}
    return found


def is_begun_by(later: ModelRequest, earlier: ModelRequest) -> bool:
    """Whether all that was said before is said again, word for word, and more after it."""
    before = earlier.body["input"]
    now: list[Any] = later.body["input"]
    return len(now) > len(before) and now[: len(before)] == before


@pytest.mark.parametrize("model", ["", "gpt-5.5", LITE])
def test_a_conversation_with_tools(floway: Floway, model: str, tmp_path: Path) -> None:
    """Under its own name for the model, and with each body shape."""
    more = {"ANTHROPIC_MODEL": model} if model else {}
    claude = claude_code(tmp_path, floway, **more)
    first = claude.run("say hello")
    assert first.code == 0, first
    assert "say hello" in first.out, first

    command = directive("Bash", command="echo sandbox-$((6*7))", description="prints")
    second = claude.run("--continue", f"Run it. {command}", tools="Bash")
    assert second.code == 0, second
    assert "sandbox-42" in second.out, second

    file = directive("Read", file_path=str(claude.work / "notes.txt"))
    both = f"{command} {file}"
    third = claude.run("--continue", f"Both at once. {both}", tools="Bash,Read")
    assert third.code == 0, third
    assert "the answer is 42" in third.out, third
    assert "sandbox-42" in third.out, third

    one_by_one = f"{file} [[then]] {command}"
    last = claude.run("--continue", f"One by one. {one_by_one}", tools="Bash,Read")
    assert last.code == 0, last

    turns = asked(floway)
    assert len(turns) == 1 + 2 + 2 + 3
    assert {turn.body["model"] for turn in turns} == {model or LITE}
    assert len({(turn.account, turn.session, turn.key) for turn in turns}) == 1
    assert "sandbox-42" in turns[2].outputs()[-1]
    assert len(turns[4].outputs()) == 3
    for earlier, later in pairwise(turns):
        assert is_begun_by(later, earlier)
        assert cached_tokens(later) >= 1024
    items = turns[-1].body["input"]
    thoughts = [item for item in items if item["type"] == "reasoning"]
    assert len(thoughts) == len(turns) - 1, "each answer's reasoning has come back"
    assert all(item["encrypted_content"] for item in thoughts)
    assert "x-anthropic-billing-header" not in json.dumps(turns[-1].body)


def test_a_tool_that_fails_and_a_file_that_is_written(floway: Floway, tmp_path: Path) -> None:
    claude = claude_code(tmp_path, floway)
    missing = directive("Read", file_path=str(claude.work / "none.txt"))
    made = directive("Write", file_path=str(claude.work / "made.txt"), content="wrïtten\n")
    finished = claude.run(f"Go. {missing} {made}", tools="Read,Write")
    assert finished.code == 0, finished
    assert (claude.work / "made.txt").read_text() == "wrïtten\n"
    outputs = asked(floway)[-1].outputs()
    assert len(outputs) == 2
    assert any("The tool failed:" in output for output in outputs)


def test_a_tool_that_is_looked_up_and_searches_the_web(floway: Floway, tmp_path: Path) -> None:
    """Its search is a request of its own, answered by the upstream's search."""
    claude = claude_code(tmp_path, floway)
    found = directive("ToolSearch", query="select:WebSearch", max_results=1)
    first = claude.run(f"Look it up. {found}", tools="ToolSearch")
    assert first.code == 0, first
    query = f"news {directive('web_search', query='floway')}"
    search = directive("WebSearch", query=query)
    second = claude.run("--continue", f"Search. {search}", tools="WebSearch")
    assert second.code == 0, second
    turns = asked(floway)
    before, after = (tools_of(turn) for turn in turns[:2])
    assert "WebSearch" not in before
    assert set(after) == {*before, "WebSearch"}
    [side] = [turn for turn in turns if tools_of(turn) == ["web_search"]]
    assert side.session == turns[0].session
    assert "Web search results" in turns[-1].outputs()[-1]


def tools_of(request: ModelRequest) -> list[str]:
    """Names of the tools that are offered; kinds of those without a name."""
    [entry] = [item for item in request.body["input"] if item["type"] == "additional_tools"]
    offered = [tool for group in entry["tools"] for tool in group.get("tools", [group])]
    return [tool.get("name") or tool["type"] for tool in offered]


def test_what_it_tells_of_usage(floway: Floway, tmp_path: Path) -> None:
    """Its numbers are the upstream's."""
    claude = claude_code(tmp_path, floway)
    finished = claude.run("--output-format", "json", "say hello")
    assert finished.code == 0, finished
    told = json.loads(finished.out)
    assert (told["subtype"], told["is_error"]) == ("success", False)
    [request] = asked(floway)
    usage = request.usage
    assert usage is not None
    counts = told["usage"]
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    assert sum(counts[name] for name in names) == usage["input_tokens"]
    assert counts["output_tokens"] == usage["output_tokens"]


def test_its_session_is_the_conversation(floway: Floway, tmp_path: Path) -> None:
    """The same prompt in another session is another conversation; a resumed one is the same."""
    claude = claude_code(tmp_path, floway)
    one, two = (claude.run("--output-format", "json", "say hello") for _ in range(2))
    sessions = [json.loads(finished.out)["session_id"] for finished in (one, two)]
    again = claude.run("--resume", sessions[0], "--output-format", "json", "once more")
    assert again.code == 0, again
    first, second, resumed = asked(floway)
    assert first.session != second.session
    assert (resumed.session, resumed.account) == (first.session, first.account)
    assert is_begun_by(resumed, first)
    entries = floway.sandbox.requests(path=RESPONSES)
    assert leaks(entries, sessions) == [], "its own words for the session stay here"
    assert all(header(entry, "user-agent").startswith("codex") for entry in entries)


def test_a_conversation_that_has_grown_too_long_is_compacted(
    floway: Floway, tmp_path: Path
) -> None:
    """It finds the words of its own upstream in the error, and helps itself."""
    claude = claude_code(tmp_path, floway)
    assert claude.run("say hello").code == 0
    assert claude.run("--continue", "once more").code == 0
    floway.sandbox.fault({"preset": "context_length_exceeded"}, path=RESPONSES)
    finished = claude.run("--continue", "and now?")
    assert finished.code == 0, finished
    assert "and now?" in finished.out, finished
    statuses = [entry["status"] for entry in floway.sandbox.requests(path=RESPONSES)]
    assert statuses[:3] == [200, 200, 400]
    assert len(statuses) > 4, "it has asked for a summary, and then again"
    assert set(statuses[3:]) == {200}


@pytest.mark.parametrize(
    "fault", [{"kind": "reset", "at": 12}, {"kind": "failure", "at": 12}], ids=["reset", "failure"]
)
def test_an_answer_that_breaks_off_is_asked_for_again(
    floway: Floway, fault: dict[str, Any], tmp_path: Path
) -> None:
    """It takes a stream's ``error`` event for what it is, and no half answer for a whole one."""
    claude = claude_code(tmp_path, floway)
    floway.sandbox.fault(fault, path=RESPONSES)
    finished = claude.run("[[say 30]]")
    assert finished.code == 0, finished
    assert finished.out.count("20. systems") == 1, finished
    assert len(floway.sandbox.requests(path=RESPONSES)) == 2


def test_effort_is_what_its_user_chose(floway: Floway, tmp_path: Path) -> None:
    claude = claude_code(tmp_path, floway, CLAUDE_CODE_EFFORT_LEVEL="low")
    finished = claude.run("say hello")
    assert finished.code == 0, finished
    [request] = asked(floway)
    assert request.body["reasoning"]["effort"] == "low"


def test_a_name_that_means_another_model(start_floway: StartFloway, tmp_path: Path) -> None:
    floway = start_floway(floway_model_aliases=["claude-*=gpt-5.4-mini"])
    claude = claude_code(tmp_path, floway)
    finished = claude.run("--model", "haiku", "say hello")
    assert finished.code == 0, finished
    assert {request.body["model"] for request in asked(floway)} == {"gpt-5.4-mini"}


def test_a_model_that_nobody_has(floway: Floway, tmp_path: Path) -> None:
    claude = claude_code(tmp_path, floway, ANTHROPIC_MODEL="gpt-nope")
    finished = claude.run("say hello")
    assert finished.code == 1, finished
    assert "gpt-nope" in finished.out + finished.err, finished


def test_an_account_that_is_used_up_is_not_noticed(
    start_floway: StartFloway, tmp_path: Path
) -> None:
    floway = start_floway()
    claude = claude_code(tmp_path, floway)
    assert claude.run("say hello").code == 0
    [first] = model_requests(floway.sandbox.requests())
    used_up = {"preset": "usage_limit_reached", "resets_in_seconds": 600}
    floway.sandbox.fault(used_up, times=None, path=RESPONSES, account=first.account)
    command = directive("Bash", command="echo sandbox-$((6*7))", description="prints")
    finished = claude.run("--continue", f"Run it. {command}", tools="Bash")
    assert finished.code == 0, finished
    assert "sandbox-42" in finished.out
    entries = model_requests(floway.sandbox.requests())
    accounts = [request.account for request in entries if request.status == 200]
    assert len(accounts) == 3
    assert accounts[0] == first.account
    assert len(set(accounts[1:])) == 1
    assert accounts[1] != first.account


def test_cursor(floway: Floway, tmp_path: Path) -> None:
    """The other provider: tools are run by the client, in the middle of an upstream's run."""
    claude = claude_code(tmp_path, floway, ANTHROPIC_MODEL="cursor/composer-2")
    first = claude.run("say hello")
    assert first.code == 0, first
    command = directive("Bash", command="echo sandbox-$((6*7))", description="prints")
    file = directive("Read", file_path=str(claude.work / "notes.txt"))
    second = claude.run("--continue", f"Both. {command} {file}", tools="Bash,Read")
    assert second.code == 0, second
    assert "sandbox-42" in second.out, second
    assert "the answer is 42" in second.out, second
    last = claude.run("--continue", "--output-format", "json", "once more")
    assert last.code == 0, last
    told = json.loads(last.out)
    assert "once more" in told["result"]
    assert told["usage"]["output_tokens"] > 0
    assert model_requests(floway.sandbox.requests()) == [], "no other provider was asked"
    runs = floway.sandbox.requests(path="/agent.v1.AgentService/Run")
    assert [run["status"] for run in runs] == [200, 200, 200], "results go into the run that waits"


def test_all_accounts_are_used_up(start_floway: StartFloway, tmp_path: Path) -> None:
    floway = start_floway()
    claude = claude_code(tmp_path, floway)
    used_up = {"preset": "usage_limit_reached", "resets_in_seconds": 600}
    floway.sandbox.fault(used_up, times=None, path=RESPONSES)
    finished = claude.run("say hello")
    assert finished.code == 1, finished
    told = finished.out + finished.err
    assert all(account["label"] in told for account in floway.sandbox.accounts()), finished
    assert "in 10 min" in told, finished
    refused = [entry for entry in floway.sandbox.requests() if entry["status"] == 429]
    assert len(refused) == len(floway.sandbox.accounts()), "it did not try again and again"
