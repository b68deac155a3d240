"""From an error to a verdict: what cools, for how long, and what the client is told. Pure.

Cursor says of no refusal how long it will last (cursor-protocol.md §2.3), so nearly all cooldowns
are first steps of a backoff that the pool doubles (§6.4: up to half an hour). What is the
request's own fault cools nothing: an oversize prompt or an outdated client version would
otherwise take every account out in turn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from addons.errors import ClientError
from addons.providers.contract import (
    Fail,
    NextAccount,
    RefreshCredentials,
    SameAccount,
    Verdict,
)
from addons.providers.cursor.failures.diagnosis import Diagnosis, Kind, diagnose
from addons.providers.cursor.failures.errors import ConnectError, CursorError, problem

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE

ACCOUNT_COOLDOWN: Final = 30 * MINUTE  # credentials that no refresh mends, forbidden, blocked
MODEL_COOLDOWN: Final = 12 * HOUR  # a model that the account does not have
QUOTA_COOLDOWN: Final = 5 * MINUTE  # used-up usage; first step
TRANSIENT_COOLDOWN: Final = 1.0  # load, rates, server trouble; first step
LONGEST_COOLDOWN: Final = 35 * 24 * HOUR  # no billing period is longer
RETRY_DELAY: Final = 0.2  # before the same account is asked once more


def classify(
    error: CursorError | OSError,
    *,
    prompt_share: float | None,
    produced_tokens: int,
    now: float,
    model: str = "",
    retried: bool = False,
    with_state: bool = False,
    can_rotate: bool = False,
) -> Verdict:
    """The verdict on a failed run or call.

    A ``SameAccount`` for :attr:`Kind.STATE` is only worth its attempt when the caller drops the
    checkpoint and replaces the conversation's id first; :func:`diagnose` tells it.

    Args:
        now: unix seconds.
        model: as the client named it; for messages.
        retried: this account was already asked more than once in this exchange; then trouble of
            the transport or the server moves on instead of asking it again.
        prompt_share, produced_tokens, with_state, can_rotate: see :func:`diagnose`.
    """
    found = diagnose(
        error,
        prompt_share=prompt_share,
        produced_tokens=produced_tokens,
        with_state=with_state,
        can_rotate=can_rotate,
    )
    told = client_error(error, found, model=model, now=now)
    fresh = produced_tokens == 0
    what = found.what
    match found.kind:
        case Kind.QUOTA:
            # Cursor counts "auto" and named models apart (§1.6): the limit is the model's.
            return _waited(error, what, told, QUOTA_COOLDOWN, "model", now)
        case Kind.RATE:
            return _waited(error, what, told, TRANSIENT_COOLDOWN, "account", now)
        case Kind.EXHAUSTED:
            return _waited(error, what, told, TRANSIENT_COOLDOWN, "model", now)
        case Kind.LOAD | Kind.SERVER:
            if fresh and not retried:
                return SameAccount(what, told, RETRY_DELAY)
            return _waited(error, what, told, TRANSIENT_COOLDOWN, "model", now)
        case Kind.CREDENTIALS:
            return RefreshCredentials(what, told)
        case Kind.FORBIDDEN | Kind.BLOCKED:
            return NextAccount(what, ACCOUNT_COOLDOWN, told)
        case Kind.PLAN | Kind.MODEL:
            return NextAccount(f"model not available: {what}", MODEL_COOLDOWN, told, "model")
        case Kind.STATE:
            return SameAccount(f"conversation state refused: {what}", told)
        case Kind.TRANSPORT:
            return _transport(error, what, told, again=fresh and not retried, fresh=fresh)
        case Kind.OUTDATED:
            return Fail(f"client version refused: {what}", told)
        case Kind.OVERSIZE | Kind.REQUEST | Kind.UNSERVED | Kind.CANCELED | Kind.STUCK:
            return Fail(f"request refused: {what}", told)


def after_refresh(verdict: RefreshCredentials) -> NextAccount:
    """What refused credentials mean once they were reloaded or refreshed in vain."""
    return NextAccount(
        f"{verdict.reason}: still refused after a refresh", ACCOUNT_COOLDOWN, verdict.error
    )


def _transport(
    error: CursorError | OSError, what: str, told: ClientError, *, again: bool, fresh: bool
) -> Verdict:
    """Nothing cools: it is the connection's fault.

    Once there is output, nothing is sent again: a run that goes on unseen is paid for twice, and
    its answer would come twice (cursor-protocol.md §4.1 no. 8).
    """
    if not fresh:
        return Fail(f"transport: {what}", told)
    if again:
        unprocessed = isinstance(error, CursorError) and error.unprocessed
        return SameAccount(f"transport: {what}", told, 0.0 if unprocessed else RETRY_DELAY)
    return NextAccount(f"transport: {what}", 0.0, told, "none")


def _waited(
    error: CursorError | OSError,
    reason: str,
    told: ClientError,
    first: float,
    scope: str,
    now: float,
) -> NextAccount:
    wait = retry_after(error, now)
    if wait is not None:
        bounded = min(max(wait, TRANSIENT_COOLDOWN), LONGEST_COOLDOWN)
        return NextAccount(reason, bounded, told, scope)
    return NextAccount(reason, first, told, scope, backoff=True)


def retry_after(error: CursorError | OSError, now: float) -> float | None:
    """Seconds that a ``retry-after`` among the trailers or headers asks for.

    None was ever seen (cursor-protocol.md §2.3); should one come, it is obeyed.
    """
    if not isinstance(error, ConnectError):
        return None
    value = next(iter(error.metadata.get("retry-after", ())), "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


# --- what the client is told ---------------------------------------------------------------------

_TOLD: Final[Mapping[Kind, tuple[int, str]]] = {
    Kind.QUOTA: (429, "usage_limit_reached"),
    Kind.RATE: (429, "rate_limit_exceeded"),
    Kind.EXHAUSTED: (429, "rate_limit_exceeded"),
    Kind.LOAD: (503, "server_is_overloaded"),
    Kind.OUTDATED: (502, "client_version_refused"),
    Kind.OVERSIZE: (400, "context_length_exceeded"),
    Kind.CREDENTIALS: (502, "upstream_credentials_rejected"),
    Kind.FORBIDDEN: (403, "upstream_forbidden"),
    Kind.BLOCKED: (403, "upstream_account_blocked"),
    Kind.PLAN: (429, "usage_not_included"),
    Kind.MODEL: (404, "model_not_found"),
    Kind.STATE: (502, "upstream_state_refused"),
    Kind.REQUEST: (400, "invalid_request_error"),
    Kind.UNSERVED: (502, "upstream_not_served"),
    Kind.SERVER: (502, "upstream_error"),
    Kind.CANCELED: (499, "canceled"),
}

_SENTENCES: Final[Mapping[Kind, str]] = {
    Kind.QUOTA: "The account's usage limit for {model} is reached; Cursor did not say when it "
    "resets.",
    Kind.RATE: "Cursor limits the rate of requests; try again shortly.",
    Kind.EXHAUSTED: "Cursor refused the request without a reason: the account's usage, the plan, "
    "the size of the prompt or of the tools may be it.",
    Kind.LOAD: "Cursor is overloaded; try again shortly.",
    Kind.OUTDATED: "Cursor refuses the client version that floway shows; set a newer one in "
    "floway's setting client_versions, or update floway.",
    Kind.OVERSIZE: "The prompt is too long for {model}; shorten or compact the conversation.",
    Kind.CREDENTIALS: "Cursor refused the account's credentials; sign in again. (A client version "
    "or host that is not the account's is refused so, too.)",
    Kind.FORBIDDEN: "Cursor does not allow this for the account.",
    Kind.BLOCKED: "Cursor has blocked the account for suspicious usage; its owner must clear that "
    "with Cursor.",
    Kind.PLAN: "The account's plan does not include {model}.",
    Kind.MODEL: "The model {model} is not available.",
    Kind.STATE: "Cursor refused the conversation's stored state.",
    Kind.REQUEST: "Cursor refused the request.",
    Kind.UNSERVED: "The host does not serve this; check floway's settings for Cursor's hosts.",
    Kind.SERVER: "Cursor failed.",
    Kind.CANCELED: "The request was cancelled.",
}


def client_error(
    error: CursorError | OSError, found: Diagnosis, *, model: str = "", now: float
) -> ClientError:
    """The error in neutral form; names no account.

    Refused credentials are told as 502, not 401: a 401 would make the client doubt, and perhaps
    drop, its own.
    """
    known = _TOLD.get(found.kind)
    if known is None or not isinstance(error, ConnectError):
        if isinstance(error, CursorError):
            rate = found.kind is Kind.RATE
            return ClientError(*_TOLD[Kind.RATE], str(error)) if rate else error.client_error()
        return ClientError(
            502, "upstream_unreachable", f"The upstream could not be reached: {problem(error)}."
        )
    status, code = known
    if found.kind is Kind.REQUEST and error.http_status == 413:
        status = 413
    said = error.text
    tail = "" if not said or said.lower() in ("error", "unknown error") else f" It said: {said}"
    sentence = _SENTENCES[found.kind].format(model=model or "this model")
    limited = found.kind in (Kind.QUOTA, Kind.PLAN)
    return ClientError(
        status,
        code,
        sentence + tail,
        kind=code if limited else None,
        retry_after=retry_after(error, now),
    )
