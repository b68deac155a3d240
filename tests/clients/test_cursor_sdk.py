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
from typing import Any, Literal

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
    """The SDK with its made-up home folder."""

    python: Path
    sandbox: Sandbox
    home: Path

    async def talk(
        self, *prompts: str, over: Literal["https", "http"] = "https", model: str = "composer-2"
    ) -> list[Json]:
        """What comes of the prompts, sent in one conversation."""
        url = self.sandbox.https_url if over == "https" else self.sandbox.http_url
        work = self.home / "work"
        work.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "NODE_EXTRA_CA_CERTS": str(self.sandbox.ca_file),
        }
        key = self.sandbox.cursor_accounts[0].api_key
        process = await asyncio.create_subprocess_exec(
            *(self.python, "-I", SCRIPT, url, key, model, *prompts),
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
        async with httpx.AsyncClient(base_url=self.sandbox.http_url, verify=False) as client:
            answer = await client.get("/_sandbox/requests", params={"transport": "agent"})
        found: list[Json] = answer.json()["requests"]
        return found


@pytest.fixture
def sdk(python: Path, sandbox: Sandbox, tmp_path: Path) -> Sdk:
    return Sdk(python, sandbox, tmp_path / "home")


@pytest.mark.parametrize("over", ["https", "http"])
async def test_a_conversation_with_tools_goes_on_by_its_checkpoint(
    sdk: Sdk, over: Literal["https", "http"]
) -> None:
    """Over HTTP/2, and without TLS by RunSSE: what was said is in the client's blobs alone."""
    first, second, third = await sdk.talk(
        "Hello. [[think 3]][[remember colour teal]]", CALLS, "[[recall colour]]", over=over
    )
    assert first["status"] == second["status"] == third["status"] == "finished"
    assert first["result"].startswith("You said: Hello.")
    assert "gave: Rome: 21 degrees" in second["result"]
    assert "gave: Oslo: 21 degrees" in second["result"]
    assert third["result"] == "colour is teal."
    assert 0 < third["cached_tokens"] < third["input_tokens"]
    runs = await sdk.runs()
    path = {"https": "/agent.v1.AgentService/Run", "http": "/agent.v1.AgentService/RunSSE"}[over]
    assert {run["path"] for run in runs} == {path}
    assert {run["http_version"] for run in runs} == {"2" if over == "https" else "1.1"}
    assert ["continued" in " ".join(run["notes"]) for run in runs] == [False, True, True]


async def test_an_error_reaches_the_user(sdk: Sdk) -> None:
    sdk.sandbox.cursor_accounts[0].spent = 2000
    [ended] = await sdk.talk("Hello.")
    assert ended["status"] == "error"
    assert "resource_exhausted" in ended["error"] or "usage limit" in ended["error"].lower()


async def test_only_models_of_our_list_are_taken(sdk: Sdk) -> None:
    """The SDK itself compares."""
    with pytest.raises(AssertionError, match="no-such-model"):
        await sdk.talk("Hello.", model="no-such-model")
    assert await sdk.runs() == []


async def test_large_prompts_wait_for_small_windows(python: Path, tmp_path: Path) -> None:
    config = SandboxConfig(home=tmp_path / "sandbox", gate="off", window=16384)
    async with Sandbox(config) as sandbox:
        sdk = Sdk(python, sandbox, tmp_path / "home")
        [told] = await sdk.talk(f"[[text ok]] {'word ' * 12_000}")
        assert told["result"] == "ok"
