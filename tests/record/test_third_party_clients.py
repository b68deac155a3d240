"""Real third-party clients, recorded.

They are looked for in the folder that ``FLOWAY_CLIENTS`` names, laid out as npm installs them in
``opencode…`` and ``claude-code…``, and as :mod:`replay.record.python_client` does in
``cursor-sdk-…``; the openai SDK is this environment's. A client that is not there skips its test.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from fingerprints import leaks, trace_file
from fingerprints.trace import Exchange, Trace
from replay.record import claude_code, cursor_sdk, openai_sdk, opencode
from replay.record.install import Installed, Package
from replay.record.python_client import Installed as InstalledPython
from replay.record.third_party import Client, ClientRunner, ClientScenario, Release, plan

pytestmark = pytest.mark.clients


def find(package: Package, *place: str) -> tuple[str, Path]:
    """Release and program of the newest installed client; skips the test where there is none."""
    root = os.environ.get("FLOWAY_CLIENTS")
    if not root:
        pytest.skip("FLOWAY_CLIENTS does not name the folder with the installed clients")
    found = []
    for folder in Path(root).glob(f"{package.client}*"):
        program = folder.joinpath(*place)
        marker = folder / "installed"
        if program.exists() and marker.exists():
            release = marker.read_text().strip().rpartition("=" if place[0] == "bin" else "@")[2]
            found.append(([int(part) for part in re.findall(r"\d+", release)], release, program))
    if not found:
        pytest.skip(f"{package.client} is not installed in FLOWAY_CLIENTS")
    _, newest, program = max(found)
    return newest, program


def of_npm(package: Package) -> Installed:
    release, program = find(package, "node_modules", ".bin", package.program)
    return Installed(package, release, program)


async def record(client: Client, release: Release, scenario: ClientScenario, to: Path) -> Trace:
    """The trace of one run."""
    runner = ClientRunner(client, release, to / "cache", to / "out")
    [outcome] = await runner.record(plan([scenario], 1), jobs=1)
    assert outcome.status == "recorded", f"{outcome.reason}\n{outcome.output}"
    assert outcome.file is not None
    trace = trace_file.read(outcome.file)
    assert trace.release == release.release
    assert [str(leak) for leak in leaks.in_trace(trace)] == []
    return trace


def scenario(client: Client, name: str) -> ClientScenario:
    [found] = [each for each in client.scenarios if each.name == name]
    return found


def values(exchanges: list[Exchange], header: str) -> set[str | None]:
    return {exchange.header(header) for exchange in exchanges}


@pytest.mark.parametrize("kind", ["chat", "responses"])
async def test_opencode(kind: str, tmp_path: Path) -> None:
    release = opencode.OpenCode(of_npm(opencode.PACKAGE))
    tool = scenario(opencode.CLIENT, f"tool-{kind}")
    one_start = replace(tool, steps=tool.steps[:1], requests=3)
    trace = await record(opencode.CLIENT, release, one_start, tmp_path)
    exchanges = list(trace.exchanges)
    assert {exchange.path for exchange in exchanges} == {tool.path}
    assert len(values(exchanges, "x-session-id")) == 1, "one conversation, its title included"
    bodies = [exchange.body.data for exchange in exchanges if exchange.body is not None]
    assert [bool(body.get("tools")) for body in bodies].count(False) == 1, "the title"
    assert "recorded-42" in str(bodies[-1]), "it was really run"


async def test_claude_code(tmp_path: Path) -> None:
    release = claude_code.ClaudeCode(of_npm(claude_code.PACKAGE))
    trace = await record(
        claude_code.CLIENT, release, scenario(claude_code.CLIENT, "tool"), tmp_path
    )
    exchanges = [each for each in trace.exchanges if each.path.startswith("/v1/messages?")]
    assert len(values(exchanges, "x-claude-code-session-id")) == 1
    assert exchanges[-1].body is not None
    result = exchanges[-1].body.data["messages"][-1]["content"][0]
    assert (result["type"], result["content"]) == ("tool_result", "recorded")


async def test_the_openai_sdk(tmp_path: Path) -> None:
    installed = InstalledPython(openai_sdk.PACKAGE, version("openai"), Path(sys.executable))
    tools = scenario(openai_sdk.CLIENT, "responses-tools")
    trace = await record(openai_sdk.CLIENT, openai_sdk.client(installed), tools, tmp_path)
    assert [exchange.path for exchange in trace.exchanges] == ["/v1/responses"] * 2
    assert values(list(trace.exchanges), "x-stainless-package-version") == {version("openai")}


async def test_the_cursor_sdk(tmp_path: Path) -> None:
    release, python = find(cursor_sdk.PACKAGE, "bin", "python")
    installed = InstalledPython(cursor_sdk.PACKAGE, release, python)
    turn = scenario(cursor_sdk.CLIENT, "turn")
    trace = await record(cursor_sdk.CLIENT, cursor_sdk.client(installed), turn, tmp_path)
    paths = [exchange.path for exchange in trace.exchanges]
    run = trace.exchanges[paths.index(turn.path)]
    [append] = [each for each in trace.exchanges if each.path.endswith("/BidiAppend")]
    assert run.header("x-request-id") == append.header("x-request-id")
    assert append.body is not None
    assert str(append.body.data).startswith("⟨binary:")
