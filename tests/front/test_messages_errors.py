"""Errors in Anthropic's shape."""

from __future__ import annotations

import json

import pytest
from anthropic.types import ErrorResponse

from addons.errors import BadRequest, ClientError
from addons.front.messages_errors import event, render
from addons.front.sse import EventStream


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadRequest("invalid_value", "No.", param="messages"), "invalid_request_error"),
        (ClientError(401, "invalid_api_key", "No."), "authentication_error"),
        (ClientError(402, "payment", "No."), "billing_error"),
        (ClientError(403, "forbidden", "No."), "permission_error"),
        (ClientError(404, "model_not_found", "No."), "not_found_error"),
        (ClientError(405, "method_not_allowed", "No."), "invalid_request_error"),
        (ClientError(413, "request_too_large", "No."), "request_too_large"),
        (ClientError(429, "all_accounts_cooling", "No."), "rate_limit_error"),
        (ClientError(500, "server_error", "No."), "api_error"),
        (ClientError(502, "upstream_truncated", "No."), "api_error"),
        (ClientError(503, "server_is_overloaded", "No."), "overloaded_error"),
        (ClientError(503, "slow_down", "No."), "overloaded_error"),
        (ClientError(503, "starting", "No."), "api_error"),
        (ClientError(504, "timeout", "No."), "timeout_error"),
        (ClientError(529, "overloaded", "No."), "overloaded_error"),
    ],
)
def test_types(error: ClientError, kind: str) -> None:
    headers, body = render(error)
    told = json.loads(body)
    assert told == {
        "type": "error",
        "error": {"type": kind, "message": "No."},
        "request_id": headers["request-id"],
    }
    assert headers["content-type"] == "application/json"
    if kind != "request_too_large":  # the API has it, the SDK's types do not
        ErrorResponse.model_validate(told, strict=True)


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (None, {}),
        (2.1, {"retry-after": "3"}),
        (3600.0, {"retry-after": "3600", "x-should-retry": "false"}),
    ],
)
def test_when_to_try_again(wait: float | None, expected: dict[str, str]) -> None:
    headers, _ = render(ClientError(429, "rate_limit_exceeded", "Later.", retry_after=wait))
    del headers["content-type"], headers["request-id"]
    assert headers == expected


def test_a_prompt_that_is_too_long() -> None:
    """Claude Code looks for these words."""
    error = ClientError(400, "context_length_exceeded", "Your input exceeds the window.")
    message = json.loads(render(error)[1])["error"]["message"]
    assert message == "prompt is too long: Your input exceeds the window."
    error = ClientError(400, "context_length_exceeded", "Prompt is too long: 9 > 8.")
    assert json.loads(render(error)[1])["error"]["message"] == "Prompt is too long: 9 > 8."


def test_the_event_of_a_stream() -> None:
    [told] = EventStream().feed(event(ClientError(503, "slow_down", "Busy.")))
    assert told.event == "error"
    data = json.loads(told.data)
    assert data["type"] == "error"
    assert data["error"] == {"type": "overloaded_error", "message": "Busy."}
    assert data["request_id"].startswith("req_")
