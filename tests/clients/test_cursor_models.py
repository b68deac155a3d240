"""Claude Code and OpenCode on the user's Cursor accounts: tools, checkpoints, another account.

The sandbox's agent remembers only what it is still told or what is in its own state, see
``tests/test_cursor_process.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.clients.claude_code_cli import ClaudeCodeCli
from tests.clients.command import Finished
from tests.clients.conftest import StartFloway, find_client
from tests.clients.opencode_cli import OpenCodeCli
from tests.floway_process import Floway

pytestmark = pytest.mark.clients

type Json = dict[str, Any]

MODEL = "cursor/composer-2"


class Client(Protocol):
    """A client with a folder of its own."""

    @property
    def work(self) -> Path: ...

    def ask(self, prompt: str) -> Finished:
        """The next turn of the one conversation."""


class ClaudeCode:
    shell = "Bash"
    reader = "Read"
    path = "file_path"

    def __init__(self, folder: Path, floway: Floway) -> None:
        program = find_client("claude-code", "claude")
        self._cli = ClaudeCodeCli.make(program, folder, floway, ANTHROPIC_MODEL=MODEL)
        self._begun = False

    @property
    def work(self) -> Path:
        return self._cli.work

    def ask(self, prompt: str) -> Finished:
        words = ["--continue"] if self._begun else []
        self._begun = True
        return self._cli.run(*words, prompt, tools="Bash,Read")


class OpenCode:
    shell = "bash"
    reader = "read"
    path = "filePath"

    def __init__(self, folder: Path, floway: Floway) -> None:
        program = find_client("opencode", "opencode")
        self._cli = OpenCodeCli.make(program, folder, floway, "openai-compatible", MODEL)
        self._begun = False

    @property
    def work(self) -> Path:
        return self._cli.work

    def ask(self, prompt: str) -> Finished:
        words = ["--continue"] if self._begun else []
        self._begun = True
        return self._cli.run(*words, prompt)


CLIENTS = [ClaudeCode, OpenCode]


@pytest.fixture(scope="module")
def floway(start_floway_module: StartFloway) -> Floway:
    return start_floway_module()


def control(floway: Floway, method: str, path: str, **more: Any) -> Any:
    return floway.sandbox._json(method, f"cursor/{path}", **more)


def runs(floway: Floway) -> dict[str, int]:
    """Runs by account."""
    found = control(floway, "GET", "accounts")["accounts"]
    return {each["label"]: each["runs"] for each in found}


def busiest(before: dict[str, int], after: dict[str, int]) -> str:
    """The account with the most runs in between."""
    return max(after, key=lambda label: after[label] - before.get(label, 0))


def exhaust(floway: Floway, label: str, percent: int = 100) -> None:
    control(floway, "POST", f"accounts/{label}", json={"used_percent": percent})


def states(floway: Floway) -> list[str]:
    """What the agent notes of each run's state, oldest first, side requests left out."""
    entries = floway.sandbox.requests("/agent.v1.AgentService/Run")
    notes = [" ".join(entry["notes"]) for entry in entries]
    return [note for note in notes if "checkpoint" in note or "cold" in note]


@pytest.mark.parametrize("kind", CLIENTS)
def test_two_tools_and_a_conversation_that_goes_on(
    kind: type[ClaudeCode] | type[OpenCode], floway: Floway, tmp_path: Path
) -> None:
    floway.sandbox.forget()
    client = kind(tmp_path, floway)
    (client.work / "notes.txt").write_text("the answer is 42\n")
    first = client.ask("[[remember colour teal]] We begin.")
    assert first.code == 0, first

    command = json.dumps({"command": "echo sandbox-$((6*7))", "description": "prints"})
    file = json.dumps({kind.path: str(client.work / "notes.txt")})
    calls = f"[[call {kind.shell} {command}]] [[call {kind.reader} {file}]]"
    both = client.ask(f"Both at once. {calls}")
    assert both.code == 0, both
    assert "sandbox-42" in both.out, both
    assert "the answer is 42" in both.out, both

    last = client.ask("[[recall colour]]")
    assert "is teal" in last.out, last
    noted = states(floway)
    continued = [note for note in noted if "continued from a checkpoint" in note]
    assert len(continued) >= 2, noted
    assert not [note for note in noted if "serialised again" in note or "other messages" in note]


@pytest.mark.parametrize("kind", CLIENTS)
def test_an_exhausted_account_is_not_noticed(
    kind: type[ClaudeCode] | type[OpenCode], start_floway: StartFloway, tmp_path: Path
) -> None:
    """Once between two turns, and once while the client works on a tool call."""
    floway = start_floway()
    client = kind(tmp_path, floway)
    before = runs(floway)
    assert client.ask("[[remember colour teal]] We begin.").code == 0
    first = busiest(before, runs(floway))
    exhaust(floway, first)

    before = runs(floway)
    between = client.ask("[[recall colour]] [[remember animal newt]]")
    assert between.code == 0, between
    assert "is teal" in between.out, between
    second = busiest(before, runs(floway))
    assert second != first

    floway.sandbox.fault({"kind": "agent", "preset": "usage_limit", "at": "after_tools"})
    command = json.dumps({"command": "echo sandbox-$((6*7))", "description": "prints"})
    before = runs(floway)
    middle = client.ask(f"Run it. [[call {kind.shell} {command}]] [[then]] [[recall animal]]")
    assert middle.code == 0, middle
    assert "is newt" in middle.out, middle
    after = runs(floway)
    assert [label for label in after if after[label] > before[label] and label != second], after
    last = client.ask("[[recall colour]] [[recall animal]]")
    assert "is teal" in last.out, last
    assert "is newt" in last.out, last
