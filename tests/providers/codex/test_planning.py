"""What goes upstream is what the release would send: for every kind, shape, sign-in, transport."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from addons.errors import ClientError
from fingerprints.library import load
from tests.providers.codex.exchanges import (
    FULL,
    LITE,
    RELEASES,
    RESPONSES,
    SAID,
    Side,
    accounts,
    body_of,
    differences,
    everything,
    frame_differences,
    header,
    key_accounts,
)

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
BODIES: dict[str, dict[str, Any]] = {
    "stream": {"input": [SAID], "stream": True},
    "whole": {"input": "Hi"},
    "rich": {
        "input": [
            {"role": "system", "content": "Be brief."},
            SAID,
            {"type": "reasoning", "summary": [], "encrypted_content": "sealed"},
            {"role": "assistant", "content": "Hello"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
        ],
        "instructions": "Answer.",
        "tools": [TOOL],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"verbosity": "low"},
        "prompt_cache_key": "own-key",
        "stream": True,
        "store": True,
        "service_tier": "priority",
    },
    "compaction": {"input": [SAID, {"type": "compaction_trigger"}], "stream": True},
    "dropped": {"input": "Hi", "temperature": 0.1, "max_output_tokens": 5, "user": "u"},
}

CASES = list(itertools.product(RELEASES, (FULL, LITE), BODIES))


def shape_of(release: str, model: str) -> str | None:
    """The bundled catalogue of 0.142.0 has no lite model, so its shape is said."""
    return "lite" if (release, model) == (RELEASES[1], LITE) else None


@pytest.mark.parametrize(("release", "model", "kind"), CASES)
async def test_a_model_request_over_http(release: str, model: str, kind: str) -> None:
    side = Side(profile=release).with_models()
    exchange = side.exchange(body={"model": model, **BODIES[kind]})
    request = await side.sent(exchange)
    assert differences(release, request, shape=shape_of(release, model)) == []
    assert request.path == RESPONSES
    assert request.http2
    assert header(request, "host") == "127.0.0.1:9"
    assert body_of(request)["store"] is False
    assert body_of(request)["stream"] is True


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", ["stream", "rich"])
async def test_a_model_request_with_an_api_key(release: str, kind: str) -> None:
    side = Side(profile=release, own=key_accounts("key"))
    body = {"model": FULL, **BODIES[kind]}
    request = await side.sent(side.exchange(body=body))
    assert differences(release, request) == []
    assert request.path == "/v1/responses"
    assert header(request, "authorization") == "Bearer sk-key-of-key"
    assert header(request, "chatgpt-account-id") is None


async def test_an_api_key_s_upstream_takes_what_the_public_api_takes() -> None:
    body = {"model": FULL, "input": "Hi", "temperature": 0.1, "max_output_tokens": 5}
    keyed = await Side(own=key_accounts("key")).sent(
        Side(own=key_accounts("key")).exchange(body=body)
    )
    assert {"temperature", "max_output_tokens"} <= body_of(keyed).keys()
    signed = await Side().sent(Side().exchange(body=body))
    assert not {"temperature", "max_output_tokens"} & body_of(signed).keys()


@pytest.mark.parametrize(("release", "model", "kind"), CASES)
async def test_a_message_over_websocket(release: str, model: str, kind: str) -> None:
    side = Side(profile=release).with_models()
    exchange = side.socket()
    upgrade = await side.sent(exchange)
    assert differences(release, upgrade) == []
    assert not upgrade.http2
    assert header(upgrade, "sec-websocket-key") == "kJKYjFSFJAcFy82rHKATUg=="
    for more in ({"generate": False}, {}):
        message = {"type": "response.create", "model": model, **BODIES[kind], **more}
        frame = side.provider.client_frame(exchange, json.dumps(message).encode())
        assert frame_differences(release, frame, shape=shape_of(release, model)) == []


@pytest.mark.parametrize("release", RELEASES)
async def test_the_title_request_of_a_conversation(release: str) -> None:
    """OpenCode's: the same session, a system prompt of its own, no tools."""
    side = Side(profile=release)
    headers = [("session-id", "ses_1234"), ("x-session-affinity", "ses_1234")]
    main = {"model": FULL, **BODIES["rich"], "prompt_cache_key": "ses_1234"}
    title = {
        "model": FULL,
        "instructions": "You write titles.",
        "input": [SAID],
        "stream": True,
        "prompt_cache_key": "ses_1234",
    }
    sent = [
        await side.sent(side.exchange(body=body, headers=headers))
        for body in (main, title, main, title)
    ]
    for request in sent:
        assert differences(release, request) == []
    sessions = {header(request, "session-id") or header(request, "session_id") for request in sent}
    assert len(sessions) == 1
    accounts_used = {header(request, "authorization") for request in sent}
    assert len(accounts_used) == 1, "they run at the same time, and belong together"


@pytest.mark.parametrize("release", RELEASES)
async def test_a_chat_request(release: str) -> None:
    side = Side(profile=release)
    body = {
        "model": FULL,
        "messages": [{"role": "system", "content": "Brief."}, SAID],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "temperature": 1,
        "stream": True,
    }
    request = await side.sent(side.exchange("/v1/chat/completions", body))
    assert differences(release, request) == []


@pytest.mark.parametrize("release", RELEASES)
async def test_a_member_that_nobody_knows_is_sent(release: str) -> None:
    """The upstream is asked, and what it refuses is learned."""
    side = Side(profile=release)
    request = await side.sent(side.exchange(body={"model": FULL, "input": "Hi", "brand_new": 1}))
    assert body_of(request)["brand_new"] == 1
    assert [d.path for d in differences(release, request)] == ["body:brand_new"]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("transport", ["http", "websocket"])
async def test_words_of_the_caller_s_own_are_kept(release: str, transport: str) -> None:
    """Those of official clients are the release's alone; whose they are, only such a client says
    (0.169.0 has ``mcp_attribution``, 0.142.0 has not)."""
    words = {"mine": "1", "x-codex-later": "2", "mcp_attribution": "3"}
    for headers in ((), (("originator", "codex_exec"),)):
        side = Side(profile=release)
        known = load(release).members("client_metadata")
        body = {"model": FULL, "input": [SAID], "stream": True, "client_metadata": words}
        if transport == "http":
            sent = body_of(await side.sent(side.exchange(body=body, headers=headers)))
        else:
            exchange = side.socket(*headers)
            await side.sent(exchange)
            message = json.dumps({"type": "response.create", **body}).encode()
            sent = json.loads(side.provider.client_frame(exchange, message))
        found = {name: word for name, word in sent["client_metadata"].items() if name in words}
        own = set() if headers else words.keys() - {"x-codex-later"}
        assert found.keys() == own | (words.keys() & known)
        assert found.items() <= words.items()


async def test_what_cannot_be_sent_is_refused_with_its_name() -> None:
    side = Side()
    exchange = side.exchange(body={"model": FULL, "input": "Hi", "previous_response_id": "resp_1"})
    with pytest.raises(ClientError, match="previous_response_id") as caught:
        await side.sent(exchange)
    assert caught.value.param == "previous_response_id"


# --- what never goes upstream --------------------------------------------------------------------

SECRET = "s3cret-of-the-client"
SECRET_HEADERS = [
    *("authorization", "Authorization", "x-api-key", "api-key", "cookie", "Cookie", "cookie2"),
    *("proxy-authorization", "chatgpt-account-id", "ChatGPT-Account-ID", "openai-organization"),
    *("openai-project", "x-oai-attestation", "x-forwarded-for", "forwarded", "x-real-ip", "via"),
]
HARMLESS_HEADERS = ["x-custom", "user-agent", "accept", "originator", "version", "content-type"]


@st.composite
def header_sets(draw: st.DrawFn) -> list[tuple[str, str]]:
    secret = st.tuples(
        st.sampled_from(SECRET_HEADERS),
        st.sampled_from([f"Bearer {SECRET}", SECRET, f"a={SECRET}; b=1"]),
    )
    harmless = st.tuples(st.sampled_from(HARMLESS_HEADERS), st.just("plain"))
    return draw(st.lists(st.one_of(secret, harmless), max_size=12))


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/responses", "POST"),
        (RESPONSES, "POST"),
        ("/v1/chat/completions", "POST"),
        ("/v1/responses", "UPGRADE"),
        ("/backend-api/wham/usage", "GET"),
        ("/backend-api/wham/tasks", "GET"),
        ("/backend-api/ps/mcp", "POST"),
    ],
)
@given(headers=header_sets())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_client_s_own_sign_in_never_goes_upstream(
    sides: dict[str, Side], path: str, method: str, headers: list[tuple[str, str]]
) -> None:
    for side in sides.values():
        if method == "UPGRADE":
            exchange = side.socket(*headers)
        else:
            body: dict[str, Any] | None = None
            if "chat" in path:
                body = {"model": FULL, "messages": [SAID]}
            exchange = side.exchange(path, body, method=method, headers=headers)
        request = await side.sent(exchange)
        assert SECRET not in everything(request)
        assert header(request, "authorization") == "Bearer token-of-ada"
        assert header(request, "chatgpt-account-id") == _account_id(side)
        assert [name for name, _ in request.headers if b"cookie" in name.lower()] == []


@pytest.fixture(scope="module")
def sides() -> dict[str, Side]:
    return {release: Side(profile=release, own=accounts("ada")) for release in RELEASES}


def _account_id(side: Side) -> str:
    found: str = side.own[0].credential.account_id  # type: ignore[attr-defined]
    return found
