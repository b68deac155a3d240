"""The official Codex CLI, old and new: by base URL and as a proxy, over WebSocket and HTTP.

One conversation each: a prompt, a tool call that is really carried out, another turn. The sandbox
compares everything with the profile, and would refuse the client's own sign-in.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.codex_cli import OWN_ACCOUNT, CodexCli, Way
from tests.clients.conftest import StartFloway, find_client
from tests.clients.evidence import (
    account_of,
    cached_tokens,
    gate_refusals,
    header,
    leaks,
    model_requests,
)
from tests.floway_process import Floway

pytestmark = pytest.mark.clients

RELEASES = ["0.142.0", "0.169.0"]
PROFILES = ["codex@0.169.0", "codex@0.142.0"]
TOOL = 'Run it. [[call exec_command {"cmd":"echo sandbox-$((6*7))"}]]'


@pytest.fixture(scope="module", params=PROFILES)
def floway(request: pytest.FixtureRequest, start_floway_module: StartFloway) -> Floway:
    profile = request.param
    return start_floway_module(gate=profile, floway_profile=profile)


def floway_profile(floway: Floway) -> str:
    return str(floway.options["floway_profile"])


@pytest.mark.parametrize("way", ["base_url", "proxy", "own_provider"])
@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("release", RELEASES)
def test_a_conversation(
    floway: Floway, release: str, transport: str, way: Way, tmp_path: Path
) -> None:
    if way == "own_provider" and transport == "websocket":
        pytest.skip("a provider of one's own is asked over HTTP")
    floway.sandbox.forget()
    if transport == "http":
        floway.sandbox.fault({"kind": "refuse_upgrade", "status": 426}, times=None)
    codex = CodexCli.make(find_client(f"codex-{release}", "codex"), tmp_path, floway, way)

    first = codex.exec("-s", "workspace-write", "say hello")
    assert first.code == 0, first
    assert "You said: say hello" in first.out, first

    second = codex.exec("-s", "danger-full-access", "resume", "--last", TOOL)
    assert second.code == 0, second
    assert "The tools have answered." in second.out, second
    assert "sandbox-42" in second.out, second

    third = codex.exec("resume", "--last", "once more")
    assert third.code == 0, third
    assert "You said: once more" in third.out, third

    entries = floway.sandbox.requests()
    assert gate_refusals(entries, other_release=release not in floway_profile(floway)) == []
    assert leaks(entries, [*codex.secrets(), OWN_ACCOUNT]) == []

    asked = model_requests(entries)
    assert {request.transport for request in asked} == {transport}
    assert [request.status for request in asked] == [101 if transport == "websocket" else 200] * 4
    outputs = [request.outputs() for request in asked]
    assert outputs[:2] == [[], []]
    assert "sandbox-42" in outputs[2][-1]
    session = re.search(r"session id: (\S+)", first.err)
    assert session is not None, first
    assert {request.session for request in asked} == {session[1]}
    assert {request.key for request in asked} == {session[1]}
    assert len({request.account for request in asked}) == 1
    assert all(cached_tokens(request) >= 1024 for request in asked[1:]), [
        request.usage for request in asked
    ]


@pytest.mark.parametrize("way", ["base_url", "own_provider"])
@pytest.mark.parametrize("release", RELEASES)
def test_a_model_of_the_full_shape(floway: Floway, release: str, way: Way, tmp_path: Path) -> None:
    """With a provider of one's own the newer release says the instructions itself, in the input."""
    floway.sandbox.forget()
    codex = CodexCli.make(find_client(f"codex-{release}", "codex"), tmp_path, floway, way)
    done = codex.exec("-m", "gpt-5.5", "-s", "danger-full-access", TOOL)
    assert done.code == 0, done
    assert "sandbox-42" in done.out, done
    entries = floway.sandbox.requests()
    assert gate_refusals(entries, other_release=release not in floway_profile(floway)) == []
    assert {request.status for request in model_requests(entries)} <= {101, 200}


@pytest.mark.parametrize("release", RELEASES)
def test_start_up_calls_have_the_accounts_identity(
    floway: Floway, release: str, tmp_path: Path
) -> None:
    floway.sandbox.forget()
    codex = CodexCli.make(find_client(f"codex-{release}", "codex"), tmp_path, floway, "proxy")
    assert codex.exec("say hello").code == 0
    ids = {account["id"] for account in floway.sandbox.accounts()}
    beside = [e for e in floway.sandbox.requests() if header(e, "authorization")]
    assert any("/codex/models" in entry["target"] for entry in beside)
    for entry in beside:
        assert header(entry, "chatgpt-account-id") in ids, entry["target"]
        assert account_of(header(entry, "authorization")) in ids, entry["target"]
