"""An upstream's "no" in one form, whatever surface it came on. Pure.

Surfaces: an HTTP error (JSON of several shapes, Cloudflare HTML, plain text), ``response.failed``
and ``error`` events inside a 200, ``error`` messages of a WebSocket (codex-wire.md §3, §4.2, §4.3).
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from addons.accounts.quota import Quota
from addons.providers.codex.usage import header_map, number, quota_from_headers
from fingerprints.quoting import quoted

type Json = dict[str, Any]

MAX_TEXT = 600
"""Longest upstream text that is repeated to a client, in characters."""

_PRIVATE = re.compile(
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"  # an e-mail address
    r"|\beyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*"  # a JWT
    r"|\b(?:sk|sess|rt|at)[-_][A-Za-z0-9_-]{8,}"  # a key or token
    r"|\b(?:org|user|acct|account|proj|ws|workspace)[-_][A-Za-z0-9][A-Za-z0-9_-]{5,}"
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"  # account ids are UUIDs
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TRY_AGAIN = re.compile(
    r"try again in\s+(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|seconds?|m|min)\b", re.I
)
_UNITS = {"ms": 0.001, "millisecond": 0.001, "milliseconds": 0.001, "m": 60.0, "min": 60.0}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the upstream said.

    Attributes:
        status: HTTP status; of an event or message: the one it names, else None.
        code: machine-readable word, lower case: ``error.code``, else ``error.type``; "" if none.
        words: all machine-readable words of the error (code and type).
        message: the upstream's text without private parts; "" if none.
        param: the request member that it names.
        retry_after: seconds, from Retry-After or "try again in …".
        resets_at: unix seconds, from ``resets_at``, else ``resets_in_seconds``.
        page: it is an HTML page, not an API answer.
        ray: Cloudflare's id of the request, for a support case; "" if none.
        quota: from the headers that came with it.
    """

    status: int | None
    code: str = ""
    words: frozenset[str] = frozenset()
    message: str = ""
    param: str | None = None
    plan: str | None = None
    retry_after: float | None = None
    resets_at: float | None = None
    page: bool = False
    ray: str = ""
    quota: Quota | None = None


def from_answer(
    status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, now: float
) -> Refusal:
    """The refusal in an HTTP answer. ``body`` may be cut off; then the status must do."""
    named = header_map(headers)
    text = body.decode("utf-8", "replace").strip()
    quota = quota_from_headers(named, now)
    retry_after = _retry_after(named.get("retry-after"), now)
    ray = named.get("cf-ray", "")[:64]
    if text.startswith("<") or "text/html" in named.get("content-type", "").lower():
        title = _TITLE.search(text)
        return Refusal(
            status,
            message=private_free(html.unescape(title[1])) if title else "",
            retry_after=retry_after,
            page=True,
            ray=ray,
            quota=quota,
        )
    document = _document(text)
    if document is None:
        code = _header_code(named.get("x-error-json"))
        return Refusal(
            status,
            code=code,
            words=frozenset({code} - {""}),
            message=private_free(text),
            retry_after=retry_after,
            ray=ray,
            quota=quota,
        )
    return _from_document(status, document, retry_after, ray, quota, now)


def from_event(event: Mapping[str, Any], now: float) -> Refusal | None:
    """The refusal in a stream event or WebSocket message; None when it is none."""
    kind = event.get("type")
    if kind == "response.failed":
        response = event.get("response")
        error = response.get("error") if isinstance(response, dict) else None
        return _from_document(
            None, {"error": error if isinstance(error, dict) else {}}, None, "", None, now
        )
    if kind != "error" and not (kind is None and ("error" in event or "detail" in event)):
        return None
    named = {}
    headers = event.get("headers")
    if isinstance(headers, dict):
        named = {str(name).lower(): str(value) for name, value in headers.items()}
    status = number(event.get("status")) or number(event.get("status_code"))
    document = dict(event)
    if not isinstance(event.get("error"), dict):
        # The public form: code, message and param beside the type. "error" itself is no code.
        document = {"error": {key: value for key, value in event.items() if key != "type"}}
    return _from_document(
        int(status) if status and 100 <= status < 600 else None,
        document,
        _retry_after(named.get("retry-after"), now),
        named.get("cf-ray", "")[:64],
        quota_from_headers(named, now),
        now,
    )


def private_free(text: str) -> str:
    """One line of an upstream's text that may be shown to a client.

    E-mail addresses, tokens, and account, organisation and user ids are replaced: which account
    served a request is the proxy owner's matter, not the client's.
    """
    line = " ".join(quoted(_PRIVATE.sub("…", text[: 4 * MAX_TEXT])).split())
    return line if len(line) <= MAX_TEXT else line[:MAX_TEXT] + "…"


def _from_document(
    status: int | None,
    document: Json,
    retry_after: float | None,
    ray: str,
    quota: Quota | None,
    now: float,
) -> Refusal:
    error, message = _error_object(document)
    code, kind = _word(error.get("code")), _word(error.get("type"))
    resets_at = number(error.get("resets_at"))
    if resets_at is not None and resets_at > 1e11:
        resets_at /= 1000  # milliseconds
    if resets_at is None:
        after = number(error.get("resets_in_seconds"))
        resets_at = None if after is None else now + after
    param = error.get("param")
    plan = error.get("plan_type")
    return Refusal(
        status,
        code=code or kind,
        words=frozenset({code, kind} - {""}),
        message=private_free(message),
        param=param[:200] if isinstance(param, str) and param else None,
        plan=plan[:40] if isinstance(plan, str) and plan else (quota.plan if quota else None),
        retry_after=retry_after if retry_after is not None else _try_again(message),
        resets_at=resets_at,
        ray=ray,
        quota=quota,
    )


def _error_object(document: Json) -> tuple[Json, str]:
    """Error members and message of the shapes that were seen (codex-wire.md §4.3)."""
    error = document.get("error")
    if isinstance(error, dict):
        return error, _message(error.get("message"))
    if isinstance(error, str):  # OAuth: {"error": code, "error_description": text}
        return {**document, "code": error}, _message(document.get("error_description"))
    detail = document.get("detail")
    if isinstance(detail, dict):
        return detail, _message(detail.get("message") or detail.get("msg"))
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        where = detail[0].get("loc")
        path = ".".join(str(step) for step in where) if isinstance(where, list) else None
        return {"param": path, "code": detail[0].get("type")}, _message(detail[0].get("msg"))
    return document, _message(detail or document.get("message"))


def _document(text: str) -> Json | None:
    if not text.startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _message(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _word(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip().lower()[:100] if isinstance(value, str) else ""


def _header_code(value: str | None) -> str:
    """``error.code`` of ``x-error-json``, base64 JSON (codex-wire.md §4.1)."""
    if not value:
        return ""
    try:
        document = json.loads(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    return _word(error.get("code")) if isinstance(error, dict) else ""


def _retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header: a number or an HTTP date."""
    if not value:
        return None
    seconds = number(value.strip())
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _try_again(message: str) -> float | None:
    match = _TRY_AGAIN.search(message)
    return None if match is None else float(match[1]) * _UNITS.get(match[2].lower(), 1.0)
