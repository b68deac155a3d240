"""From a refusal to a verdict: which class it is, what cools and for how long. Pure.

Numbers: codex-wire.md §7.4 (what a gateway in wide use does), except for server trouble. There a
fixed minute would make a person with one account wait after a hiccup, so it backs off from one
second instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from addons.accounts.cooldowns import Source
from addons.accounts.quota import Quota, Window
from addons.accounts.rules import CooldownRule, matching
from addons.accounts.wording import duration, moment
from addons.errors import ClientError
from addons.providers.codex.parameters import unsupported_parameter
from addons.providers.codex.refusals import Refusal
from addons.providers.codex.usage import DEFAULT_LIMIT
from addons.providers.contract import (
    Commit,
    Fail,
    NextAccount,
    RefreshCredentials,
    SameAccount,
    Verdict,
)

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE

ACCOUNT_COOLDOWN: Final = 30 * MINUTE  # 401 that no refresh mends, 402, 403
MODEL_COOLDOWN: Final = 12 * HOUR  # a model that this account is not given
CHALLENGE_COOLDOWN: Final = 10.0  # the gate's page; first step
TRANSIENT_COOLDOWN: Final = 1.0  # overload, 5xx, 429 without a time; first step
QUOTA_COOLDOWN: Final = 5 * MINUTE  # a used-up limit without a reset time; first step
LONGEST_COOLDOWN: Final = 35 * 24 * HOUR  # no plan's window is longer than a month
RETRY_DELAY: Final = 0.2  # the official client's first step (codex-wire.md §4.4)
SHORT_WAIT: Final = 2.0  # a Retry-After up to this is waited for on the same account

_QUOTA = frozenset({"usage_limit_reached", "usage_limit_exceeded", "quota_exceeded"})
_NOT_INCLUDED = frozenset({"usage_not_included"})
_PAYMENT = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
    | {"deactivated_workspace", "payment_required"}
)
_OVERLOAD = frozenset(
    {"server_is_overloaded", "slow_down", "overloaded_error", "engine_overloaded"}
)
_RATE = frozenset({"rate_limit_exceeded", "rate_limit_error", "too_many_requests"})
_DEAD_TOKEN = frozenset(
    {"token_invalidated", "token_revoked", "account_deactivated", "user_deactivated"}
    | {"app_session_terminated", "refresh_token_reused", "refresh_token_expired"}
    | {"refresh_token_invalidated"}
)
_STALE_TOKEN = frozenset({"token_expired", "expired_token", "invalid_token", "invalid_api_key"})
_REQUEST = frozenset(
    {"context_length_exceeded", "context_window_exceeded", "string_above_max_length"}
    | {"request_too_large", "message_too_big", "input_too_large", "invalid_prompt"}
    | {"cyber_policy", "bio_policy", "content_policy_violation", "invalid_encrypted_content"}
    | {"previous_response_not_found", "websocket_connection_limit_reached"}
    | {"client_outdated", "client_version_unsupported", "unsupported_client", "update_required"}
)
"""The request's or the client's own fault, whatever status and message come with it."""

_TOO_LARGE = ("request too large", "maximum context length", "exceeds the context window")
_OUTDATED = ("newer version of", "update required")
_SERVER = frozenset({"server_error", "internal_error", "internal_server_error", "api_error"})
_MODEL = frozenset({"model_not_found", "model_not_supported", "unsupported_model"})


def classify(
    refusal: Refusal,
    *,
    model: str,
    now: float,
    retried: bool,
    learnable: Callable[[str], bool] = lambda _: False,
    event: bool = False,
    output: bool = False,
    known: Quota | None = None,
    rules: Sequence[CooldownRule] = (),
) -> Verdict:
    """The verdict on a refusal.

    Args:
        learnable, retried, known, rules: see :func:`~.verdicts.judge`.
        event: it came inside a stream; there, what is the request's own fault is committed, and
            the client sees the upstream's event.
        output: the client has seen output of this response.
    """
    kind = _class_of(refusal)
    if kind == "quota" and known is not None:
        refusal = replace(refusal, quota=_with(refusal.quota, known.at(now)))
    error = client_error(refusal, model=model, now=now)
    what = refusal.code or (f"HTTP {refusal.status}" if refusal.status else "no code")
    rule = None if kind in _RENEWED else matching(rules, refusal.status, _said(refusal))
    if rule is not None:
        kind = "request" if rule.ignore else "rule"
    match kind:
        case "rule":
            assert rule is not None
            assert rule.cooldown is not None
            scope = rule.scope if rule.cooldown else "none"
            return NextAccount(f"{what} (rule)", rule.cooldown, error, scope, source=Source.RULE)
        case "quota":
            return _quota(refusal, error, now)
        case "not included" | "payment" | "forbidden":
            return _fixed(what, ACCOUNT_COOLDOWN, error)
        case "dead token":
            return _fixed(f"{what}: sign in again", ACCOUNT_COOLDOWN, error)
        case "stale token":
            return RefreshCredentials(what, error)
        case "challenge":
            return _waited(refusal, "blocked by the gate", error, CHALLENGE_COOLDOWN, "account")
        case "model":
            return _fixed(f"model not available: {what}", MODEL_COOLDOWN, error, "model")
        case "rate":
            scope = "model" if refusal.words & _RATE else "account"
            return _waited(refusal, what, error, TRANSIENT_COOLDOWN, scope)
        case "overload":
            return _waited(refusal, what, error, TRANSIENT_COOLDOWN, "model")
        case "server":
            wait = RETRY_DELAY if refusal.retry_after is None else refusal.retry_after
            if not retried and not output and wait <= SHORT_WAIT:
                return SameAccount(what, error, wait)
            return _waited(refusal, what, error, TRANSIENT_COOLDOWN, "model")
    name = unsupported_parameter(refusal)
    if name is not None and not output and learnable(name):
        return SameAccount(f"unsupported parameter: {name}", error)
    if event:
        return Commit()
    return Fail(f"request refused: {what}")


def transport(error: str, *, retried: bool) -> Verdict:
    """No answer, or one that ended before it said anything: the connection's fault.

    It cools nothing. The same account first: an idle connection that the server closed is the
    usual cause, and another account would have to build the prompt cache anew.
    """
    told = ClientError(
        502,
        "upstream_unreachable",
        f"The upstream could not be reached or cut the answer off: {error[:200]}",
    )
    if not retried:
        return SameAccount(f"transport: {error}", told, RETRY_DELAY)
    return NextAccount(f"transport: {error}", 0.0, told, "none")


def after_refresh(verdict: RefreshCredentials) -> NextAccount:
    """What a refused credential means once it was reloaded or refreshed in vain."""
    return _fixed(
        f"{verdict.reason}: still refused after a refresh", ACCOUNT_COOLDOWN, verdict.error
    )


def _fixed(reason: str, cooldown: float, error: ClientError, scope: str = "account") -> NextAccount:
    return NextAccount(reason, cooldown, error, scope, source=Source.FIXED)


_RENEWED = frozenset({"stale token", "dead token"})
"""Classes for which no rule of the user's counts."""


def _said(refusal: Refusal) -> str:
    return " ".join([*sorted(refusal.words), refusal.message])


def _class_of(refusal: Refusal) -> str:
    """Words first: the same class comes with several statuses, and in a 200 without any."""
    words, status = refusal.words, refusal.status
    message = refusal.message.lower()
    if words & _REQUEST:
        return "request"  # asked of every account in turn, it would cool them all
    if words & _QUOTA or "usage limit" in message:
        return "quota"
    if any(text in message for text in (*_TOO_LARGE, *_OUTDATED)):
        return "request"
    if words & _NOT_INCLUDED:
        return "not included"
    if words & _PAYMENT or status == 402:
        return "payment"
    if words & _OVERLOAD or "at capacity" in message or "overloaded" in message:
        return "overload"
    if words & _DEAD_TOKEN:
        return "dead token"
    if words & _STALE_TOKEN or status == 401:
        return "stale token"
    if refusal.page and (status in (403, 429) or refusal.ray) and (status or 0) < 500:
        return "challenge"
    if words & _MODEL or _names_model(message):
        return "model"
    if words & _RATE or status == 429:
        return "rate"
    if status == 403:
        return "forbidden"
    if status == 408 or (status or 0) >= 500 or (status is None and words & _SERVER):
        return "server"
    return "request"


def _names_model(message: str) -> bool:
    """As the backend words it: "The 'x' model is not supported when using … account"."""
    return "model" in message and any(
        text in message
        for text in ("model is not supported", "model does not exist", "model not found")
    )


def _waited(
    refusal: Refusal, reason: str, error: ClientError, first: float, scope: str
) -> NextAccount:
    if refusal.retry_after is not None:
        return NextAccount(reason, _bounded(refusal.retry_after), error, scope)
    return NextAccount(reason, first, error, scope, backoff=True)


def _quota(refusal: Refusal, error: ClientError, now: float) -> NextAccount:
    limit = (refusal.quota and refusal.quota.active_limit) or DEFAULT_LIMIT
    reset = quota_reset(refusal)
    reason = refusal.code or "usage limit reached"
    # A limit of its own beside the account's holds for the models that it counts.
    scope = "account" if limit == DEFAULT_LIMIT else "model"
    if reset is not None:
        return NextAccount(reason, _bounded(reset - now), error, scope)
    return _waited(refusal, reason, error, QUOTA_COOLDOWN, scope)


def quota_reset(refusal: Refusal) -> float | None:
    """When the used-up limit resets, unix seconds: as said, else from the quota headers."""
    if refusal.resets_at is not None:
        return refusal.resets_at
    window = _used_up(refusal)
    return window.resets_at if window else None


def _with(said: Quota | None, known: Quota) -> Quota:
    """What a refusal said of limits, and what was known: a message of limits came before it."""
    return known if said is None else known.merged(said)


def _used_up(refusal: Refusal) -> Window | None:
    """The used-up window that resets last; of the limit that refused, when it is named."""
    if refusal.quota is None:
        return None
    windows = refusal.quota.exhausted(refusal.quota.active_limit or DEFAULT_LIMIT)
    return max(windows, key=lambda window: window.resets_at or 0.0, default=None)


def _bounded(seconds: float) -> float:
    return min(max(seconds, TRANSIENT_COOLDOWN), LONGEST_COOLDOWN)


# --- what the client is told ---------------------------------------------------------------------

_STATUS = {
    "quota": 429,
    "not included": 429,
    "payment": 429,
    "rate": 429,
    "overload": 503,
    "server": 502,
    "dead token": 502,
    "stale token": 502,
    "challenge": 502,
    "forbidden": 403,
    "model": 404,
    "request": 400,
}
_CODE = {
    "quota": "usage_limit_reached",
    "not included": "usage_not_included",
    "payment": "insufficient_quota",
    "rate": "rate_limit_exceeded",
    "overload": "server_is_overloaded",
    "server": "upstream_error",
    "dead token": "upstream_credentials_rejected",
    "stale token": "upstream_credentials_rejected",
    "challenge": "upstream_blocked",
    "forbidden": "upstream_forbidden",
    "model": "model_not_found",
    "request": "invalid_request_error",
}


def client_error(refusal: Refusal, *, model: str, now: float) -> ClientError:
    """The refusal as an error in neutral form; names no account.

    A refused upstream credential is told as 502, not 401: a 401 would make the client doubt, and
    perhaps drop, its own.
    """
    kind = _class_of(refusal)
    status = _STATUS[kind]
    if refusal.status is not None and kind in ("server", "request", "forbidden", "model"):
        status = refusal.status if refusal.status >= 400 else status
    code = _CODE[kind]
    if kind == "request" and refusal.code:
        code = refusal.code
    retry_after, details = _waiting(refusal, kind, now)
    return ClientError(
        status,
        code,
        _sentence(refusal, kind, model, now),
        param=refusal.param,
        kind=code if kind in ("quota", "not included", "payment") else None,
        retry_after=retry_after,
        details=details,
    )


def _waiting(refusal: Refusal, kind: str, now: float) -> tuple[float | None, dict[str, str | int]]:
    """Retry-After in seconds, and the members that the official client reads (§4.3)."""
    if kind != "quota":
        return refusal.retry_after, {}
    details: dict[str, str | int] = {}
    if refusal.plan:
        details["plan_type"] = refusal.plan
    reset = quota_reset(refusal)
    if reset is None:
        return refusal.retry_after, details
    details["resets_at"] = int(min(reset, 2**53))
    details["resets_in_seconds"] = int(min(max(0.0, reset - now), 2**53))
    return max(0.0, reset - now), details


def _sentence(refusal: Refusal, kind: str, model: str, now: float) -> str:
    said = f" The upstream said: {refusal.message}" if refusal.message else ""
    status = f" (HTTP {refusal.status})" if refusal.status else ""
    match kind:
        case "quota":
            return _quota_sentence(refusal, model, now) + said
        case "not included":
            return f"The account's plan does not include {model or 'this model'}.{said}"
        case "payment":
            return f"The account has no credit or is deactivated{status}.{said}"
        case "rate":
            wait = refusal.retry_after
            when = f"; try again in {duration(wait)}" if wait is not None else ""
            return f"The upstream limits the rate of requests{status}{when}.{said}"
        case "overload":
            return f"The upstream is overloaded{status}; try again shortly.{said}"
        case "server":
            return f"The upstream failed{status}.{said}"
        case "dead token" | "stale token":
            return f"The upstream refused the account's credentials{status}; sign in again.{said}"
        case "challenge":
            ray = f" (cf-ray {refusal.ray})" if refusal.ray else ""
            return (
                f"The upstream's gate answered with an HTML page instead of the API{status}{ray}; "
                f"it blocks this machine's requests for now.{said}"
            )
        case "forbidden":
            return f"The upstream does not allow this for the account{status}.{said}"
        case "model":
            return refusal.message or f"The model {model or 'asked for'} is not available{status}."
        case _:
            return refusal.message or f"The upstream refused the request{status}."


def _quota_sentence(refusal: Refusal, model: str, now: float) -> str:
    window = _used_up(refusal)
    span = f"{window.span} " if window and window.span else ""
    limit = refusal.quota.active_limit if refusal.quota else None
    name = (window.display if window else "") or (limit if limit != DEFAULT_LIMIT else "") or ""
    plan = f" of the {refusal.plan} plan" if refusal.plan else ""
    named = f" ({name})" if name else ""
    sentence = f"The {span}usage limit{named}{plan} is reached"
    reset = quota_reset(refusal)
    if reset is None:
        return f"{sentence}; the upstream did not say when it resets."
    return f"{sentence}; it resets at {moment(reset)}, in {duration(reset - now)}."
