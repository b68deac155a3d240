from __future__ import annotations

import json
from typing import Any

import pytest

from addons.errors import ClientError
from addons.front.openai_errors import failed_response_error, render, response_failure


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_json", "invalid_request_error"),
        (401, "invalid_api_key", "invalid_request_error"),
        (403, "forbidden", "invalid_request_error"),
        (404, "model_not_found", "invalid_request_error"),
        (413, "body_too_large", "invalid_request_error"),
        (429, "rate_limit_exceeded", "rate_limit_error"),
        (500, "internal", "server_error"),
        (502, "upstream_truncated", "server_error"),
        (503, "server_is_overloaded", "server_error"),
    ],
)
def test_the_error_object(status: int, code: str, kind: str) -> None:
    headers, body = render(ClientError(status, code, "Say “why”.", param="a[0].b"))
    assert json.loads(body) == {
        "error": {"message": "Say “why”.", "type": kind, "param": "a[0].b", "code": code}
    }
    assert headers == {"content-type": "application/json"}


def test_an_explicit_kind_is_kept() -> None:
    _, body = render(ClientError(429, "x", "m", kind="insufficient_quota"))
    assert json.loads(body)["error"]["type"] == "insufficient_quota"


@pytest.mark.parametrize(
    ("wait", "header", "pointless"),
    [
        *((0.0, "0", False), (0.2, "1", False), (-3.0, "0", False), (60.0, "60", False)),
        *((60.5, "61", True), (7200.0, "7200", True)),
    ],
)
def test_retry_after(wait: float, header: str, pointless: bool) -> None:
    headers, _ = render(ClientError(429, "all_accounts_cooling", "m", retry_after=wait))
    assert headers.get("retry-after") == header
    assert headers.get("x-should-retry") == ("false" if pointless else None)


def test_details_stand_in_the_error_object() -> None:
    error = ClientError(429, "usage_limit_reached", "m", details={"resets_in_seconds": 600})
    assert json.loads(render(error)[1])["error"]["resets_in_seconds"] == 600


def test_no_one_is_told_to_retry_without_quota() -> None:
    headers, _ = render(ClientError(429, "insufficient_quota", "m"))
    assert headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"code": "rate_limit_exceeded", "message": "m"}, 429, "rate_limit_exceeded"),
        ({"type": "usage_limit_reached", "message": "m"}, 429, "usage_limit_reached"),
        ({"code": "server_is_overloaded", "message": "m"}, 503, "server_is_overloaded"),
        ({"code": "context_length_exceeded", "message": "m"}, 400, "context_length_exceeded"),
        ({"code": "invalid_image_url", "message": "m"}, 400, "invalid_image_url"),
        ({"code": "never_heard_of", "message": "m"}, 502, "never_heard_of"),
        ({"code": 5, "message": "m"}, 502, "server_error"),
        (None, 502, "server_error"),
        ("text", 502, "server_error"),
    ],
)
def test_failures_of_a_response(error: Any, status: int, code: str) -> None:
    failure = response_failure(error)
    assert (failure.status, failure.code) == (status, code)
    assert failure.message == (
        "m" if isinstance(error, dict) else "The upstream's response failed."
    )


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (502, "upstream_truncated", "server_error"),
        (503, "server_is_overloaded", "server_is_overloaded"),
        (429, "usage_limit_reached", "usage_limit_reached"),
        (429, "all_accounts_cooling", "rate_limit_exceeded"),
        (400, "context_length_exceeded", "context_length_exceeded"),
        (400, "unsupported_value", "invalid_prompt"),
    ],
)
def test_codes_of_a_failed_response_are_of_the_published_list(
    status: int, code: str, told: str
) -> None:
    assert failed_response_error(ClientError(status, code, "m")) == {"code": told, "message": "m"}
