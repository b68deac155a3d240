"""From an error to its kind. Pure.

The order of trust: what ``ErrorDetails`` name, then what its text says, then the Connect code,
then the text of the transport (cursor-protocol.md §2.3, §2.4). A code alone misleads: an outdated
client and an oversize prompt both come as ``resource_exhausted``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from addons.providers.cursor.failures.errors import (
    ConnectError,
    CursorError,
    Goaway,
    StreamReset,
    StuckExec,
    TransportError,
)


class Kind(StrEnum):
    """What an error is about."""

    QUOTA = "quota"  # the plan's usage is used up
    RATE = "rate"  # too many requests
    LOAD = "load"  # Cursor or the model's provider is overloaded
    EXHAUSTED = "exhausted"  # resource_exhausted that says no more, and nothing tells what it is
    OUTDATED = "outdated"  # the client version that floway shows is too old
    OVERSIZE = "oversize"  # the prompt does not fit the model
    CREDENTIALS = "credentials"
    FORBIDDEN = "forbidden"  # the account may not
    BLOCKED = "blocked"  # the account is blocked for suspicious usage
    PLAN = "plan"  # the plan does not have the model
    MODEL = "model"  # there is no such model
    STATE = "state"  # the conversation's state or id is refused
    REQUEST = "request"  # the request itself
    UNSERVED = "unserved"  # the host has no such path
    SERVER = "server"
    CANCELED = "canceled"
    STUCK = "stuck"
    TRANSPORT = "transport"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """
    Attributes:
        what: few words for logs and reasons: the name or code that decided.
        familiar: a name that is known decided it. Others are worth a line in the log, because
            few real samples are known.
    """

    kind: Kind
    what: str
    familiar: bool = True


OVERFULL: Final = 0.5
"""Estimated share of the context window from which an unexplained refusal is taken for an
oversize prompt (cursor-protocol.md §2.4): estimates are coarse, tools and images are not in them.
"""

_OF_NAME: Final[Mapping[str, Kind]] = {
    name: kind
    for kind, names in {
        Kind.QUOTA: "FREE_USER_USAGE_LIMIT PRO_USER_USAGE_LIMIT USAGE_PRICING_REQUIRED "
        "USAGE_PRICING_REQUIRED_CHANGEABLE OPENAI_ACCOUNT_LIMIT_EXCEEDED RATE_LIMITED "
        "RATE_LIMITED_CHANGEABLE FREE_USER_RATE_LIMIT_EXCEEDED PRO_USER_RATE_LIMIT_EXCEEDED",
        Kind.RATE: "GENERIC_RATE_LIMIT_EXCEEDED API_KEY_RATE_LIMIT DEBOUNCED",
        Kind.LOAD: "RESOURCE_EXHAUSTED OPENAI_RATE_LIMIT_EXCEEDED TIMEOUT OPENAI",
        Kind.OUTDATED: "OUTDATED_CLIENT DEPRECATED",
        Kind.OVERSIZE: "CONVERSATION_TOO_LONG MAX_TOKENS",
        Kind.CREDENTIALS: "BAD_API_KEY NOT_LOGGED_IN INVALID_AUTH_ID AUTH_TOKEN_NOT_FOUND "
        "AUTH_TOKEN_EXPIRED AGENT_REQUIRES_LOGIN UNAUTHORIZED BAD_USER_API_KEY USER_NOT_FOUND",
        Kind.FORBIDDEN: "NOT_HIGH_ENOUGH_PERMISSIONS API_KEY_NOT_SUPPORTED TASK_NO_PERMISSIONS",
        Kind.BLOCKED: "SUSPICIOUS_USAGE_BLOCKED",
        Kind.PLAN: "PRO_USER_ONLY",
        Kind.MODEL: "BAD_MODEL_NAME AGENT_ENGINE_NOT_FOUND",
        Kind.REQUEST: "BAD_REQUEST CLAUDE_IMAGE_TOO_LARGE FILE_UNSUPPORTED "
        "SLASH_EDIT_FILE_TOO_LONG HOOKS_BLOCKED",
        Kind.SERVER: "EXTENSION_HOST_TIMEOUT",
        Kind.CANCELED: "USER_ABORTED_REQUEST",
    }.items()
    for name in names.split()
}

_OF_CODE: Final[Mapping[str, Kind]] = {
    "canceled": Kind.CANCELED,
    "unknown": Kind.SERVER,
    "invalid_argument": Kind.REQUEST,
    "deadline_exceeded": Kind.SERVER,
    "not_found": Kind.MODEL,
    "already_exists": Kind.REQUEST,
    "permission_denied": Kind.FORBIDDEN,
    "resource_exhausted": Kind.EXHAUSTED,
    "failed_precondition": Kind.REQUEST,
    "aborted": Kind.SERVER,
    "out_of_range": Kind.REQUEST,
    "unimplemented": Kind.UNSERVED,
    "internal": Kind.SERVER,
    "unavailable": Kind.LOAD,
    "data_loss": Kind.SERVER,
    "unauthenticated": Kind.CREDENTIALS,
}

# Texts of errors whose name says nothing (CUSTOM, CUSTOM_MESSAGE, none). The first that fits.
_OF_TEXT: Final = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"update required|(?:please|must) update|(?:version|client).{0,40}outdated", "outdated"),
        (r"blob not found|conversation state|conversation_state", "state"),
        (
            r"(?:prompt|conversation|input|request) (?:is )?too (?:long|large)|too many tokens"
            r"|context (?:window|length)",
            "oversize",
        ),
        (r"usage limit|spend(?:ing)? limit|out of (?:usage|credit)|quota|billing", "quota"),
        (r"high (?:load|demand)|overloaded|at capacity", "load"),
        (r"rate.?limit|too many requests|slow down", "rate"),
        (r"unauthenticated|unauthorized|not logged in|log in again", "credentials"),
        (
            r"upgrade to pro|requires? (?:a )?(?:pro|paid)|(?:included|available) in your plan",
            "plan",
        ),
    )
)

_UPDATE = re.compile(r"update required", re.IGNORECASE)
_CALM = 11  # HTTP/2: ENHANCE_YOUR_CALM


def diagnose(
    error: CursorError | OSError,
    *,
    prompt_share: float | None = None,
    produced_tokens: int = 0,
    with_state: bool = False,
    can_rotate: bool = False,
) -> Diagnosis:
    """What the error is about.

    Args:
        prompt_share: estimated size of the prompt by that of the context window; None: unknown.
        produced_tokens: tokens of this run's output so far, those of thinking too.
        with_state: the run continued a checkpoint, which can be dropped.
        can_rotate: the conversation's id was not replaced yet and can be.
    """
    if not isinstance(error, ConnectError):
        return _of_transport(error)
    fresh = produced_tokens == 0
    found = _of_details(error) or _of_status(error) or _of_words(error)
    if found is not None:
        if found.kind is Kind.STATE and not (fresh and (with_state or can_rotate)):
            # Nothing is there to be dropped: it is the request, or trouble of Cursor's own.
            kind = Kind.REQUEST if error.code == "invalid_argument" else Kind.SERVER
            return Diagnosis(kind, found.what, found.familiar)
        return found
    kind = _OF_CODE.get(error.code, Kind.SERVER)
    what = error.code
    if kind is Kind.EXHAUSTED and fresh:
        if prompt_share is not None and prompt_share >= OVERFULL:
            return Diagnosis(Kind.OVERSIZE, f"{what}, large prompt", familiar=False)
        if can_rotate:
            return Diagnosis(Kind.STATE, f"{what}, nothing produced", familiar=False)
    # A stale or foreign state is refused as if the model were not there, or as a bare "Error".
    stale = kind is Kind.MODEL or (kind is Kind.SERVER and _bare(error))
    if stale and with_state and fresh:
        return Diagnosis(Kind.STATE, f"{what}, with a state", familiar=False)
    return Diagnosis(kind, what, familiar=False)


def _of_details(error: ConnectError) -> Diagnosis | None:
    detail = error.detail
    if detail is None:
        return None
    what = f"{error.code}, {detail.name}" if detail.name else error.code
    if _UPDATE.search(detail.text):
        return Diagnosis(Kind.OUTDATED, what)
    kind = _OF_NAME.get(detail.name)
    if kind is not None:
        # The same name for "wait a moment" and for "your plan's limit": only the flag tells.
        passing = detail.retryable and detail.name.startswith("RATE_LIMITED")
        return Diagnosis(Kind.RATE if passing else kind, what)
    by_text = _of_text(detail.text)
    if by_text is not None:
        return Diagnosis(by_text, what, familiar=False)
    if detail.retryable and error.code == "resource_exhausted":
        return Diagnosis(Kind.LOAD, what, familiar=False)
    return None


def _of_status(error: ConnectError) -> Diagnosis | None:
    """Statuses that the protocol's own table makes less of than they are."""
    what = f"HTTP {error.http_status}"
    if error.code not in ("unavailable", "unknown", "internal"):
        return None
    match error.http_status:
        case 429:
            return Diagnosis(Kind.RATE, what, familiar=False)
        case 402:
            return Diagnosis(Kind.QUOTA, what, familiar=False)
        case 400 | 413 | 422:
            return Diagnosis(Kind.REQUEST, what, familiar=False)
    return None


def _of_words(error: ConnectError) -> Diagnosis | None:
    kind = None if _bare(error) else _of_text(error.message)
    return None if kind is None else Diagnosis(kind, error.code, familiar=False)


def _of_text(text: str) -> Kind | None:
    lowered = text.lower()
    return next((Kind(kind) for pattern, kind in _OF_TEXT if pattern.search(lowered)), None)


def _bare(error: ConnectError) -> bool:
    """Whether the message says nothing."""
    return error.message.strip().rstrip(".").lower() in ("", "error", "unknown error")


def _of_transport(error: CursorError | OSError) -> Diagnosis:
    what = type(error).__name__
    if isinstance(error, StuckExec):
        return Diagnosis(Kind.STUCK, what)
    if isinstance(error, Goaway | StreamReset):
        text = error.text if isinstance(error, Goaway) else ""
        kind = Kind.RATE if error.error_code == _CALM else (_of_text(text) if text else None)
        if kind in (Kind.RATE, Kind.QUOTA):
            return Diagnosis(Kind.RATE, what, familiar=False)
        return Diagnosis(Kind.TRANSPORT, f"{what} {error.error_code}")
    return Diagnosis(Kind.TRANSPORT, what, familiar=isinstance(error, TransportError))
