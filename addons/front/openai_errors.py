"""Errors in OpenAI's shape, for the two OpenAI protocols, and back.

``{"error": {"message", "type", "param", "code"}}``: the body of every error answer, and what a
chat completion stream carries when it fails half-way. Further members (an error's ``details``)
tell clients that know them when a used-up limit resets.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from addons.errors import ClientError
from addons.front.contract import Json
from addons.front.patience import LONGEST

# OpenAI says invalid_request_error for every 4xx that is the caller's to mend (a wrong key comes as
# 401 invalid_request_error, code invalid_api_key) and server_error for its own failures.
_TYPES = {
    "authentication_error": "invalid_request_error",
    "permission_error": "invalid_request_error",
    "not_found_error": "invalid_request_error",
    "api_error": "server_error",
}

# What trying again can't mend, whatever the status.
_PERMANENT = frozenset({"insufficient_quota", "usage_not_included", "unsupported_value"})

_FAILURES: Final[dict[str, int]] = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "usage_not_included": 429,
    "usage_limit_reached": 429,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "cyber_policy": 400,
    "bio_policy": 400,
    "misalignment_policy_violation": 400,
    "data_residency_mismatch": 400,
    "previous_response_not_found": 400,
}
"""Status for the codes of a failed response: those that the official client knows (recorded from
0.147.0 and 0.169.0) and the public ones of the Responses API."""


def error_object(error: ClientError) -> Json:
    """The ``error`` member."""
    return {
        "message": error.message,
        "type": _TYPES.get(error.kind, error.kind),
        "param": error.param,
        "code": error.code,
        **error.details,
    }


def render(error: ClientError) -> tuple[dict[str, str], bytes]:
    """Headers and body of an error answer."""
    headers = {"content-type": "application/json", **retry_headers(error)}
    body = json.dumps({"error": error_object(error)}, separators=(",", ":")).encode()
    return headers, body


def retry_headers(error: ClientError) -> dict[str, str]:
    """What tells a client whether and when to try again.

    ``retry-after`` is in whole seconds, rounded up; some clients must not be given a long one, see
    :mod:`addons.front.patience`. ``x-should-retry: false`` stops the SDKs, which would otherwise
    try 408, 409, 429 and 5xx again, where that can't help: permanent errors, and waits longer than
    they are ready to wait (they ignore a ``retry-after`` of more than a minute).
    """
    headers: dict[str, str] = {}
    wait = error.retry_after
    if wait is not None:
        headers["retry-after"] = str(max(0, math.ceil(wait)))
    if error.code in _PERMANENT or (wait is not None and wait > LONGEST):
        headers["x-should-retry"] = "false"
    return headers


def failed_response_error(error: ClientError) -> Json:
    """The ``error`` member of a failed response.

    Its codes are a closed list, and clients decide by it whether to try again (OpenCode retries
    ``server_error`` and gives up on a code it does not know), so floway's own codes become the
    nearest of the list; the message tells the rest.
    """
    code = error.code
    if code not in _FAILURES:
        if error.status >= 500:
            code = "server_error"
        else:
            code = "rate_limit_exceeded" if error.status == 429 else "invalid_prompt"
    return {"code": code, "message": error.message}


def response_failure(error: Any) -> ClientError:
    """The failure that a failed response (its ``error`` member), or the ``error`` event of a
    stream, tells of.

    Unknown and missing codes are the upstream's fault: 502.
    """
    details = error if isinstance(error, dict) else {}
    code = details.get("code") or details.get("type")
    message = details.get("message")
    param = details.get("param")
    if not isinstance(code, str):
        code = "server_error"
    status = _FAILURES.get(code)
    if status is None:
        status = 400 if "image" in code else 502
    return ClientError(
        status,
        code,
        message if isinstance(message, str) and message else "The upstream's response failed.",
        param=param if isinstance(param, str) else None,
    )
