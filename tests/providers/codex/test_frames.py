"""WebSocket messages: reading, classifying, and errors that the client does not miss."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import BadRequest, ClientError
from addons.providers.codex import frames
from addons.providers.codex.frames import ServerKind
from addons.providers.codex.verdicts import judge_event
from addons.providers.contract import NextAccount


def test_a_clients_message() -> None:
    text = b'{"type":"response.create","model":"m","previous_response_id":"resp_1","input":[]}'
    found = frames.parse_client(text)
    assert list(found.body) == ["model", "previous_response_id", "input"]
    assert (found.previous, found.prewarm) == ("resp_1", False)
    assert frames.encode({"type": frames.CREATE, **found.body}) == text


def test_a_prewarm() -> None:
    found = frames.parse_client('{"type":"response.create","model":"m","generate":false}')
    assert found.prewarm
    assert found.previous == ""


@pytest.mark.parametrize(
    ("text", "code", "param"),
    [
        (b"", "invalid_json", None),
        (b"\xff", "invalid_json", None),
        (b"[]", "invalid_type", None),
        (b"{}", "unknown_message_type", "type"),
        (b'{"type":"response.append"}', "unknown_message_type", "type"),
        (b'{"type":["response.create"]}', "unknown_message_type", "type"),
        (b'{"type":"response.create"}', "missing_model", "model"),
        (b'{"type":"response.create","model":3}', "missing_model", "model"),
        (
            b'{"type":"response.create","model":"m","previous_response_id":3}',
            "invalid_type",
            "previous_response_id",
        ),
    ],
)
def test_messages_that_are_refused(text: bytes, code: str, param: str | None) -> None:
    with pytest.raises(BadRequest) as caught:
        frames.parse_client(text)
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("response.completed", ServerKind.TERMINAL),
        ("response.done", ServerKind.TERMINAL),
        ("response.failed", ServerKind.TERMINAL),
        ("error", ServerKind.ERROR),
        ("codex.rate_limits", ServerKind.LIMITS),
        ("response.metadata", ServerKind.METADATA),
        ("response.created", ServerKind.PREAMBLE),
        ("response.output_text.delta", ServerKind.OUTPUT),
        ("something.new", ServerKind.OUTPUT),
        (None, ServerKind.OUTPUT),
        (["x"], ServerKind.OUTPUT),
    ],
)
def test_kinds_of_the_upstreams_messages(kind: Any, expected: ServerKind) -> None:
    assert frames.server_kind({"type": kind}) is expected


def test_the_upstreams_messages_that_are_no_objects_are_passed_on() -> None:
    assert frames.server_message(b"[1]") is None
    assert frames.server_message(b"nope") is None
    assert frames.server_message('{"type":"x"}') == {"type": "x"}


def test_turn_state_of_a_metadata_message() -> None:
    assert frames.turn_state({"headers": {"X-Codex-Turn-State": "opaque"}}) == "opaque"
    for odd in (
        {},
        {"headers": []},
        {"headers": {"x-codex-turn-state": ""}},
        {"headers": {"a": 1}},
    ):
        assert frames.turn_state(odd) is None


def test_response_ids() -> None:
    assert frames.response_id({"response": {"id": "resp_1"}}) == "resp_1"
    for odd in ({}, {"response": None}, {"response": {"id": 3}}):
        assert frames.response_id(odd) == ""


def test_an_error_without_status_is_given_one() -> None:
    message: dict[str, Any] = {"type": "error", "error": {"code": "x"}}
    assert frames.with_status(message, 500)
    assert message["status"] == 500
    assert not frames.with_status(message, 400)
    assert not frames.with_status({"type": "error", "status_code": 429}, 500)
    assert not frames.with_status({"type": "response.failed"}, 500)


def test_an_error_of_the_proxy_has_what_the_client_looks_for() -> None:
    error = ClientError(
        429,
        "usage_limit_reached",
        "used up",
        kind="usage_limit_reached",
        retry_after=1.2,
        details={"resets_at": 5, "plan_type": "plus"},
    )
    assert json.loads(frames.error_message(error)) == {
        "type": "error",
        "status": 429,
        "error": {
            "type": "usage_limit_reached",
            "code": "usage_limit_reached",
            "message": "used up",
            "param": None,
            "resets_at": 5,
            "plan_type": "plus",
        },
        "headers": {"retry-after": "2"},
    }
    assert json.loads(frames.error_message(ClientError(502, "x", "y")))["error"]["type"] == (
        "server_error"
    )


def test_the_proxys_errors_are_read_as_what_they_are() -> None:
    error = ClientError(429, "usage_limit_reached", "x", details={"resets_in_seconds": 60})
    message = frames.server_message(frames.error_message(error))
    assert message is not None
    found = judge_event(message, model="m", now=0.0)
    assert isinstance(found, NextAccount)
    assert found.cooldown == 60


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_no_bytes_break_the_readers(text: bytes | str) -> None:
    frames.server_message(text)
    with pytest.raises(BadRequest):  # none of them is a whole message
        frames.parse_client(text)
