"""Claude Code, OpenCode and Codex on Cursor accounts: tools, checkpoints, another account.

The sandbox's agent remembers only what it is still told or what is in its own state, see
``tests/test_cursor_process.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.claude_code_cli import ClaudeCodeCli
from tests.clients.codex_cli import CodexCli
from tests.clients.command import Finished
from tests.clients.conftest import StartFloway, find_client
from tests.clients.opencode_cli import OpenCodeCli
from tests.floway_process import Floway

pytestmark = pytest.mark.clients

type Json = dict[str, Any]

MODEL = "cursor/composer-2"


COMMAND = "echo sandbox-$((6*7))"


class ClaudeCode:
    """A conversation of it, in a folder of its own."""

    def __init__(self, folder: Path, floway: Floway) -> None:
        program = find_client("claude-code", "claude")
        self._cli = ClaudeCodeCli.make(program, folder, floway, ANTHROPIC_MODEL=MODEL)
        self._more: list[str] = []
        self.work = self._cli.work

    def ask(self, prompt: str) -> Finished:
        """The next turn."""
        more, self._more = self._more, ["--continue"]
        return self._cli.run(*more, prompt, tools="Bash,Read")

    def running(self, command: str) -> str:
        """What makes the model run a command."""
        return call("Bash", command=command, description="prints")

    def reading(self, file: Path) -> str:
        """What makes the model read a file."""
        return call("Read", file_path=str(file))


class OpenCode:
    """Likewise."""

    def __init__(self, folder: Path, floway: Floway) -> None:
        program = find_client("opencode", "opencode")
        self._cli = OpenCodeCli.make(program, folder, floway, "openai-compatible", MODEL)
        self._more: list[str] = []
        self.work = self._cli.work

    def ask(self, prompt: str) -> Finished:
        more, self._more = self._more, ["--continue"]
        return self._cli.run(*more, prompt)

    def running(self, command: str) -> str:
        return call("bash", command=command, description="prints")

    def reading(self, file: Path) -> str:
        return call("read", filePath=str(file))


class Codex:
    """Likewise, with floway as a provider of its user's own."""

    def __init__(self, folder: Path, floway: Floway) -> None:
        program = find_client("codex-0.169.0", "codex")
        self._cli = CodexCli.make(program, folder, floway, "own_provider")
        self._more: list[str] = []
        self.work = self._cli.work

    def ask(self, prompt: str) -> Finished:
        more, self._more = self._more, ["resume", "--last"]
        return self._cli.exec("-m", MODEL, "-s", "danger-full-access", *more, prompt)

    def running(self, command: str) -> str:
        return call("exec_command", cmd=command)

    def reading(self, file: Path) -> str:
        return self.running(f"cat {file}")


type Kind = type[ClaudeCode] | type[OpenCode] | type[Codex]
CLIENTS = [ClaudeCode, OpenCode, Codex]


def call(name: str, **arguments: str) -> str:
    return f"[[call {name} {json.dumps(arguments)}]]"


@pytest.fixture(scope="module")
def floway(start_floway_module: StartFloway) -> Floway:
    return start_floway_module()


def control(floway: Floway, method: str, path: str, **more: Any) -> Any:
    return floway.sandbox.ask(method, f"cursor/{path}", **more)


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
    kind: Kind, floway: Floway, tmp_path: Path
) -> None:
    floway.sandbox.forget()
    client = kind(tmp_path, floway)
    (client.work / "notes.txt").write_text("the answer is 42\n")
    first = client.ask("[[remember colour teal]] We begin.")
    assert first.code == 0, first

    calls = f"{client.running(COMMAND)} {client.reading(client.work / 'notes.txt')}"
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
    kind: Kind, start_floway: StartFloway, tmp_path: Path
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
    before = runs(floway)
    middle = client.ask(f"Run it. {client.running(COMMAND)} [[then]] [[recall animal]]")
    assert middle.code == 0, middle
    assert "is newt" in middle.out, middle
    after = runs(floway)
    assert [label for label in after if after[label] > before[label] and label != second], after
    last = client.ask("[[recall colour]] [[recall animal]]")
    assert "is teal" in last.out, last
    assert "is newt" in last.out, last
