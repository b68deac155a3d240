"""Accounts of Cursor that are added, chosen and switched off by commands, while floway serves them.

There is no other account, and no TLS to the upstream: runs go by ``RunSSE``.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from replay.sandbox import Sandbox, SandboxConfig
from tests.floway_process import clean_environment, command, running_floway, until

pytestmark = pytest.mark.slow

type Json = dict[str, Any]

NOTICED = 5.0
"""Seconds within which a change must have reached a running floway, on a busy machine."""


async def test_accounts_come_go_and_are_chosen(tmp_path: Path) -> None:
    async with Sandbox(SandboxConfig(home=tmp_path / "sandbox", gate="off")) as sandbox:
        keys = {account.label: account.api_key for account in sandbox.cursor_accounts}
        await asyncio.to_thread(_walk, tmp_path, sandbox.http_url, keys)


def _walk(folder: Path, url: str, keys: dict[str, str]) -> None:
    environment = clean_environment(
        folder / "user",
        FLOWAY_HOME=str(folder / "state"),
        FLOWAY_UPSTREAMS=f"cursor={url}",
        FLOWAY_CREDENTIAL_STORE="file",
    )

    def accounts(*words: str, told: str = "") -> str:
        return command("accounts", *words, environment=environment, told=told).stdout

    accounts("add", "cursor", "--label", "work", "--api-key", told=keys["kim"])
    with (
        running_floway(folder, environment=environment) as floway,
        httpx.Client(base_url=floway.url, trust_env=False, timeout=30) as client,
    ):
        _serve(client, url, accounts, keys)
    assert not any(key in floway.log() for key in keys.values())


def _serve(client: httpx.Client, url: str, accounts: Any, keys: dict[str, str]) -> None:
    history: list[Json] = []

    def runs() -> dict[str, int]:
        listed = httpx.get(f"{url}/_sandbox/cursor/accounts", trust_env=False).json()["accounts"]
        return {each["label"]: each["runs"] for each in listed}

    def served_by(text: str = "[[recall colour]]", model: str = "cursor/composer-2") -> str:
        before = runs()
        history.append(user(text))
        answer = client.post("/v1/responses", json={"model": model, "input": history})
        assert answer.status_code == 200, answer.text
        history.extend(answer.json()["output"])
        assert "green" in answer.text, "the conversation is known, whoever serves it"
        (label,) = [label for label, count in runs().items() if count != before[label]]
        return label

    assert served_by("[[remember colour green]] [[recall colour]]") == "kim"
    assert served_by(model="composer-2") == "kim", "without another provider, any name is Cursor's"
    listed = [entry["id"] for entry in client.get("/v1/models").json()["data"]]
    assert listed
    assert all(name.startswith("cursor/") for name in listed)
    body = {"model": "claude-sonnet-4-5", "max_tokens": 99, "messages": [user("[[text Here.]]")]}
    answer = client.post("/v1/messages", json=body)
    assert answer.status_code == 200, "Claude Code's own names mean the default model"
    assert answer.json()["content"][0]["text"]
    accounts("add", "cursor", "--label", "home", "--api-key", told=keys["lea"])
    accounts("use", "home")  # beats the conversation's own account
    until(lambda: served_by() == "lea", NOTICED, "the account that was chosen")
    accounts("use", "--auto")
    accounts("disable", "home")
    until(lambda: served_by() == "kim", NOTICED, "the account that is left")
    accounts("enable", "home")
    accounts("remove", "work")
    until(lambda: served_by() == "lea", NOTICED, "the account that is left")
    assert "home" in accounts("list")


def user(text: str) -> Json:
    return {"role": "user", "content": text}
