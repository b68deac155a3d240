"""The official Codex CLI against the sandbox: the sandbox is good when real clients can't tell.

Needs ``FLOWAY_CLIENTS=<dir>`` with ``<dir>/codex-VERSION/node_modules/.bin/codex``. The gate is on
(``claimed``), so that these runs also prove the profiles of both releases.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from replay.sandbox import Sandbox
from replay.sandbox.faults import parse_rule

pytestmark = pytest.mark.clients

RELEASES = ["0.142.0", "0.169.0"]
RESPONSES = "/backend-api/codex/responses"
CALL = 'Run it. [[call exec_command {"cmd":"echo sandbox-$((6*7))"}]]'
SECONDS = 60


@dataclass
class Cli:
    """One installed release with a home of its own."""

    release: str
    binary: Path
    home: Path
    sandbox: Sandbox

    def sign_in(self) -> None:
        self.sandbox.accounts.write_auth_json(self.sandbox.accounts[0], self.home / "auth.json")

    def settings(self, *, tls: bool) -> list[str]:
        """Base URLs. Over plain HTTP their origins must differ, or 0.169.0 goes to the TLS
        listener that routing discovery names (see ``accounts_check`` of the sandbox)."""
        chatgpt = openai = self.sandbox.https_url
        if not tls:
            chatgpt = self.sandbox.http_url
            openai = f"http://localhost:{urlsplit(chatgpt).port}"
        return [
            "-c",
            f'chatgpt_base_url="{chatgpt}/backend-api/"',
            "-c",
            f'openai_base_url="{openai}/backend-api/codex"',
        ]

    async def exec(self, *arguments: str, check: bool = True) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "CODEX_HOME": str(self.home),
            "TERM": "xterm-256color",
            "NO_PROXY": "*",
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{self.sandbox.http_url}/oauth/token",
        }
        if self.sandbox.ca_file is not None:
            environment["CODEX_CA_CERTIFICATE"] = str(self.sandbox.ca_file)
        work = self.home / "work"
        work.mkdir(exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            str(self.binary),
            "exec",
            "--skip-git-repo-check",
            *arguments,
            cwd=work,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            raise
        text = output.decode("utf-8", "replace")
        if check:
            assert process.returncode == 0, text
        return text

    def requests(self, path: str = RESPONSES) -> list[dict[str, Any]]:
        entries = [entry.json() for entry in self.sandbox.services.recorder.entries()]
        return [entry for entry in entries if entry["path"] == path]

    def refuse_upgrades(self) -> None:
        rule = {
            "match": {"transport": "upgrade"},
            "times": None,
            "fault": {"kind": "refuse_upgrade", "status": 426},
        }
        self.sandbox.services.faults.add(parse_rule(rule))


@pytest.fixture(params=RELEASES)
async def cli(request: pytest.FixtureRequest, start: Callable[..., Any], tmp_path: Path) -> Cli:
    folder = os.environ.get("FLOWAY_CLIENTS")
    if not folder:
        pytest.skip("FLOWAY_CLIENTS is not set: the folder with codex-VERSION/node_modules")
    binary = Path(folder) / f"codex-{request.param}" / "node_modules" / ".bin" / "codex"
    if not binary.exists():
        pytest.skip(f"codex {request.param} is not installed in FLOWAY_CLIENTS")
    sandbox = await start(gate="claimed")
    made = Cli(request.param, binary, tmp_path, sandbox)
    made.sign_in()
    return made


def refused(cli: Cli) -> list[str]:
    """What the gate objected to, over all requests."""
    entries = cli.sandbox.services.recorder.entries()
    return [reason for entry in entries for reason in entry.gate]


def frames(entry: dict[str, Any], sender: str) -> list[dict[str, Any]]:
    return [frame["json"] for frame in entry["frames"] if frame["from"] == sender]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_a_tool_call_over_websocket(cli: Cli, tls: bool) -> None:
    output = await cli.exec(*cli.settings(tls=tls), "-s", "workspace-write", CALL)
    assert "sandbox-42" in output.split("The tools have answered.")[-1]
    assert refused(cli) == []
    [entry] = cli.requests()
    assert (entry["status"], entry["secure"], entry["http_version"]) == (101, tls, "1.1")
    prewarm, first, second = frames(entry, "client")
    assert prewarm["generate"] is False
    done = [
        frame["response"]["id"]
        for frame in frames(entry, "server")
        if frame["type"] == "response.completed"
    ]
    assert [first["previous_response_id"], second["previous_response_id"]] == done[:2]
    assert second["input"][-1]["type"] in ("function_call_output", "custom_tool_call_output")
    state = {"x-codex-turn-state"} & set(second["client_metadata"])
    assert state == {"x-codex-turn-state"}
    assert entry["usage"]["input_tokens_details"]["cached_tokens"] > 1024
    assert entry["notes"] == []


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_a_tool_call_over_http(cli: Cli, tls: bool) -> None:
    cli.refuse_upgrades()
    output = await cli.exec(*cli.settings(tls=tls), "-s", "workspace-write", CALL)
    assert "sandbox-42" in output.split("The tools have answered.")[-1]
    assert refused(cli) == []
    upgrade, first, second = cli.requests()
    assert (upgrade["status"], first["status"], second["status"]) == (426, 200, 200)
    assert first["http_version"] == ("2" if tls else "1.1")
    headers = dict(second["headers"])
    assert headers["content-encoding"] == "zstd"
    assert headers["x-codex-turn-state"]
    lite = "x-openai-internal-codex-responses-lite" in headers
    assert lite is (cli.release == "0.169.0")
    kind = "custom_tool_call_output" if lite else "function_call_output"
    assert second["body_json"]["input"][-1]["type"] == kind
    before, after = first["body_json"]["input"], second["body_json"]["input"]
    assert after[: len(before)] == before
    assert second["usage"]["input_tokens_details"]["cached_tokens"] > 1024


async def test_the_full_shape_of_a_release_whose_default_is_lite(cli: Cli) -> None:
    cli.refuse_upgrades()
    await cli.exec(*cli.settings(tls=True), "-m", "gpt-5.5", "-s", "workspace-write", CALL)
    assert refused(cli) == []
    second = cli.requests()[-1]
    assert {tool.get("name") for tool in second["body_json"]["tools"]} >= {"exec_command"}
    assert second["body_json"]["input"][-1]["type"] == "function_call_output"


async def test_compaction_and_resume(cli: Cli) -> None:
    settings = [*cli.settings(tls=True), "-c", "model_auto_compact_token_limit=1000"]
    await cli.exec(*settings, "first [[tokens 90000]]")
    output = await cli.exec(*settings, "resume", "--last", "second")
    assert "after a compaction of" in output
    assert refused(cli) == []
    trigger, after = frames(cli.requests()[-1], "client")[-2:]
    assert trigger["input"][-1]["type"] == "compaction_trigger"
    assert "compaction" in [item["type"] for item in after["input"]]


async def test_an_api_key(cli: Cli) -> None:
    key = cli.sandbox.accounts[0].api_key
    file = {"auth_mode": "apikey", "OPENAI_API_KEY": key}
    (cli.home / "auth.json").write_text(json.dumps(file))
    base = f'openai_base_url="{cli.sandbox.http_url}/v1"'
    output = await cli.exec("-c", base, "-s", "workspace-write", CALL)
    assert "sandbox-42" in output.split("The tools have answered.")[-1]
    [entry] = cli.requests("/v1/responses")
    assert (entry["status"], entry["account"]) == (101, "ada")


async def test_structured_output(cli: Cli, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    properties = {"sure": {"type": "boolean"}, "answer": {"type": "string"}}
    value = {
        "type": "object",
        "properties": properties,
        "required": ["sure", "answer"],
        "additionalProperties": False,
    }
    schema.write_text(json.dumps(value))
    last = tmp_path / "last.txt"
    await cli.exec(
        *cli.settings(tls=True), "--output-schema", str(schema), "-o", str(last), "why not"
    )
    assert json.loads(last.read_text()) == {"sure": True, "answer": "why not"}
    assert refused(cli) == []


async def test_an_exhausted_account_is_told_at_once(cli: Cli) -> None:
    cli.refuse_upgrades()
    rule = {
        "match": {"path": RESPONSES, "transport": "http"},
        "times": None,
        "fault": {"preset": "usage_limit_reached", "resets_in_seconds": 7200},
    }
    cli.sandbox.services.faults.add(parse_rule(rule))
    output = await cli.exec(*cli.settings(tls=True), "hello", check=False)
    assert "hit your usage limit" in output
    assert [entry["status"] for entry in cli.requests()] == [426, 429]


async def test_a_stream_that_ends_early_is_tried_again(cli: Cli) -> None:
    cli.refuse_upgrades()
    rule = {
        "match": {"transport": "http", "path": RESPONSES},
        "fault": {"kind": "close", "at": "before_output"},
    }
    cli.sandbox.services.faults.add(parse_rule(rule))
    output = await cli.exec(*cli.settings(tls=True), "hello again")
    assert "You said: hello again" in output
    assert [entry["status"] for entry in cli.requests()] == [426, 200, 200]


async def test_expired_tokens_are_refreshed(cli: Cli) -> None:
    account = cli.sandbox.accounts[0]
    account.expire_tokens()
    output = await cli.exec(*cli.settings(tls=True), "hello")
    assert "You said: hello" in output
    refreshes = cli.requests("/oauth/token")
    assert [entry["status"] for entry in refreshes] == [200]
    assert refreshes[0]["body_json"]["grant_type"] == "refresh_token"
    saved = json.loads((cli.home / "auth.json").read_text())
    assert saved["tokens"]["refresh_token"] == account.refresh_token
