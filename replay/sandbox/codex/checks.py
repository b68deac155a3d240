"""What the ChatGPT backend refuses in a model request, before any model sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from replay.sandbox.agent import input_items
from replay.sandbox.codex.models import find_model
from replay.sandbox.presets import (
    ErrorAnswer,
    detail,
    error,
    invalid_encrypted_content,
    model_missing,
    model_not_found,
)
from replay.sandbox.tokens import BadToken, unseal

HTTP_MEMBERS = frozenset(
    {
        "model",
        "instructions",
        "input",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "store",
        "stream",
        "stream_options",
        "include",
        "service_tier",
        "prompt_cache_key",
        "text",
        "client_metadata",
        "access_programs",
    }
)
"""Members of codex-wire.md §2.1. Everything else is an "Unsupported parameter"."""
SOCKET_MEMBERS = HTTP_MEMBERS | {"type", "previous_response_id", "generate"}
COMPACT_MEMBERS = frozenset(
    {
        "model",
        "input",
        "instructions",
        "tools",
        "parallel_tool_calls",
        "reasoning",
        "service_tier",
        "prompt_cache_key",
        "text",
    }
)
ENCRYPTED_TYPES = frozenset({"reasoning", "compaction", "compaction_summary"})
_TYPES: tuple[tuple[str, type | tuple[type, ...], str], ...] = (
    ("model", str, "string"),
    ("instructions", str, "string"),
    ("tools", list, "list"),
    ("parallel_tool_calls", bool, "boolean"),
    ("reasoning", dict, "object"),
    ("include", list, "list"),
    ("prompt_cache_key", str, "string"),
    ("text", dict, "object"),
    ("client_metadata", dict, "object"),
)


def backend_refusal(
    body: Mapping[str, Any],
    *,
    account_id: str,
    members: frozenset[str] = HTTP_MEMBERS,
    lenient: bool = False,
    named: Collection[str] = (),
) -> ErrorAnswer | None:
    """The backend's 400 for a ChatGPT request; None when it is fine.

    Args:
        members: top-level members that are allowed.
        lenient: every member and every model is.
        named: models beside those of the list.
    """
    for name in body:
        if name not in members and not lenient:
            return detail(400, f"Unsupported parameter: {name}")
    options = body.get("stream_options")
    if isinstance(options, dict):
        for name in options:
            if name != "reasoning_summary_delivery" and not lenient:
                return detail(400, f"Unsupported parameter: stream_options.{name}")
    if "store" in members and body.get("store") is not False:
        return detail(400, "Store must be set to false")
    if "stream" in members and body.get("stream") is not True:
        return detail(400, "Stream must be set to true")
    if not isinstance(body.get("input"), list):
        return detail(400, "Input must be a list")
    if any(item.get("role") == "system" for item in input_items(body)):
        return detail(400, "System messages are not allowed")
    if find_model(body.get("model"), lenient=lenient, named=named) is None:
        return wrong_type(body) or model_not_found(str(body.get("model")))
    return wrong_type(body) or foreign_content(body, account_id=account_id)


def api_refusal(
    body: Mapping[str, Any],
    *,
    account_id: str,
    lenient: bool = False,
    named: Collection[str] = (),
) -> ErrorAnswer | None:
    """The public API's 4xx, for API-key mode; None when the request is fine."""
    if find_model(body.get("model"), lenient=lenient, named=named) is None:
        return wrong_type(body) or model_missing(str(body.get("model")))
    if body.get("input") is None:
        message = "Missing required parameter: 'input'."
        return error(400, "invalid_request_error", "missing_required_parameter", message)
    return wrong_type(body) or foreign_content(body, account_id=account_id)


def previous_not_found(name: str) -> ErrorAnswer:
    """The 400 for a ``previous_response_id`` that is not known here."""
    message = f"Previous response with id '{name}' not found."
    code = "previous_response_not_found"
    refusal = error(400, "invalid_request_error", code, message)
    return ErrorAnswer(400, _with_param(refusal.body, "previous_response_id"))


def wrong_type(body: Mapping[str, Any]) -> ErrorAnswer | None:
    """The 400 for a member of the wrong JSON type; null counts as not given."""
    for name, kind, word in _TYPES:
        value = body.get(name)
        if value is not None and not isinstance(value, kind):
            message = f"Invalid type for '{name}': expected {word}."
            refusal = error(400, "invalid_request_error", "invalid_type", message)
            return ErrorAnswer(400, _with_param(refusal.body, name))
    metadata = body.get("client_metadata") or {}
    for name, value in metadata.items():
        if not isinstance(value, str):
            message = f"Invalid type for 'client_metadata.{name}': expected a string."
            return error(400, "invalid_request_error", "invalid_type", message)
    return None


def foreign_content(body: Mapping[str, Any], *, account_id: str) -> ErrorAnswer | None:
    """The 400 for reasoning or compactions that another account's requests were given."""
    for item in input_items(body):
        content = item.get("encrypted_content")
        if item.get("type") in ENCRYPTED_TYPES and isinstance(content, str):
            try:
                unseal(account_id, content)
            except BadToken:
                return invalid_encrypted_content(content)
    return None


def _with_param(body: Any, name: str) -> Any:
    return {"error": {**body["error"], "param": name}}
