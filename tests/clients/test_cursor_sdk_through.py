"""Cursor's official Python SDK through floway: unchanged, and on an account that is lent to it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import StartFloway
from tests.clients.test_cursor_sdk import CALLS, SCRIPT, SECONDS, python  # noqa: F401  # a fixture
from tests.floway_process import Floway

pytestmark = pytest.mark.clients

type Json = dict[str, Any]

PROMPTS = ("Hello. [[think 3]][[remember colour teal]]", CALLS, "[[recall colour]]")
PATHS = {"https": "/agent.v1.AgentService/Run", "http": "/agent.v1.AgentService/RunSSE"}


def talk(interpreter: Path, floway: Floway, folder: Path, over: str, *prompts: str) -> list[Json]:
    """What comes of the prompts in one conversation of the first account's own key."""
    work = folder / "work"
    work.mkdir(parents=True)
    key = accounts(floway)[0]["api_key"]
    url = floway.url.replace("http://", f"{over}://")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "NODE_EXTRA_CA_CERTS": str(floway.ca_file),
    }
    done = subprocess.run(
        [interpreter, "-I", SCRIPT, url, key, "composer-2", *prompts],
        cwd=work,
        env=environment,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def accounts(floway: Floway) -> list[Json]:
    found: list[Json] = floway.sandbox.ask("GET", "cursor/accounts")["accounts"]
    return found


def runs(floway: Floway) -> list[Json]:
    """Runs that the sandbox has seen since it was asked to forget."""
    return [each for each in floway.sandbox.requests() if each["path"] in PATHS.values()]


@pytest.mark.parametrize("over", PATHS)
def test_the_sdk_works_unchanged(
    python: Path,  # noqa: F811
    start_floway: StartFloway,
    tmp_path: Path,
    over: str,
) -> None:
    """Over TLS by a two-way stream through the proxy, without by many requests."""
    floway = start_floway()
    first, second, third = talk(python, floway, tmp_path, over, *PROMPTS)
    assert [each["status"] for each in (first, second, third)] == ["finished"] * 3
    assert "gave: Rome: 21 degrees" in second["result"]
    assert "gave: Oslo: 21 degrees" in second["result"]
    assert third["result"] == "colour is teal."
    assert 0 < third["cached_tokens"] < third["input_tokens"]
    assert [each["path"] for each in runs(floway)] == [PATHS[over]] * 3
    assert ["continued" in " ".join(each["notes"]) for each in runs(floway)] == [False, True, True]
    served = {each["label"] for each in accounts(floway) if each["runs"]}
    assert served == {accounts(floway)[0]["label"]}, "its own sign-in"


def test_an_account_is_lent_to_the_sdk_and_judged(
    python: Path,  # noqa: F811
    start_floway: StartFloway,
    tmp_path: Path,
) -> None:
    floway = start_floway(floway_swap_accounts=["cursor"])
    own, lent, spare = [each["label"] for each in accounts(floway)]
    floway.sandbox.ask("POST", f"cursor/accounts/{own}", json={"used_percent": 100})
    [refused] = talk(python, floway, tmp_path / "1", "https", "Hello.")
    assert refused["status"] == "error", "the account that was lent is used up"
    [answered] = talk(python, floway, tmp_path / "2", "https", "Hello.")
    assert answered["status"] == "finished", "it cools, and another one is lent"
    served = {each["label"] for each in accounts(floway) if each["runs"]}
    assert served <= {lent, spare}
    assert served
