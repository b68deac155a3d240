"""Messages of an open WebSocket: whose they are, what they look like, what is learned from them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import ClientError
from addons.exchange import Exchange
from addons.providers.contract import Outcome
from tests.providers.codex.exchanges import FULL, LITE, SAID, Side, accounts, header

TOOLS = [{"type": "function", "name": "f", "parameters": {}, "strict": False}]
COMPLETED = {"type": "response.completed", "response": {"id": "resp_1", "usage": None}}


def create(model: str = FULL, **members: Any) -> bytes:
    message = {"type": "response.create", "model": model, "input": [SAID], **members}
    return json.dumps(message).encode()


async def opened(side: Side, *headers: tuple[str, str]) -> Exchange:
    exchange = side.socket(*headers)
    await side.sent(exchange)
    return exchange


def sent(side: Side, exchange: Exchange, text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(side.provider.client_frame(exchange, text))
    return found


def metadata(message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message["client_metadata"]["x-codex-turn-metadata"])
    return found


def told(side: Side, exchange: Exchange, event: dict[str, Any]) -> bytes:
    return side.provider.server_frame(exchange, json.dumps(event, separators=(",", ":")).encode())


# --- identity ------------------------------------------------------------------------------------


async def test_messages_are_of_the_connection_s_thread() -> None:
    side = Side()
    exchange = side.socket()
    upgrade = await side.sent(exchange)
    inputs = ([SAID], [SAID, {"role": "assistant", "content": "a"}, SAID])
    messages = [sent(side, exchange, create(input=each)) for each in inputs]
    sessions = {metadata(message)["session_id"] for message in messages}
    assert sessions == {header(upgrade, "session-id")}
    turns = {metadata(message)["turn_id"] for message in messages}
    assert len(turns) == 2, "each question is a turn"
    assert all(message["type"] == "response.create" for message in messages)


async def test_a_message_that_names_itself_is_believed() -> None:
    side = Side()
    exchange = await opened(side)
    own = "01a1fc65-f0a6-7a82-9f9d-1d6c86602b70"
    said = json.dumps({"session_id": own, "thread_id": own, "turn_id": own})
    message = sent(side, exchange, create(client_metadata={"x-codex-turn-metadata": said}))
    assert metadata(message)["session_id"] == own
    assert metadata(message)["turn_id"] == own


async def test_another_connection_is_another_thread() -> None:
    side = Side()
    found = [metadata(sent(side, await opened(side), create()))["session_id"] for _ in range(2)]
    assert found[0] != found[1]


async def test_a_message_goes_with_the_connection_s_account() -> None:
    side = Side()
    exchange = await opened(side)
    installations = {
        sent(side, exchange, create())["client_metadata"]["x-codex-installation-id"]
        for _ in range(2)
    }
    assert installations == {side.provider._memory.installation(side.own[0])}


# --- shape, and the way back ---------------------------------------------------------------------


async def test_a_continued_message_does_not_repeat_what_was_said() -> None:
    """In the lite shape tools and instructions are in the input, which the upstream has."""
    side = Side().with_models()
    exchange = await opened(side)
    common: dict[str, Any] = {"instructions": "Brief.", "tools": TOOLS}
    first = sent(side, exchange, create(LITE, **common))
    second = sent(side, exchange, create(LITE, **common, previous_response_id="resp_1"))
    other = sent(side, exchange, create(LITE, instructions="Long.", previous_response_id="resp_1"))
    assert len(first["input"]) == 3
    assert len(second["input"]) == 1
    assert second["previous_response_id"] == "resp_1"
    assert len(other["input"]) == 2, "other instructions have to be said"


async def test_a_response_has_the_caller_s_own_values() -> None:
    side = Side().with_models()
    exchange = await opened(side)
    sent(side, exchange, create(LITE, instructions="Brief.", tools=TOOLS))
    event = {"type": "response.created", "response": {"instructions": None, "tools": []}}
    response = json.loads(told(side, exchange, event))["response"]
    assert response == {"instructions": "Brief.", "tools": TOOLS}


async def test_what_needs_no_change_passes_byte_for_byte() -> None:
    side = Side()
    exchange = await opened(side)
    sent(side, exchange, create())
    for text in (
        b'{ "type" : "response.output_text.delta", "delta": "x" }',
        b'{"type":"response.in_progress","response":{}}',
        b'{"type":"codex.rate_limits","rate_limits":{}}',
        b'{"type":"response.output_item.done","item":{"encrypted_content":"s"}}',
        b'{"type":"response.created","response":7}',
        b"not JSON",
        b"[]",
        b"",
    ):
        assert side.provider.server_frame(exchange, text) == text


FRAMES = st.one_of(
    st.binary(max_size=40),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "response", "error", "headers", "item", "status", "x"]),
                inner | st.sampled_from(["error", "response.completed", "codex.rate_limits"]),
                max_size=4,
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)


@given(FRAMES)
async def test_nothing_that_an_upstream_says_raises(text: bytes) -> None:
    side, exchange = await _shared()
    assert isinstance(side.provider.server_frame(exchange, text), bytes)


_SHARED: list[tuple[Side, Exchange]] = []


async def _shared() -> tuple[Side, Exchange]:
    if not _SHARED:
        side = Side()
        exchange = await opened(side)
        sent(side, exchange, create())
        _SHARED.append((side, exchange))
    return _SHARED[0]


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{", "invalid_json"),
        (b"[]", "invalid_type"),
        (b'{"type":"response.append"}', "unknown_message_type"),
        (b'{"type":"response.create"}', "missing_model"),
        (create(conversation="c"), "unsupported_parameter"),
        (create(tools=7), "invalid_type"),
    ],
)
async def test_what_is_none_of_the_protocol(text: bytes, code: str) -> None:
    side = Side().with_models()
    exchange = await opened(side)
    if code == "invalid_type" and text != b"[]":
        text = create(LITE, tools=7)
    with pytest.raises(ClientError) as caught:
        side.provider.client_frame(exchange, text)
    assert caught.value.code == code
    frame = json.loads(side.provider.error_frame(exchange, caught.value))
    assert (frame["type"], frame["status"]) == ("error", 400)
    assert frame["error"]["code"] == code


async def test_an_error_without_a_status_is_given_one() -> None:
    """Without it the official client waits for five minutes (codex-wire.md §9 no. 12)."""
    side = Side(own=accounts("ada"))
    exchange = await opened(side)
    sent(side, exchange, create())
    limit = {"type": "error", "error": {"type": "usage_limit_reached"}}
    assert json.loads(told(side, exchange, limit))["status"] == 429
    own = {"type": "error", "status": 418, "error": {"code": "x"}}
    assert json.loads(told(side, exchange, own)) == own
    unknown = {"type": "error", "error": {"code": "never_heard_of"}}
    assert json.loads(told(side, exchange, unknown))["status"] == 400


async def test_a_limit_cools_the_account_for_the_next_connection() -> None:
    side = Side()
    exchange = await opened(side)
    sent(side, exchange, create())
    error = {"type": "usage_limit_reached", "resets_in_seconds": 600}
    told(side, exchange, {"type": "error", "status": 429, "error": error})
    again = await opened(side)
    assert again.attempts[0].account == "ben"


# --- another account takes over ------------------------------------------------------------------

RECONNECT = "websocket_connection_limit_reached"
LIMIT: dict[str, Any] = {"type": "usage_limit_reached", "resets_in_seconds": 600}
REFUSALS: dict[str, dict[str, Any]] = {
    "used up": {"type": "error", "status": 429, "error": LIMIT},
    "overload": {"type": "error", "status": 503, "error": {"code": "server_is_overloaded"}},
    "in a response": {"type": "response.failed", "response": {"error": {"code": "slow_down"}}},
    "no status": {"type": "error", "error": LIMIT},
    "expired token": {"type": "error", "status": 401, "error": {"code": "token_expired"}},
    "dead token": {"type": "error", "status": 401, "error": {"code": "token_invalidated"}},
}


def code_of(message: bytes) -> str | None:
    found = json.loads(message)
    return found["error"]["code"] if found["type"] == "error" else None


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_before_output_the_client_is_made_to_connect_again(refusal: str) -> None:
    side = Side()
    exchange = await opened(side)
    sent(side, exchange, create())
    told(side, exchange, {"type": "response.created", "response": {}})
    message = json.loads(told(side, exchange, REFUSALS[refusal]))
    assert (message["type"], message["status"]) == ("error", 400)
    assert message["error"]["code"] == RECONNECT
    assert "ada" not in json.dumps(message)
    again = await opened(side)
    assert again.attempts[0].account == "ben"


async def test_after_output_the_client_is_told_what_happened() -> None:
    side = Side()
    exchange = await opened(side)
    sent(side, exchange, create())
    told(side, exchange, {"type": "response.output_text.delta", "delta": "x"})
    message = told(side, exchange, REFUSALS["used up"])
    assert json.loads(message)["status"] == 429
    with pytest.raises(ClientError) as caught:
        side.provider.client_frame(exchange, create())
    assert (caught.value.status, caught.value.code) == (400, RECONNECT)
    assert (await opened(side)).attempts[0].account == "ben"


async def test_nobody_else_can_serve() -> None:
    side = Side()
    exchange = await opened(side)
    sent(side, exchange, create())
    pool = side.provider._memory.pool
    now = side.clock()
    pool.cool(side.own[1], None, now + 60, "busy", now=now)
    message = json.loads(told(side, exchange, REFUSALS["used up"]))
    assert message["status"] == 429
    assert "ada" in message["error"]["message"]
    assert "ben" in message["error"]["message"]
    assert message["headers"] == {"retry-after": "60"}
    assert sent(side, exchange, create()), "the upstream may know better"


async def test_the_server_s_trouble_is_no_account_s_the_first_time() -> None:
    side = Side()
    failure = {"type": "error", "status": 500, "error": {"type": "server_error"}}
    session = ("session-id", "01a1fc65-f0a6-7a82-9f9d-1d6c86602b70")
    for account, status in (("ada", 400), ("ada", 400), ("ben", 500)):
        exchange = await opened(side, session)
        assert exchange.attempts[0].account == account
        sent(side, exchange, create())
        assert json.loads(told(side, exchange, failure))["status"] == status
        side.clock.now += 0.2


async def test_what_is_the_client_s_own_fault_is_passed_on() -> None:
    side = Side()
    exchange = await opened(side)
    sent(side, exchange, create())
    for code in ("context_length_exceeded", RECONNECT, "previous_response_not_found"):
        for status in (400, 429, 503):
            message = {"type": "error", "status": status, "error": {"code": code}}
            assert json.loads(told(side, exchange, message)) == message
    assert list(side.provider._memory.pool.cooldowns) == []


async def test_the_account_that_a_person_wants_takes_over_an_open_connection() -> None:
    side = Side()
    exchange = await opened(side)
    sent(side, exchange, create())
    side.provider._memory.pool.pinned = side.own[1].handle
    with pytest.raises(ClientError) as caught:
        side.provider.client_frame(exchange, create())
    assert caught.value.code == RECONNECT
    assert (await opened(side)).attempts[0].account == "ben"


async def test_a_refused_upgrade_moves_on() -> None:
    side = Side()
    exchange = await opened(side)
    side.answered(exchange, 429, {"error": {"type": "usage_limit_reached", "resets_in_seconds": 9}})
    request = await side.sent(exchange)
    assert exchange.attempts[-1].account == "ben"
    assert header(request, "sec-websocket-key") == "kJKYjFSFJAcFy82rHKATUg=="


@pytest.mark.parametrize("end", ["response.completed", "response.incomplete"])
async def test_a_finished_response_binds_the_conversation(end: str) -> None:
    side = Side()
    exchange = await opened(side, ("session-id", "01a1fc65-f0a6-7a82-9f9d-1d6c86602b70"))
    affinity = side.provider._memory.pool.affinity
    assert len(affinity) == 0
    sent(side, exchange, create())
    usage = {"input_tokens": 5, "output_tokens": 2}
    told(side, exchange, {"type": end, "response": {"id": "r", "usage": usage}})
    binding = affinity.get(exchange.conversation, side.clock())
    assert binding is not None
    assert binding.handle == side.own[0].handle
    assert exchange.summary["usage"]["input"] == 5


async def test_closing_a_connection_binds_nothing() -> None:
    side = Side()
    exchange = await opened(side)
    await side.over(exchange, Outcome.COMPLETED)
    assert len(side.provider._memory.pool.affinity) == 0


async def test_reasoning_that_the_account_cannot_read_is_not_sent_again() -> None:
    side = Side()
    exchange = await opened(side)
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "sealed"}
    assert "sealed" in json.dumps(sent(side, exchange, create(input=[sealed, SAID])))
    error = {"code": "invalid_encrypted_content"}
    told(side, exchange, {"type": "error", "status": 400, "error": error})
    assert "sealed" not in json.dumps(sent(side, exchange, create(input=[sealed, SAID])))
