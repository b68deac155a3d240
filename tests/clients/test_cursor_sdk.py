"""Cursor's official Python SDK against the sandbox's Cursor side: that is what proves it faithful.

The SDK is installed from PyPI into an environment of its own, in the cache folder, once. Its
answers are the product's; nothing of it is read.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from replay.record import cursor_sdk, install
from replay.record.errors import RecordError
from replay.sandbox import Sandbox, SandboxConfig

pytestmark = pytest.mark.clients

RELEASE = "1.1.0"
"""The one that was recorded (fingerprints/traces/cursor-sdk)."""
SCRIPT = Path(__file__).with_name("cursor_sdk_script.py")
SECONDS = 90.0
CALLS = 'Go. [[call weather {"city":"Rome"}]][[call weather {"city":"Oslo"}]]'

type Json = dict[str, Any]


@pytest.fixture(scope="module")
def python() -> Path:
    """Interpreter of an environment with the SDK."""
    try:
        client = asyncio.run(cursor_sdk.install(RELEASE, install.cache_folder()))
    except RecordError as error:
        pytest.skip(f"cursor-sdk {RELEASE} cannot be installed: {error}")
    return client.installed.python


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxConfig(home=tmp_path / "sandbox", gate="off")) as started:
        yield started


@dataclass
class Sdk:
    """The SDK with its made-up home folder.

    Attributes:
        control: where the sandbox's ``/_sandbox/`` is.
    """

    python: Path
    url: str
    key: str
    control: str
    home: Path
    ca_file: Path

    @classmethod
    def at(cls, python: Path, sandbox: Sandbox, folder: Path, *, tls: bool = True) -> Self:
        """Straight at a sandbox."""
        url = sandbox.https_url if tls else sandbox.http_url
        key = sandbox.cursor_accounts[0].api_key
        assert sandbox.ca_file is not None
        return cls(python, url, key, sandbox.http_url, folder / "home", sandbox.ca_file)

    async def talk(self, *prompts: str, model: str = "composer-2") -> list[Json]:
        """What comes of the prompts, sent in one conversation."""
        work = self.home / "work"
        work.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "NODE_EXTRA_CA_CERTS": str(self.ca_file),
        }
        process = await asyncio.create_subprocess_exec(
            *(self.python, "-I", SCRIPT, self.url, self.key, model, *prompts),
            env=environment,
            cwd=work,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), SECONDS)
        except TimeoutError:
            process.kill()
            raise
        assert process.returncode == 0, err.decode()[-2000:]
        return [json.loads(line) for line in out.splitlines()]

    async def runs(self) -> list[Json]:
        """The runs that the sandbox has seen."""
        async with httpx.AsyncClient(base_url=self.control, verify=False) as client:
            answer = await client.get("/_sandbox/requests", params={"transport": "agent"})
        found: list[Json] = answer.json()["requests"]
        return found


@pytest.fixture
def sdk(python: Path, sandbox: Sandbox, tmp_path: Path) -> Sdk:
    return Sdk.at(python, sandbox, tmp_path)


async def continued(sdk: Sdk) -> list[Json]:
    """Three turns: what was said is in the client's blobs alone. Gives the runs."""
    first, second, third = await sdk.talk(
        "Hello. [[think 3]][[remember colour teal]]", CALLS, "[[recall colour]]"
    )
    assert first["status"] == second["status"] == third["status"] == "finished"
    assert first["result"].startswith("You said: Hello.")
    assert "gave: Rome: 21 degrees" in second["result"]
    assert "gave: Oslo: 21 degrees" in second["result"]
    assert third["result"] == "colour is teal."
    assert 0 < third["cached_tokens"] < third["input_tokens"]
    runs = await sdk.runs()
    assert ["continued" in " ".join(run["notes"]) for run in runs] == [False, True, True]
    return runs


@pytest.mark.parametrize(("tls", "path"), [(True, "Run"), (False, "RunSSE")])
async def test_a_conversation_with_tools_goes_on_by_its_checkpoint(
    python: Path, sandbox: Sandbox, tmp_path: Path, tls: bool, path: str
) -> None:
    """Over HTTP/2, and without TLS in its other form."""
    runs = await continued(Sdk.at(python, sandbox, tmp_path, tls=tls))
    assert {run["path"] for run in runs} == {f"/agent.v1.AgentService/{path}"}
    assert {run["http_version"] for run in runs} == {"2" if tls else "1.1"}


async def test_an_error_reaches_the_user(sdk: Sdk, sandbox: Sandbox) -> None:
    sandbox.cursor_accounts[0].spent = 2000
    [ended] = await sdk.talk("Hello.")
    assert ended["status"] == "error"
    assert "resource_exhausted" in ended["error"] or "usage limit" in ended["error"].lower()


@pytest.mark.parametrize(
    ("fault", "resumed"),
    [
        ({"how": "reset", "at": 3}, False),
        ({"how": "reset", "at": "after_tools"}, True),
        ({"how": "goaway", "number": 0, "at": "after_turn"}, True),
        ({"preset": "unavailable", "at": "awaiting_tools"}, True),
    ],
    ids=lambda value: str(value.get("at")) if isinstance(value, dict) else "",
)
async def test_a_broken_run_goes_on_from_its_newest_checkpoint(
    sdk: Sdk, fault: Json, resumed: bool
) -> None:
    """The SDK asks for that itself, with a ``resume_action``, where it has a checkpoint."""
    async with httpx.AsyncClient(base_url=sdk.control, verify=False) as client:
        rule = {"fault": {"kind": "agent", **fault}}
        assert (await client.post("/_sandbox/faults", json=rule)).status_code == 200
    prompt = "[[say 8]]" if fault["at"] == 3 else '[[call weather {"city":"Rome"}]]'
    [ended] = await sdk.talk(prompt)
    assert ended["status"] == "finished"
    assert ended["result"].count("Rome: 21 degrees") == (fault["at"] != 3)
    broken, again = await sdk.runs()
    assert broken["notes"] != again["notes"]
    first = again["frames"][0]["message"]["run_request"]
    assert ("resume_action" in first["action"]) is resumed


async def test_only_models_of_our_list_are_taken(sdk: Sdk) -> None:
    """The SDK itself compares."""
    with pytest.raises(AssertionError, match="no-such-model"):
        await sdk.talk("Hello.", model="no-such-model")
    assert await sdk.runs() == []


async def test_large_prompts_wait_for_small_windows(python: Path, tmp_path: Path) -> None:
    config = SandboxConfig(home=tmp_path / "sandbox", gate="off", window=16384)
    async with Sandbox(config) as sandbox:
        [told] = await Sdk.at(python, sandbox, tmp_path).talk(f"[[text ok]] {'word ' * 12_000}")
        assert told["result"] == "ok"
