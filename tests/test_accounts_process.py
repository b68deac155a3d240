"""A running floway follows what the command line does to its accounts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.floway_process import clean_environment, command, running_floway, until
from tests.providers.codex import sign_ins

pytestmark = pytest.mark.slow

NOTICED = 2.0
"""Seconds within which a change must have reached a running floway."""


async def test_changes_reach_a_running_floway(tmp_path: Path) -> None:
    server = await sign_ins.sandbox(tmp_path / "sandbox")
    try:
        for account in list(server.accounts)[:2]:
            server.accounts.write_auth_json(account, tmp_path / f"{account.label}.json")
        await asyncio.to_thread(_walk, tmp_path, server.http_url)
    finally:
        await server.stop()


def _walk(folder: Path, url: str) -> None:
    environment = clean_environment(
        folder / "user",
        FLOWAY_HOME=str(folder / "state"),
        FLOWAY_ISSUERS=f"codex={url}",
        FLOWAY_UPSTREAMS=f"codex={url}",
        FLOWAY_CREDENTIAL_STORE="file",
    )

    def accounts(*words: str) -> None:
        command("accounts", *words, environment=environment)

    accounts("add", "codex", "--label", "ada", "--import", str(folder / "ada.json"))
    with running_floway(folder, environment=environment) as floway:
        assert "Serving 1 account(s): ada (codex)" in floway.log()
        with httpx.Client(base_url=floway.url, trust_env=False, timeout=30) as client:

            def served_by() -> str:
                answer = client.post("/v1/responses", json={"model": "gpt-5.5", "input": "Hi"})
                assert answer.status_code == 200, answer.text
                sent = httpx.get(
                    f"{url}/_sandbox/requests",
                    params={"path": "/backend-api/codex/responses", "limit": 1, "bodies": 0},
                    trust_env=False,
                )
                account: str = sent.json()["requests"][-1]["account"]
                return account

            assert served_by() == "ada"
            accounts("add", "codex", "--label", "ben", "--import", str(folder / "ben.json"))
            accounts("use", "ben")  # beats the conversation's own account
            _within(NOTICED, lambda: served_by() == "ben")
            accounts("use", "--auto")
            accounts("disable", "ben")
            _within(NOTICED, lambda: served_by() == "ada")
            accounts("enable", "ben")
            accounts("remove", "ada")
            _within(NOTICED, lambda: served_by() == "ben")
    text = floway.log()
    assert "eyJ" not in text
    assert "rt_" not in text


def _within(seconds: float, condition: Callable[[], bool]) -> None:
    began = time.monotonic()
    until(condition, 30)
    assert time.monotonic() - began < seconds + 1.0  # a request more, on a busy machine
