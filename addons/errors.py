"""One error tree for everything a client may be told.

A :class:`ClientError` is protocol-neutral: a front module renders it in the client's own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FlowayError(Exception):
    """Base of all errors that floway raises itself."""


class ClientError(FlowayError):
    """An answer that is an error, before it has a protocol.

    Args:
        status: HTTP status, 400-599.
        code: machine-readable word, e.g. ``invalid_json``, ``all_accounts_cooling``.
        message: a sentence that names the field and the remedy. Never holds a secret.
        param: path of the offending request member, e.g. ``messages[2].content``.
        kind: error class in OpenAI's words (``invalid_request_error``, ``authentication_error``,
            ``rate_limit_error``, ``api_error``); derived from the status when not given.
        retry_after: seconds after which trying again makes sense.
        details: further JSON members of the error object, where a client reads some (when a
            limit resets, say); a protocol that has no place for them leaves them out.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        kind: str | None = None,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.kind = kind or _kind(status)
        self.retry_after = retry_after
        self.details: Mapping[str, Any] = details or {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status}, {self.code!r}, {self.message!r})"


class BadRequest(ClientError):
    """The client's own mistake: 400, with the member that is wrong."""

    def __init__(self, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(400, code, message, param=param)


def _kind(status: int) -> str:
    match status:
        case 401:
            return "authentication_error"
        case 403:
            return "permission_error"
        case 404:
            return "not_found_error"
        case 429:
            return "rate_limit_error"
        case _ if status < 500:
            return "invalid_request_error"
        case _:
            return "api_error"
