"""The gate, with requests that a profile itself has made."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from addons.providers.codex.shape import bring
from fingerprints import apply, library
from fingerprints.errors import MissingRole
from fingerprints.item_forms import item_forms
from fingerprints.profile import Profile
from replay.sandbox import Sandbox
from replay.sandbox.gate import HEADER_LIMIT, make_gate, reasons_header
from replay.sandbox.messages import Request

RELEASES = ["codex@0.142.0", "codex@0.169.0"]


def uuid7(number: int) -> str:
    text = uuid.UUID(int=(0x019A << 112) | (7 << 76) | (2 << 62) | number)
    return str(text)


def roles(sandbox: Sandbox, model: str) -> dict[str, Any]:
    account = sandbox.accounts[0]
    session = uuid7(1)
    return {
        "originator": "codex_exec",
        "os": "Debian 12.0.0",
        "arch": "x86_64",
        "terminal": "xterm-256color",
        "installation_id": str(uuid.uuid4()),
        "authority": "127.0.0.1",
        "access_token": sandbox.accounts.access_token(account),
        "account_id": account.id,
        "session_id": session,
        "thread_id": session,
        "client_request_id": session,
        "agent_name": "/root",
        "thread_source": "user",
        "turn_id": uuid7(2),
        "root_turn_id": uuid7(2),
        "turn_started_at_unix_ms": 1_795_000_000_000,
        "stream_started_at_unix_ms": 1_795_000_000_000,
        "turn_trigger": "exec",
        "window_number": 0,
        "context_window_id": uuid7(3),
        "history_initialization": "new",
        "model": model,
        "reasoning_effort": "low",
        "verbosity": "low",
        "beta_features": "remote_compaction_v2",
        "sandbox": "seccomp",
        "sandbox_mode": "read-only",
        "auto_review_enabled": False,
        "node_repl_auto_review_required": False,
        "node_repl_disabled": False,
        "analytics_enabled": False,
        "websocket_key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }


THREAD = "01a1fc65-f0a6-7a82-9f9d-1d6c86602b70"
TOOL = {"type": "function", "name": "x", "parameters": {"type": "object"}}


def content(profile: Profile, model: str) -> dict[str, Any]:
    shape = profile.shape(model)
    body = {"instructions": "Be brief.", "input": "hi", "tools": [TOOL]}
    forms = item_forms(profile, shape)
    return bring(body, profile.shapes[shape], thread_id=THREAD, forms=forms)


def made(
    sandbox: Sandbox,
    name: str,
    kind: str = "turn",
    *,
    model: str = "gpt-5.5",
    more: dict[str, Any] | None = None,
    **options: Any,
) -> apply.Assembled:
    """
    Args:
        more: members of the body beside those of :func:`content`.
    """
    profile = library.load(name)
    return apply.request(
        profile,
        kind,
        shape=profile.shape(model),
        sign_in="chatgpt",
        roles=roles(sandbox, model),
        content={**content(profile, model), **(more or {})} if kind == "turn" else {},
        **options,
    )


class Answer:
    """An answer of :func:`send`; header names in lower case."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode().strip().split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines)
        self.reasons = self.headers.get("x-sandbox-gate", "")


async def send(sandbox: Sandbox, assembled: apply.Assembled) -> Answer:
    """Sends exactly these bytes: HTTP clients move ``host`` to the front."""
    port = int(sandbox.http_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head_of(assembled) + assembled.body)
    answer = Answer(await reader.readuntil(b"\r\n\r\n"))
    writer.close()
    return answer


def head_of(assembled: apply.Assembled) -> bytes:
    lines = [f"{assembled.method} {assembled.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in assembled.headers]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("name", RELEASES)
async def test_what_a_profile_makes_passes_its_gate(start: Callable[..., Any], name: str) -> None:
    sandbox = await start(gate=name)
    answer = await send(sandbox, made(sandbox, name, http_version="HTTP/1.1"))
    assert answer.status == 200, answer.reasons
    models = await send(sandbox, made(sandbox, name, "models", http_version="HTTP/1.1"))
    assert models.status == 200, models.reasons


async def test_the_models_of_a_learned_profile_are_served(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    """Of a release that is not shipped, such as 0.58.0, whose model no later one has."""
    shipped = next(item for item in library.available() if item.name == "codex@0.142.0")
    learned = tmp_path / "learned.yaml"
    learned.write_text(shipped.file.read_text().replace("gpt-5.5", "gpt-gone"))
    for gate, status in ((str(learned), 200), ("codex@0.142.0", 400)):
        sandbox = await start(gate=gate)
        assembled = made(sandbox, str(learned), model="gpt-gone", http_version="HTTP/1.1")
        answer = await send(sandbox, assembled)
        assert answer.status == status, answer.reasons


async def test_another_release_is_refused_unless_claims_are_taken(
    start: Callable[..., Any],
) -> None:
    newest = await start(gate="newest")
    claimed = await start(gate="claimed")
    for sandbox, expected in ((newest, [403, 200]), (claimed, [200, 200])):
        found = [
            (await send(sandbox, made(sandbox, name, http_version="HTTP/1.1"))).status
            for name in RELEASES
        ]
        assert found == expected


async def test_a_refusal_looks_like_a_challenge_and_says_why(start: Callable[..., Any]) -> None:
    sandbox = await start(gate="newest")
    assembled = made(sandbox, "codex@0.169.0", http_version="HTTP/1.1")
    moved = [assembled.headers[-1], *assembled.headers[:-1]]
    changed = [
        (name, value + "x" if name.lower() == "originator" else value) for name, value in moved
    ]
    answer = await send(
        sandbox, apply.Assembled("HTTP/1.1", "POST", assembled.path, changed, assembled.body)
    )
    assert answer.status == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cf-ray"]
    assert "originator" in answer.reasons
    assert "moved" in answer.reasons
    entry = sandbox.services.recorder.entries()[-1].json()
    assert entry["status"] == 403
    assert any("originator" in reason for reason in entry["gate"])


@pytest.mark.parametrize(
    ("word", "status"),
    [("mine", 200), ("x-codex-later", 403), ("mcp_attribution", 403)],
)
async def test_words_of_a_caller_s_own_pass(
    start: Callable[..., Any], word: str, status: int
) -> None:
    sandbox = await start(gate="codex@0.142.0")
    words = {"client_metadata": {word: "1"}}
    options = {"unknown": "keep", "http_version": "HTTP/1.1"}
    answer = await send(sandbox, made(sandbox, "codex@0.142.0", more=words, **options))
    assert answer.status == status, answer.reasons
    assert (word in answer.reasons) == (status == 403)


async def test_an_ordinary_client_is_refused_everywhere_but_on_open_paths(
    start: Callable[..., Any],
) -> None:
    sandbox = await start(gate="newest")
    token = sandbox.accounts.access_token(sandbox.accounts[0])
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=sandbox.http_url, verify=False) as client:
        for path, status in (
            ("/backend-api/codex/models", 403),
            ("/backend-api/wham/usage", 403),
            ("/backend-api/plugins/featured", 200),  # the profile has no such request
        ):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == status, path
        keyed = {"authorization": f"Bearer {sandbox.accounts[0].api_key}"}
        assert (await client.get("/v1/models", headers=keyed)).status_code == 200
        assert (await client.post("/_sandbox/gate", json={"mode": "off"})).json() == {"gate": "off"}
        answer = await client.get("/backend-api/wham/usage", headers=headers)
        assert answer.status_code == 200


async def test_frames_are_checked_and_a_wrong_one_ends_the_connection(
    start: Callable[..., Any], connect: Callable[..., Any]
) -> None:
    sandbox = await start(gate="codex@0.169.0")
    profile = library.load("codex@0.169.0")
    values = roles(sandbox, "gpt-5.5")
    shape = profile.shape("gpt-5.5")
    upgrade = apply.request(
        profile, "upgrade", transport="websocket", shape=shape, sign_in="chatgpt", roles=values
    )
    refused = await connect(
        sandbox=sandbox, headers={"authorization": f"Bearer {values['access_token']}"}
    )
    assert refused.status == 403
    client = await connect(sandbox=sandbox, raw=head_of(upgrade))
    assert client.status == 101
    frame = apply.frame(
        profile,
        "turn",
        shape=shape,
        sign_in="chatgpt",
        roles=values,
        content=content(profile, "gpt-5.5"),
    )
    await client.send(frame.decode())
    frames = await client.frames()
    assert frames[-1]["type"] == "response.completed", frames[-1]
    changed = json.loads(frame)
    changed["client_metadata"]["session_id"] = uuid7(9)
    await client.send(json.dumps(changed, separators=(",", ":"), ensure_ascii=False))
    frames = await client.frames()
    assert (frames[-1]["type"], frames[-1]["status"]) == ("error", 403)
    assert "session_id" in frames[-1]["error"]["message"]
    if client.close_code is None:  # it may have come in one piece with the error
        await client.frames()
    assert client.close_code == 1008


def test_reasons_are_bounded_and_printable() -> None:
    reasons = [f"reason {number} \r\n … " + "x" * 500 for number in range(50)]
    header = reasons_header(reasons)
    assert len(header) <= HEADER_LIMIT
    assert header.isascii()
    assert header.isprintable()
    assert "more" in header
    assert reasons_header([]) == ""


def test_modes() -> None:
    assert make_gate("off").mode == "off"
    assert make_gate("newest").mode == "codex@0.169.0"
    assert make_gate("claimed").mode == "claimed"
    unknown = Request("GET", "/backend-api/wham/usage", "1.1", [(b"version", b"9.9.9")])
    assert "9.9.9" in make_gate("claimed").request(unknown)[0]
    with pytest.raises(ValueError, match=r"gate: .*'off' needs no profile"):
        make_gate("nothing")


def test_roles_of_this_test_are_complete() -> None:
    """A new release that needs a further role fails here, with its name."""
    for name in RELEASES:
        profile = library.load(name)
        with pytest.raises(MissingRole):
            apply.request(profile, "turn", shape="full", sign_in="chatgpt", roles={}, content={})
