"""The composition root: what it imports, and how a floway that cannot start says so."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from addons.errors import FlowayError
from addons.floway import build_providers, open_store, start_sandbox
from addons.settings import Settings
from replay.floway_process import MITMDUMP
from tests.floway_process import ROOT, clean_environment

SCRIPT = ROOT / "addons" / "floway.py"


@pytest.mark.slow
def test_who_has_accounts_pays_for_no_sandbox(tmp_path: Path) -> None:
    code = """
import json, sys
from addons.floway import build_providers, open_store, start_sandbox
from addons.settings import Settings
accounts = [{"provider": "codex", "label": "own", "api_key": "sk-made-up"}]
accounts.append({"provider": "cursor", "label": "another", "api_key": "crsr_made_up"})
labels = [
    [account.label for account in provider.accounts]
    for provider in build_providers(Settings(accounts=accounts))
]
assert labels == [["own"], ["another"]]
print(json.dumps([name for name in sys.modules if name.startswith("replay")]))
"""
    environment = clean_environment(tmp_path / "home", PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert json.loads(done.stdout) == []


def test_importing_it_changes_nothing_in_mitmproxy() -> None:
    from mitmproxy.addonmanager import AddonManager
    from mitmproxy.proxy.layers.http import HttpLayer

    import addons.floway

    assert [addon.name for addon in addons.floway.addons] == [
        *("floway-configuration", "floway-replays", "floway_control", "floway-capture-before"),
        *("floway-timeline-before", "floway-client-side", "floway_gateway", "floway-capture"),
        *("floway-timeline", "floway_measuring", "floway_logbook"),
        *("floway-views", "floway-commands", "floway-ring", "floway-launch"),
    ]
    assert AddonManager.trigger_event.__module__ == "mitmproxy.addonmanager"
    assert HttpLayer.make_stream.__module__ == "mitmproxy.proxy.layers.http"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"accounts": [{"provider": "codx", "label": "a", "api_key": "sk-x"}]},
            "accounts: there is no provider 'codx'; known: codex",
        ),
        ({"upstreams": {"other": "https://x.test"}}, "upstreams: there is no provider 'other'"),
    ],
)
def test_providers_that_do_not_exist(settings: dict[str, object], message: str) -> None:
    with pytest.raises(FlowayError, match=message):
        build_providers(Settings(**settings))  # type: ignore[arg-type]


# --- what cannot start ---------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that someone listens on."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "auth.json does not exist; sign in with `codex login`"),
        ('{"tokens": {"access_token": "secret-token"', "auth.json is not JSON"),
        ('{"tokens": {}}', "auth.json: tokens.access_token is missing"),
    ],
)
def test_an_account_that_cannot_be_read(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "auth.json"
    if text is not None:
        file.write_text(text)
    accounts = [{"provider": "codex", "label": "own", "auth_file": file}]
    with pytest.raises(FlowayError, match=message) as caught:
        build_providers(Settings(accounts=accounts))  # type: ignore[arg-type]
    assert "secret-token" not in str(caught.value)


def test_sign_ins_and_keys_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    file.write_text('{"tokens": {"access_token": "t", "account_id": "a"}}')
    accounts = [
        {"provider": "codex", "label": "one", "auth_file": file},
        {"provider": "codex", "label": "two", "api_key": "sk-x"},
    ]
    with pytest.raises(FlowayError, match="configure one kind only"):
        build_providers(Settings(accounts=accounts))  # type: ignore[arg-type]


def test_a_profile_that_does_not_exist() -> None:
    with pytest.raises(Exception, match=r"codex@0\.0\.0.*codex@0\.169\.0"):
        build_providers(Settings(profile="codex@0.0.0"))


async def test_a_home_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "floway.db").mkdir()
    with pytest.raises(FlowayError, match=r"floway\.db"):
        await open_store(Settings(home=tmp_path))


async def test_a_sandbox_whose_port_is_taken(tmp_path: Path, taken: int) -> None:
    with pytest.raises(FlowayError, match=r"sandbox_port.* in use"):
        await start_sandbox(Settings(home=tmp_path, sandbox_port=taken))


@pytest.mark.slow
def test_a_process_that_cannot_start_says_why_in_one_line_and_ends(tmp_path: Path) -> None:
    command = [str(MITMDUMP), "-p", "0", "-s", str(SCRIPT), "--set", "listen_host=127.0.0.1"]
    command += ["--set", f"confdir={tmp_path / 'mitmproxy'}"]
    command += ["--set", f"floway_home={tmp_path / 'state'}"]
    command += ["--set", f"floway_accounts=codex:own:{tmp_path}/missing.json"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=clean_environment(tmp_path / "user"),
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert " is ready" not in said
    (line,) = [line for line in said.splitlines() if "missing.json" in line]
    assert "floway cannot start: " in line
    assert "does not exist; sign in" in line
