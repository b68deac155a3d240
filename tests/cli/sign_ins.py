"""An authorization server in a process of its own (the sandbox), and a person at its pages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from addons.accounts.authority import Prompt
from replay.child import Child
from tests.floway_process import ROOT, clean_environment


@contextmanager
def sign_in_server(folder: Path) -> Iterator[str]:
    """Its URL."""
    command = [sys.executable, "-m", "replay.cli", "sandbox", "--port", "0"]
    environment = clean_environment(
        folder / "user", FLOWAY_HOME=str(folder / "state"), PYTHONPATH=str(ROOT)
    )
    log_file = folder / "sandbox.log"
    with Child("sandbox", command, log_file, environment=environment) as child:
        child.wait_until(lambda: "_sandbox/" in child.log(), "start")
        found = re.search(r"http://\S+", child.log())
        assert found is not None
        yield found[0]


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
