"""What an upstream may do to a request, and what has to come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

HTTP = frozenset({"responses stream", "responses whole", "chat stream"})
UPGRADE, MESSAGE = frozenset({"websocket upgrade"}), frozenset({"websocket message"})
ALL = HTTP | UPGRADE | MESSAGE


@dataclass(frozen=True, slots=True)
class Cools:
    """For how long which part of an account cools, in seconds, and who said so."""

    least: float
    most: float
    scope: Literal["account", "model"]
    source: Literal["upstream", "backoff", "fixed"]

    def __contains__(self, cooldown: dict[str, Any]) -> bool:
        return (
            self.least <= cooldown["seconds"] <= self.most
            and (cooldown["model"] is None) == (self.scope == "account")
            and cooldown["source"] == self.source
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that goes wrong with an account.

    Attributes:
        fault: as the sandbox knows it.
        cools: what the account does then; None: it is not its fault.
        alone: status that a client is told when there is no other account; for those of HTTP.
        asked: how often the account is asked before another one is.
        outcome: ``moves`` to the next account; ``ends`` as failed for the client, which has seen
            output; ``serves`` all the same; ``refused``: no account can help.
        where: surfaces on which it can happen.
        lonely: the account cools also when there is no other.
    """

    fault: dict[str, Any]
    cools: Cools | None
    alone: int = 0
    asked: int = 1
    outcome: Literal["moves", "ends", "serves", "refused"] = "moves"
    where: frozenset[str] = ALL
    lonely: bool = field(default=True)


def _fixed(seconds: float, scope: Literal["account", "model"] = "account") -> Cools:
    return Cools(seconds, seconds, scope, "fixed")


def _backoff(first: float, scope: Literal["account", "model"]) -> Cools:
    return Cools(first, first * 1.1, scope, "backoff")


def _said(seconds: float) -> Cools:
    """A time of the upstream is in whole seconds."""
    return Cools(seconds - 1.5, seconds, "account", "upstream")


ADMITTED = 2
"""Place behind created and in_progress, where a request is admitted or not; nothing is visible."""
MIDST = 10
"""Place behind some words of the answer."""

ERROR_FRAME = {
    "kind": "error_frame",
    "status": 429,
    "type": "usage_limit_reached",
    "error": {"resets_in_seconds": 600},
}

CASES: dict[str, Case] = {
    "401": Case({"preset": "token_expired"}, _fixed(1800), 502),
    "402": Case({"preset": "deactivated_workspace"}, _fixed(1800), 429),
    "403 page": Case(
        {"preset": "cloudflare_403"}, _backoff(10, "account"), 502, where=HTTP | UPGRADE
    ),
    "404 model": Case({"preset": "model_missing"}, _fixed(12 * 3600, "model"), 404, lonely=False),
    "408": Case({"status": 408}, _backoff(1, "model"), 408, asked=2),
    "429 header": Case({"status": 429, "retry_after": 7}, _said(7), 429),
    "429 body": Case({"preset": "usage_limit_reached", "resets_in_seconds": 600}, _said(600), 429),
    "429 nothing": Case({"status": 429}, _backoff(1, "account"), 429),
    "500": Case({"preset": "internal_error"}, _backoff(1, "model"), 500, asked=2),
    "502": Case({"status": 502}, _backoff(1, "model"), 502, asked=2),
    "503 overloaded": Case({"preset": "server_is_overloaded"}, _backoff(1, "model"), 503),
    "reset before headers": Case(
        {"kind": "reset", "at": "before_headers"}, None, 502, asked=2, where=HTTP | UPGRADE
    ),
    "silence before headers": Case(
        {"kind": "stall", "at": "before_headers", "seconds": 30},
        None,
        502,
        asked=2,
        where=HTTP | UPGRADE,
    ),
    "reset before output": Case({"kind": "reset", "at": ADMITTED}, None, 502, asked=2, where=HTTP),
    "reset mid-stream": Case(
        {"kind": "reset", "at": MIDST}, None, outcome="ends", where=HTTP | MESSAGE
    ),
    "end mid-stream": Case(
        {"kind": "close", "at": MIDST}, None, outcome="ends", where=HTTP | MESSAGE
    ),
    "stall": Case(
        {"kind": "stall", "at": "before_output", "seconds": 0.6},
        None,
        outcome="serves",
        where=HTTP | MESSAGE,
    ),
    "overload in 200": Case(
        {"kind": "failure", "code": "server_is_overloaded", "at": ADMITTED},
        _backoff(1, "model"),
        503,
        where=HTTP | MESSAGE,
    ),
    "quota in 200": Case(
        {
            "kind": "failure",
            "code": "usage_limit_reached",
            "error": {"resets_in_seconds": 600},
            "at": ADMITTED,
        },
        _said(600),
        429,
        where=HTTP | MESSAGE,
    ),
    "quota after output": Case(
        {
            "kind": "failure",
            "code": "usage_limit_reached",
            "error": {"resets_in_seconds": 600},
            "at": MIDST,
        },
        _said(600),
        429,
        outcome="ends",
        where=HTTP | MESSAGE,
    ),
    "oversize prompt": Case({"preset": "context_length_exceeded"}, None, 400, outcome="refused"),
    "oversize as 429": Case(
        {"status": 429, "body": {"error": {"code": "context_length_exceeded", "message": "Long."}}},
        None,
        429,
        outcome="refused",
    ),
    "outdated client": Case(
        {"status": 400, "body": {"detail": "This model requires a newer version of the client."}},
        None,
        400,
        outcome="refused",
    ),
    "refused upgrade": Case(
        {"kind": "refuse_upgrade", "status": 426}, None, 426, outcome="refused", where=UPGRADE
    ),
    "error frame": Case(ERROR_FRAME, _said(600), 429, where=MESSAGE),
    "error frame without status": Case(
        {**ERROR_FRAME, "status": None}, _said(600), 429, where=MESSAGE
    ),
}
