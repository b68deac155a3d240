"""Failures of the agent service, by name: what Cursor answers (cursor-protocol.md §2.4)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from addons.providers.cursor.proto import aiserver_pb2

type Json = dict[str, Any]

STATUS: Mapping[str, int] = {
    "canceled": 499,
    "unknown": 500,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "data_loss": 500,
    "unauthenticated": 401,
}
"""Codes of the Connect protocol, with the HTTP status that an unary answer has."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a run, or an unary call, fails.

    Attributes:
        error: name of an ``ErrorCode`` without its prefix; "": no details.
        title, detail: what the official clients show.
    """

    code: str
    message: str = "Error"
    error: str = ""
    title: str = ""
    detail: str = ""
    retryable: bool = False

    def __str__(self) -> str:
        return f"{self.code}: {self.title or self.message}"

    def json(self) -> Json:
        """The error of a stream's end, and the body of an unary answer."""
        found: Json = {"code": self.code, "message": self.message}
        if self.error:
            details = aiserver_pb2.ErrorDetails(
                error=f"ERROR_{self.error}",
                details=aiserver_pb2.CustomErrorDetails(
                    title=self.title, detail=self.detail, is_retryable=self.retryable
                ),
                is_expected=True,
            )
            value = base64.b64encode(details.SerializeToString()).rstrip(b"=").decode()
            shown = {"title": self.title, "detail": self.detail, "isRetryable": self.retryable}
            found["details"] = [
                {
                    "type": "aiserver.v1.ErrorDetails",
                    "value": value,
                    "debug": {
                        "error": f"ERROR_{self.error}",
                        "details": shown,
                        "isExpected": True,
                    },
                }
            ]
        return found

    def end(self) -> bytes:
        """Payload of the stream's last message."""
        return orjson.dumps({"error": self.json()})

    @property
    def status(self) -> int:
        return STATUS.get(self.code, 500)


class RunFailed(Exception):
    """The run, or the call, ends with this failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def _exhausted(error: str, title: str, detail: str, *, retryable: bool = False) -> Failure:
    return Failure("resource_exhausted", "Error", error, title, detail, retryable)


FAILURES: Mapping[str, Failure] = {
    "update_required": _exhausted(
        "GPT_4_VISION_PREVIEW_RATE_LIMIT",
        "Update Required",
        "Your version of Cursor is no longer supported. Please update to continue.",
    ),
    "high_load": _exhausted(
        "RESOURCE_EXHAUSTED",
        "Provider Error",
        "We're experiencing high demand for this model. Please try again.",
        retryable=True,
    ),
    "usage_limit": _exhausted(
        "PRO_USER_USAGE_LIMIT", "Usage limit reached", "You've hit your usage limit."
    ),
    "free_usage_limit": _exhausted(
        "FREE_USER_USAGE_LIMIT", "Usage limit reached", "You've hit your free requests limit."
    ),
    "usage_pricing_required": _exhausted(
        "USAGE_PRICING_REQUIRED", "Usage limit reached", "Enable usage-based pricing to go on."
    ),
    "rate_limited": _exhausted(
        "RATE_LIMITED", "Rate limited", "Too many requests. Please wait a moment.", retryable=True
    ),
    "bare_exhausted": Failure("resource_exhausted"),
    "bad_model_name": Failure(
        "not_found",
        "Error",
        "BAD_MODEL_NAME",
        "AI Model Not Found",
        "Model name is not valid for this account.",
    ),
    "bare_not_found": Failure("not_found"),
    "state_required": Failure("invalid_argument", "Conversation state is required"),
    "custom_system_prompt": Failure("invalid_argument", "unknown option '--system-prompt'"),
    "blob_not_found": Failure("internal", "Blob not found: 1,2,3"),
    "bare_internal": Failure("internal"),
    "no_exec_result": Failure("internal", "No exec result"),
    "parse_error": Failure("internal", "parse binary: malformed protobuf"),
    "unauthenticated": Failure(
        "unauthenticated",
        "Error",
        "NOT_LOGGED_IN",
        "Authentication error",
        "If you are logged in, try logging out and back in.",
    ),
    "permission_denied": Failure(
        "permission_denied",
        "Error",
        "NOT_HIGH_ENOUGH_PERMISSIONS",
        "Not allowed",
        "Your plan does not include this.",
    ),
    "suspicious_usage": Failure(
        "permission_denied",
        "Error",
        "SUSPICIOUS_USAGE_BLOCKED",
        "Blocked",
        "Your request was blocked.",
    ),
    "unavailable": Failure("unavailable", "upstream connect error"),
    "deadline_exceeded": Failure("deadline_exceeded", "the operation timed out"),
    "canceled": Failure("canceled", "This operation was aborted"),
}
"""Names for faults, and what the agent itself answers with."""

_BLOB = FAILURES["blob_not_found"]


def blob_not_found(blob_id: bytes) -> Failure:
    """With the id as the backend prints it: decimal bytes."""
    return Failure(_BLOB.code, f"Blob not found: {','.join(map(str, blob_id))}")
