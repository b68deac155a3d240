"""WebSocket messages: reading, classifying, and errors in the form that the client understands.

Pure. One JSON object per text message (codex-wire.md §3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from addons.errors import BadRequest, ClientError

type Json = dict[str, Any]

CREATE = "response.create"
"""The only type that a client sends."""

RETRYABLE = frozenset({"websocket_connection_limit_reached", "previous_response_not_found"})
"""Error codes at which the official client reconnects once and sends its whole input."""


class ServerKind(StrEnum):
    """What a message of the upstream is to the proxy."""

    TERMINAL = "terminal"  # response.completed, .incomplete, .failed
    ERROR = "error"
    LIMITS = "limits"  # codex.rate_limits
    METADATA = "metadata"  # response.metadata, codex.response.metadata
    PREAMBLE = "preamble"  # response.created, .in_progress, timings
    OUTPUT = "output"  # everything else


_KINDS = {
    "response.completed": ServerKind.TERMINAL,
    "response.done": ServerKind.TERMINAL,
    "response.incomplete": ServerKind.TERMINAL,
    "response.failed": ServerKind.TERMINAL,
    "error": ServerKind.ERROR,
    "codex.rate_limits": ServerKind.LIMITS,
    "response.metadata": ServerKind.METADATA,
    "codex.response.metadata": ServerKind.METADATA,
    "response.created": ServerKind.PREAMBLE,
    "response.queued": ServerKind.PREAMBLE,
    "response.in_progress": ServerKind.PREAMBLE,
    "responsesapi.websocket_timing": ServerKind.PREAMBLE,
    "keepalive": ServerKind.PREAMBLE,
}


@dataclass(frozen=True, slots=True)
class Create:
    """A client's ``response.create``.

    Attributes:
        body: the message without its type: a Responses body with ``previous_response_id`` and
            ``generate`` where the client gave them.
        prewarm: ``generate: false``: nothing is to be answered but the response's id.
        previous: ``previous_response_id``; "" when the message stands alone.
    """

    body: Json
    prewarm: bool
    previous: str


def parse_client(text: bytes | str) -> Create:
    """Read a client's message.

    Raises:
        BadRequest: not a JSON object, or not a ``response.create`` with a model.
    """
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest("invalid_json", f"The WebSocket message is not JSON: {error}.") from error
    if not isinstance(message, dict):
        raise BadRequest("invalid_type", "The WebSocket message must be a JSON object.")
    kind = message.get("type")
    if kind != CREATE:
        said = f"{kind[:60]!r}" if isinstance(kind, str) else "none"
        raise BadRequest(
            "unknown_message_type",
            f"The message's type must be {CREATE!r}, the one that the protocol has; it is {said}.",
            param="type",
        )
    body = {name: value for name, value in message.items() if name != "type"}
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequest("missing_model", "model must be the name of a model.", param="model")
    previous = body.get("previous_response_id")
    if previous is not None and not isinstance(previous, str):
        raise BadRequest(
            "invalid_type", "previous_response_id must be a text.", param="previous_response_id"
        )
    return Create(body, body.get("generate") is False, previous or "")


def server_message(text: bytes | str) -> Json | None:
    """An upstream's message; None when it is not a JSON object (it is passed on as it is)."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return message if isinstance(message, dict) else None


def server_kind(message: Mapping[str, Any]) -> ServerKind:
    """See :class:`ServerKind`."""
    kind = message.get("type")
    return _KINDS.get(kind, ServerKind.OUTPUT) if isinstance(kind, str) else ServerKind.OUTPUT


def turn_state(message: Mapping[str, Any]) -> str | None:
    """``x-codex-turn-state`` of a metadata message's headers (codex-wire.md §1.7)."""
    headers = message.get("headers")
    if not isinstance(headers, dict):
        return None
    for name, value in headers.items():
        if name.lower() == "x-codex-turn-state" and isinstance(value, str) and value:
            return value
    return None


def response_id(message: Mapping[str, Any]) -> str:
    """Id of the response that a message carries; "" when it carries none."""
    response = message.get("response")
    found = response.get("id") if isinstance(response, dict) else None
    return found if isinstance(found, str) else ""


def encode(message: Mapping[str, Any]) -> bytes:
    """Compact JSON in UTF-8, members in the order given."""
    return orjson.dumps(message)


def with_status(message: Json, status: int) -> bool:
    """Give an error message a status where it has none, in place; True when it was changed.

    Without one the official client does not see an error and waits until its idle timeout of
    300 s (codex-wire.md §9 no. 12).
    """
    if message.get("type") != "error" or {"status", "status_code"} & message.keys():
        return False
    message["status"] = status
    return True


def error_message(error: ClientError) -> bytes:
    """An error of the proxy as a message: the form of codex-wire.md §3, always with a status."""
    body: Json = {
        "type": error.kind if error.kind != "api_error" else "server_error",
        "code": error.code,
        "message": error.message,
        "param": error.param,
        **error.details,
    }
    headers: Json = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(max(0.0, error.retry_after)))
    return encode({"type": "error", "status": error.status, "error": body, "headers": headers})
