"""Error answers of the real backend, by name: the rows of codex-wire.md §4.3 and §5.3."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from replay.sandbox.accounts import Account

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """A whole HTTP error answer.

    Attributes:
        body: JSON value, or text (HTML) as it stands.
        headers: besides content-type and content-length.
    """

    status: int
    body: Json | str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        return "text/html; charset=UTF-8" if isinstance(self.body, str) else "application/json"

    @property
    def payload(self) -> bytes:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode("utf-8", "surrogatepass")

    def frame(self) -> Json:
        """The same as an ``error`` frame of a WebSocket (codex-wire.md §3)."""
        error: Json = {"type": "api_error", "message": "The request was refused."}
        if isinstance(self.body, dict):
            inner = self.body.get("error")
            if isinstance(inner, dict):
                error = inner
            elif "detail" in self.body:
                error = {"type": "invalid_request_error", "message": str(self.body["detail"])}
        return {
            "type": "error",
            "status": self.status,
            "error": error,
            "headers": dict(self.headers),
        }


@dataclass(frozen=True, slots=True)
class PresetContext:
    """What a preset may depend on. ``resets_in``, ``retry_after`` in seconds."""

    account: Account | None
    now: float
    message: str = ""
    resets_in: float | None = None
    retry_after: float | None = None
    model: str = ""

    @property
    def plan(self) -> str:
        return self.account.plan if self.account is not None else "plus"


def detail(status: int, text: str, **headers: str) -> ErrorAnswer:
    """An answer in the backend's short form, ``{"detail": …}``."""
    return ErrorAnswer(status, {"detail": text}, headers)


def error(status: int, kind: str, code: str | None, message: str, **more: Any) -> ErrorAnswer:
    """An answer in OpenAI's form, ``{"error": {…}}``."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}
    return ErrorAnswer(status, body)


def usage_limit_reached(context: PresetContext) -> ErrorAnswer:
    """429 of an account whose window is used up, with the time at which it opens again."""
    seconds = 3600.0 if context.resets_in is None else context.resets_in
    body: Json = {
        "type": "usage_limit_reached",
        "message": context.message or "The usage limit has been reached",
        "plan_type": context.plan,
        "resets_at": int(context.now + seconds),
        "resets_in_seconds": int(seconds),
        "eligible_promo": None,
    }
    headers = {
        "x-codex-plan-type": context.plan,
        "x-codex-active-limit": "codex",
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": str(int(context.now + seconds)),
        "x-codex-primary-reset-after-seconds": str(int(seconds)),
        "x-codex-rate-limit-reached-type": "rate_limit_reached",
    }
    return ErrorAnswer(429, {"error": body}, headers)


def token_refused(code: str) -> ErrorAnswer:
    """401 for a bearer token: ``token_expired`` or ``token_invalidated``."""
    messages = {
        "token_expired": "Provided authentication token is expired. Please try signing in again.",
        "token_invalidated": (
            "Your authentication token has been invalidated. Please try signing in again."
        ),
    }
    answer = error(401, "invalid_request_error", code, messages.get(code, "Unauthorized"))
    return ErrorAnswer(401, answer.body, {"x-openai-authorization-error": code})


def refresh_refused(code: str) -> ErrorAnswer:
    """401 of ``oauth/token`` (codex-wire.md §5.3)."""
    messages = {
        "refresh_token_expired": "Your refresh token has expired. Please sign in again.",
        "refresh_token_reused": (
            "Your refresh token has already been used to generate a new access token. "
            "Please try signing in again."
        ),
        "refresh_token_invalidated": "Your session has ended. Please sign in again.",
    }
    message = messages.get(code, "The refresh token was refused.")
    return error(401, "invalid_request_error", code, message)


def model_not_found(model: str) -> ErrorAnswer:
    """400 of a model that the account may not use, in the ChatGPT backend's style."""
    text = f"The '{model}' model is not supported when using Codex with a ChatGPT account."
    return detail(400, text)


def model_missing(model: str) -> ErrorAnswer:
    """404 of a model that the public API does not have."""
    message = f"The model '{model}' does not exist or you do not have access to it."
    return error(404, "invalid_request_error", "model_not_found", message)


def invalid_encrypted_content(text: str = "") -> ErrorAnswer:
    """400 for reasoning or a compaction that another account's backend has closed."""
    shown = f"{text[:4]}..." if text else "of this request"
    message = (
        f"The encrypted content {shown} could not be verified. "
        "Reason: Encrypted content could not be decrypted or parsed."
    )
    return error(400, "invalid_request_error", "invalid_encrypted_content", message)


def challenge_page(reasons: str = "") -> ErrorAnswer:
    """403 that looks like a CDN's challenge; ``reasons`` go into a debug header."""
    ray = f"{secrets.token_hex(8)}-SBX"
    page = (
        '<!DOCTYPE html>\n<html lang="en-US"><head><title>Just a moment...</title>'
        '<meta name="robots" content="noindex,nofollow"></head><body>'
        "<h1>Checking that you are who you look like</h1>"
        "<p>This site asks for JavaScript and cookies to go on.</p>"
        f"<footer>Ray ID: <code>{ray}</code> - Cloudflare-like gate of the floway sandbox</footer>"
        "</body></html>\n"
    )
    headers = {"server": "cloudflare", "cf-ray": ray, "cf-mitigated": "challenge"}
    if reasons:
        headers["x-sandbox-gate"] = reasons
    return ErrorAnswer(403, page, headers)


def _refused(status: int, kind: str, code: str | None, message: str) -> Callable[..., ErrorAnswer]:
    def build(context: PresetContext) -> ErrorAnswer:
        return error(status, kind, code, context.message or message)

    return build


PRESETS: dict[str, Callable[[PresetContext], ErrorAnswer]] = {
    "usage_limit_reached": usage_limit_reached,
    "usage_not_included": lambda context: ErrorAnswer(
        429,
        {
            "error": {
                "type": "usage_not_included",
                "message": context.message or "Your plan does not include Codex usage.",
                "plan_type": context.plan,
            }
        },
    ),
    "insufficient_quota": _refused(
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "rate_limit_exceeded": _refused(
        429, "requests", "rate_limit_exceeded", "Rate limit reached. Please try again in 1s."
    ),
    "server_is_overloaded": _refused(
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "Our servers are currently overloaded. Please try again later.",
    ),
    "slow_down": _refused(
        503, "service_unavailable_error", "slow_down", "Too many requests. Please slow down."
    ),
    "internal_error": _refused(
        500, "server_error", None, "An error occurred while processing your request."
    ),
    "bad_request": lambda context: detail(400, context.message or "Bad Request"),
    "unsupported_parameter": lambda context: detail(
        400, f"Unsupported parameter: {context.message or 'temperature'}"
    ),
    "context_length_exceeded": _refused(
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "Your input exceeds the context window of this model.",
    ),
    "invalid_prompt": _refused(
        400, "invalid_request_error", "invalid_prompt", "Invalid prompt: it was flagged."
    ),
    "invalid_encrypted_content": lambda _context: invalid_encrypted_content(),
    "model_not_found": lambda context: model_not_found(context.model or "unknown"),
    "model_missing": lambda context: model_missing(context.model or "unknown"),
    "unauthorized": lambda context: detail(401, context.message or "Unauthorized"),
    "token_expired": lambda _context: token_refused("token_expired"),
    "token_invalidated": lambda _context: token_refused("token_invalidated"),
    "deactivated_workspace": lambda _context: ErrorAnswer(
        402, {"detail": {"code": "deactivated_workspace"}}
    ),
    "cloudflare_403": lambda _context: challenge_page(),
    "forbidden": lambda context: detail(403, context.message or "Forbidden"),
    "upgrade_required": lambda context: detail(426, context.message or "Upgrade Required"),
    "refresh_token_expired": lambda _context: refresh_refused("refresh_token_expired"),
    "refresh_token_reused": lambda _context: refresh_refused("refresh_token_reused"),
    "refresh_token_invalidated": lambda _context: refresh_refused("refresh_token_invalidated"),
    "websocket_connection_limit_reached": _refused(
        400,
        "invalid_request_error",
        "websocket_connection_limit_reached",
        "Responses websocket connection limit reached (60 minutes). Create a new connection.",
    ),
    "previous_response_not_found": _refused(
        400,
        "invalid_request_error",
        "previous_response_not_found",
        "Previous response was not found.",
    ),
}
