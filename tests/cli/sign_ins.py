"""An authorization server in a process of its own (the sandbox), and a person at its pages."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from addons.accounts.authority import Prompt
from tests.floway_process import ROOT, clean_environment, stop_group


@contextmanager
def sign_in_server(folder: Path) -> Iterator[str]:
    """Its URL."""
    command = [sys.executable, "-m", "replay.cli", "sandbox", "--port", "0"]
    environment = clean_environment(
        folder / "user", FLOWAY_HOME=str(folder / "state"), PYTHONPATH=str(ROOT)
    )
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        yield found[0]
        stop_group(process)


def change(server: str, account: str, **changes: Any) -> None:
    httpx.post(f"{server}/_sandbox/accounts/{account}", json=changes, trust_env=False)


def auth_file(server: str, account: str, folder: Path) -> Path:
    """The official client's file of a made-up account."""
    url = f"{server}/_sandbox/accounts/{account}/auth.json"
    file = folder / f"{account}.json"
    file.write_bytes(httpx.get(url, trust_env=False).content)
    return file


def press(prompt: Prompt, account: str) -> None:
    """Press the button of an account on the page that is shown."""
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        if prompt.code:
            client.post(prompt.url, data={"user_code": prompt.code, "account": account})
        else:
            client.get(f"{prompt.url}&account={account}")
