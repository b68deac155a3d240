"""An account fails: the same clients notice nothing. All fail: they are told once, in their words.

Each test has a floway of its own, because what an account was refused is remembered.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import openai
import pytest
from mitmproxy import http
from mitmproxy.io import FlowReader

from tests.clients.codex_cli import CodexCli
from tests.clients.conftest import StartFloway, find_client
from tests.clients.evidence import RESPONSES, gate_refusals, model_requests
from tests.clients.opencode_cli import OpenCodeCli, Provider
from tests.floway_process import Floway, running_floway, until

pytestmark = pytest.mark.clients

FAULTS: dict[str, dict[str, Any]] = {
    "usage limit": {"preset": "usage_limit_reached", "resets_in_seconds": 600},
    "429": {"preset": "rate_limit_exceeded"},
    "503": {"preset": "server_is_overloaded"},
    "reset": {"kind": "reset", "at": "before_headers"},
    "overload inside a 200": {"kind": "failure", "code": "server_is_overloaded", "at": 2},
    "usage limit inside a 200": {"kind": "failure", "code": "usage_limit_reached", "at": 2},
}
"""``at`` 2: behind created and in_progress, where the backend admits a request or not."""

RELEASES = ["0.142.0", "0.169.0"]
REASONING = ["-m", "gpt-5.5", "-c", "model_reasoning_effort=medium"]
"""A model whose answers bring encrypted reasoning, which only its account can read."""


def codex_of(floway: Floway, release: str, transport: str, folder: Path) -> CodexCli:
    if transport == "http":
        floway.sandbox.fault({"kind": "refuse_upgrade", "status": 426}, times=None)
    program = find_client(f"codex-{release}", "codex")
    return CodexCli.make(program, folder, floway, "base_url" if transport == "http" else "proxy")


def fail_account(floway: Floway, account: str, fault: str) -> None:
    floway.sandbox.fault(FAULTS[fault], times=None, account=account, path=RESPONSES)


def account_in_use(floway: Floway) -> str:
    return model_requests(floway.sandbox.requests())[-1].account


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("transport", ["http", "websocket"])
@pytest.mark.parametrize("release", RELEASES)
def test_codex_notices_nothing_between_turns(
    start_floway: StartFloway, release: str, transport: str, fault: str, tmp_path: Path
) -> None:
    floway = start_floway()
    codex = codex_of(floway, release, transport, tmp_path)
    first = codex.exec(*REASONING, "say hello")
    assert first.code == 0, first
    failed = account_in_use(floway)
    fail_account(floway, failed, fault)
    second = codex.exec(*REASONING, "resume", "--last", "once more")
    assert second.code == 0, second
    assert "You said: once more" in second.out, second
    assert account_in_use(floway) != failed
    rules = [rule for rule in floway.sandbox.faults() if "path" in rule.get("match", {})]
    assert all(rule["applied"] for rule in rules)
    entries = floway.sandbox.requests()
    assert gate_refusals(entries, other_release=release == "0.142.0") == []


@pytest.mark.parametrize("transport", ["http", "websocket"])
@pytest.mark.parametrize("release", RELEASES)
def test_codex_notices_nothing_from_the_start(
    start_floway: StartFloway, release: str, transport: str, tmp_path: Path
) -> None:
    floway = start_floway()
    codex = codex_of(floway, release, transport, tmp_path)
    *failed, left = [account["label"] for account in floway.sandbox.accounts()]
    for account in failed:
        fail_account(floway, account, "usage limit")
    tool = '[[call exec_command {"cmd":"echo sandbox-$((6*7))"}]]'
    finished = codex.exec("-s", "danger-full-access", tool)
    assert finished.code == 0, finished
    assert "sandbox-42" in finished.out, finished
    assert account_in_use(floway) == left


@pytest.mark.parametrize("fault", ["usage limit", "503", "overload inside a 200"])
@pytest.mark.parametrize("provider", ["openai-compatible", "openai"])
def test_opencode_notices_nothing_between_turns(
    start_floway: StartFloway, provider: Provider, fault: str, tmp_path: Path
) -> None:
    floway = start_floway()
    program = find_client("opencode", "opencode")
    opencode = OpenCodeCli.make(program, tmp_path, floway, provider)
    first = opencode.run("say hello")
    assert first.code == 0, first
    failed = account_in_use(floway)
    fail_account(floway, failed, fault)
    second = opencode.run("--continue", "once more")
    assert second.code == 0, second
    assert "You said: once more" in second.out, second
    assert account_in_use(floway) != failed


@pytest.mark.parametrize("fault", FAULTS)
def test_the_sdk_notices_nothing(start_floway: StartFloway, fault: str) -> None:
    floway = start_floway()
    client = openai.OpenAI(base_url=floway.base_url, api_key="any", max_retries=0, timeout=30)
    messages: Any = [{"role": "user", "content": "hello"}]
    options: Any = {"model": "gpt-5.5", "extra_headers": {"x-session-id": "one conversation"}}
    client.chat.completions.create(messages=messages, **options)
    failed = account_in_use(floway)
    fail_account(floway, failed, fault)
    chat = client.chat.completions.create(messages=messages, **options)
    assert (chat.choices[0].message.content or "").startswith("You said: hello")
    assert account_in_use(floway) != failed
    chunks = list(client.chat.completions.create(messages=messages, stream=True, **options))
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert client.responses.create(input="hello", **options).status == "completed"
    events = list(client.responses.create(input="hello", stream=True, **options))
    assert [event.type for event in events].count("response.created") == 1
    assert events[-1].type == "response.completed"


def test_both_attempts_are_on_record(tmp_path: Path) -> None:
    recording = tmp_path / "recording.mitm"
    with running_floway(tmp_path / "floway", "-w", str(recording)) as floway:
        codex = codex_of(floway, "0.169.0", "http", tmp_path / "client")
        assert codex.exec("say hello").code == 0
        failed = account_in_use(floway)
        fail_account(floway, failed, "usage limit")
        assert codex.exec("resume", "--last", "once more").code == 0
        served = account_in_use(floway)
        assert f"account {failed}: usage_limit_reached" in floway.log()
    with recording.open("rb") as file:
        flows = [flow for flow in FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]
    (attempt,) = [flow for flow in flows if flow.marked == ":red_circle:"]
    assert attempt.response is not None
    assert attempt.response.status_code == 429
    assert b"usage_limit_reached" in (attempt.response.content or b"")
    assert f"attempt 1 · {failed}" in attempt.comment
    assert "usage_limit_reached" in attempt.comment
    (kept,) = [flow for flow in flows if flow.id == attempt.metadata["floway"]["continued_in"]]
    assert kept.response is not None
    assert kept.response.status_code == 200
    assert "attempt 2" in kept.comment
    assert served in kept.comment
    told = kept.metadata["floway"]
    assert [each["account"] for each in told["attempts"]] == [failed, served]
    assert [each["status"] for each in told["attempts"]] == [429, 200]
    assert told["outcome"] == "completed"


# --- all accounts --------------------------------------------------------------------------------

RETRIED = "exceeded retry limit, last status: 429 Too Many Requests"
"""What the client may say of a refused upgrade, whatever its body says: 0.142.0 always."""


@pytest.mark.parametrize("transport", ["http", "websocket"])
@pytest.mark.parametrize("release", RELEASES)
def test_codex_is_told_when_all_accounts_are_exhausted(
    start_floway: StartFloway, release: str, transport: str, tmp_path: Path
) -> None:
    floway = start_floway()
    codex = codex_of(floway, release, transport, tmp_path)
    floway.sandbox.fault(FAULTS["usage limit"], times=None, path=RESPONSES)
    finished = codex.exec("say hello")
    assert finished.code == 1, finished
    assert finished.out == ""
    (said,) = {line for line in finished.err.splitlines() if line.startswith("ERROR: ")}
    if transport == "http" or RETRIED not in said:
        assert "hit your usage limit" in said
        assert "try again at" in said
    refused = [entry for entry in floway.sandbox.requests() if entry["status"] == 429]
    assert len(refused) == 3, "each account once"


def test_the_sdk_is_told_when_all_accounts_are_exhausted(start_floway: StartFloway) -> None:
    floway = start_floway()
    client = openai.OpenAI(base_url=floway.base_url, api_key="any", timeout=30)
    floway.sandbox.fault(FAULTS["usage limit"], times=None, path=RESPONSES)
    messages: Any = [{"role": "user", "content": "hello"}]
    for call in (
        lambda: client.chat.completions.create(model="gpt-5.5", messages=messages),
        lambda: client.responses.create(model="gpt-5.5", input="hello", stream=True),
    ):
        with pytest.raises(openai.RateLimitError) as caught:
            call()
        assert caught.value.code == "usage_limit_reached"
        for account in floway.sandbox.accounts():
            assert account["label"] in caught.value.message
        assert isinstance(caught.value.body, dict)
        assert caught.value.body["resets_in_seconds"] <= 600
    refused = [entry for entry in floway.sandbox.requests() if entry["status"] == 429]
    assert len(refused) == 3, "the SDK did not try again, and floway asked no cooling account"


@pytest.mark.parametrize("provider", ["openai-compatible", "openai"])
def test_opencode_waits_until_an_account_is_ready_again(
    start_floway: StartFloway, provider: Provider, tmp_path: Path
) -> None:
    floway = start_floway()
    program = find_client("opencode", "opencode")
    opencode = OpenCodeCli.make(program, tmp_path, floway, provider)
    soon = {"preset": "usage_limit_reached", "resets_in_seconds": 8}
    floway.sandbox.fault(soon, times=None, path=RESPONSES)
    accounts = {account["label"] for account in floway.sandbox.accounts()}

    def relent() -> None:
        until(
            lambda: {r.account for r in model_requests(floway.sandbox.requests())} == accounts, 60
        )
        floway.sandbox.forget()

    helper = threading.Thread(target=relent)
    helper.start()
    finished = opencode.run("say hello")
    helper.join()
    assert finished.code == 0, finished
    assert "You said: say hello" in finished.out, finished
