"""The official client on an open WebSocket whose account is used up goes on with another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.codex_cli import CodexCli
from tests.clients.conftest import find_client
from tests.clients.evidence import RESPONSES, gate_refusals, model_requests
from tests.floway_process import Floway, running_floway

pytestmark = pytest.mark.clients

RELEASES = ["0.142.0", "0.169.0"]
QUOTA = {"preset": "usage_limit_reached", "resets_in_seconds": 600}
FAULTS: dict[str, dict[str, Any]] = {
    "used up": QUOTA,
    "overloaded": {"preset": "server_is_overloaded"},
    "expired token": {"preset": "token_expired"},
    "used up in a response": {"kind": "failure", "code": "usage_limit_reached", "at": 2},
    "server error": {"preset": "internal_error"},
}
TOOL = '[[call exec_command {"cmd":"echo sandbox-$((6*7))"}]]'


def talk(floway: Floway, release: str, folder: Path) -> list[str]:
    """A question with a tool call; the accounts that answered its requests."""
    codex = CodexCli.make(find_client(f"codex-{release}", "codex"), folder, floway, "proxy")
    finished = codex.exec("-s", "danger-full-access", TOOL)
    assert finished.code == 0, finished
    assert "sandbox-42" in finished.out, finished
    entries = floway.sandbox.requests()
    assert gate_refusals(entries, other_release=release == "0.142.0") == []
    requests = model_requests(entries)
    assert {each.transport for each in requests} == {"websocket"}, "it need not fall back"
    return [each.account for each in requests if each.usage]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("release", RELEASES)
def test_it_goes_on_with_another_account(release: str, fault: str, tmp_path: Path) -> None:
    with running_floway(tmp_path / "floway") as floway:
        # The second request on the connection, with what the tool gave, is refused.
        second = {"match": {"path": RESPONSES, "transport": "frame"}, "times": 1, "skip": 2}
        order = {**second, "fault": FAULTS[fault]}
        httpx.post(f"{floway.sandbox.url}/_sandbox/faults", json=order, trust_env=False)
        first, last = talk(floway, release, tmp_path)
        assert (first == last) == (fault == "server error")


@pytest.mark.parametrize("release", RELEASES)
def test_two_of_three_accounts_are_used_up(release: str, tmp_path: Path) -> None:
    with running_floway(tmp_path / "floway") as floway:
        *used, left = [account["label"] for account in floway.sandbox.accounts()]
        for label in used:
            floway.sandbox.fault(
                QUOTA, times=None, account=label, path=RESPONSES, transport="frame"
            )
        assert set(talk(floway, release, tmp_path)) == {left}
