"""Errors in Anthropic's shape.

``{"type": "error", "error": {"type", "message"}, "request_id"}``: the body of every error answer,
and the data of the ``error`` event of a stream that fails half-way. There is no place for a code
or a parameter; the messages name them.
"""

from __future__ import annotations

import secrets
from typing import Final

from addons.errors import ClientError
from addons.front.contract import Json
from addons.front.json_text import compact
from addons.front.openai_errors import retry_headers

REQUEST_ID: Final = "request-id"

_TYPES: Final[dict[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_OVERLOADED: Final = frozenset({"server_is_overloaded", "slow_down"})

_TOO_LONG: Final = "prompt is too long"
"""How Anthropic says it; Claude Code compacts its conversation when it reads this."""


def error_body(error: ClientError, request_id: str) -> Json:
    """The whole object."""
    message = error.message
    if error.code == "context_length_exceeded" and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    details = {"type": error_type(error), "message": message}
    return {"type": "error", "error": details, "request_id": request_id}


def error_type(error: ClientError) -> str:
    """Anthropic's word for what went wrong."""
    if error.code in _OVERLOADED:
        return "overloaded_error"
    if (found := _TYPES.get(error.status)) is not None:
        return found
    return "invalid_request_error" if error.status < 500 else "api_error"


def render(error: ClientError) -> tuple[dict[str, str], bytes]:
    """Headers and body of an error answer; ``retry-after`` as in
    :func:`addons.front.openai_errors.retry_headers`, since both SDKs are of one make."""
    request_id = new_request_id()
    headers = {
        "content-type": "application/json",
        REQUEST_ID: request_id,
        **retry_headers(error),
    }
    return headers, compact(error_body(error, request_id))


def event(error: ClientError) -> bytes:
    """The ``error`` event."""
    return b"event: error\ndata: " + compact(error_body(error, new_request_id())) + b"\n\n"


def new_request_id() -> str:
    """Names one error, for whoever reports it."""
    return f"req_{secrets.token_hex(12)}"
