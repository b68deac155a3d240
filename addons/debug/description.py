"""A flow's comment and metadata: what a person looking at the list of flows wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType
from typing import Any, Final

from mitmproxy import http

from addons.exchange import Exchange, Usage
from addons.providers.contract import Outcome

METADATA = "floway"
"""Key of ``flow.metadata``. What is there is saved with the flow, and so must be JSON."""

TIMES = "floway_times"
"""Key of ``flow.metadata``: of a stream, bytes so far and seconds since the request."""

TRIMMED = "floway_trimmed"
"""Key of ``flow.metadata``: how many messages of a WebSocket are no longer in the flow."""

FAILOVER: Final = ":twisted_rightwards_arrows:"
REFUSED: Final = ":no_entry:"
DIFFERS: Final = ":warning:"
TRUNCATED: Final = ":scissors:"
FAILED: Final = ":red_circle:"
REPLAYED: Final = ":repeat:"
MARKERS: Final[Mapping[str, str]] = {
    FAILOVER: "another account took over",
    FAILED: "an attempt that was not given to the client",
    REPLAYED: "sent by `floway.replay`",
    REFUSED: "floway refused it, or could not rewrite it; nothing was sent",
    DIFFERS: "what left is not what the profile says (set by floway.check)",
    TRUNCATED: "the answer broke off",
}
"""Markers in the list of flows, and what each says."""

_PLAIN = frozenset({str, int, float, bool, bytes, NoneType})
_COUNTED = tuple(field.name for field in fields(Usage))
_NOT_SENT = frozenset({"rewrite_failed", "judge_failed", "relay_failed"})


def describe(flow: http.HTTPFlow, exchange: Exchange, most: int = 0) -> None:
    """Write down how far the exchange has come. A comment and a marker of a person's stay.

    Args:
        most: attempts that an exchange may have; 0: not known.
    """
    summary = _plain({"exchange": exchange.id, **_asked(exchange), **exchange.summary})
    if exchange.attempts:
        summary["account"] = exchange.attempts[-1].account
        summary["attempts"] = [
            {
                "account": each.account,
                "status": each.status,
                "reason": each.reason,
                "verdict": _verdict(each.verdict),
                "after": round(each.started - exchange.started, 4),
            }
            for each in exchange.attempts
        ]
    if exchange.usage is not None:
        summary["usage"] = {name: getattr(exchange.usage, name) for name in _COUNTED}
    if exchange.outcome is not None:
        summary["outcome"] = exchange.outcome.value
    words = [
        "replay" if "replay_of" in summary else "",
        exchange.conversation.rpartition(":")[2][-8:],
        summary.get("account", ""),
        summary.get("profile", ""),
    ]
    if len(exchange.attempts) > 1:
        words.append(f"attempt {len(exchange.attempts)}" + (f"/{most}" if most else ""))
    words += [_cache(exchange), summary.get("error", "")]
    summary["comment"] = " · ".join(str(word) for word in words if word)
    summary["marker"] = _marker(exchange, summary)
    before = summary_of(flow)
    if not flow.comment or flow.comment == before.get("comment"):
        flow.comment = summary["comment"]
    if not flow.marked or flow.marked == before.get("marker"):
        flow.marked = summary["marker"]
    flow.metadata[METADATA] = summary
    if exchange.times:
        flow.metadata[TIMES] = [[size, round(after, 4)] for size, after in exchange.times]


def trimmed(flow: http.HTTPFlow, count: int) -> None:
    """So many of the oldest messages were taken out of a flow."""
    if count:
        flow.metadata[TRIMMED] = flow.metadata.get(TRIMMED, 0) + count


def summary_of(flow: http.HTTPFlow) -> Mapping[str, Any]:
    """What was written down of a flow, which may have been read from a file; {} for nothing."""
    found = flow.metadata.get(METADATA)
    return found if isinstance(found, dict) else {}


def attempted(exchange: Exchange, continued_in: str) -> dict[str, Any]:
    """What is written down of the exchange's last attempt, which was not given to the client.

    Args:
        continued_in: id of the flow that went on.
    """
    last = exchange.attempts[-1]
    told: dict[str, Any] = _plain({"exchange": exchange.id, **_asked(exchange), **exchange.summary})
    return {
        **told,
        "attempt": len(exchange.attempts),
        "account": last.account,
        "status": last.status,
        "reason": last.reason,
        "verdict": _verdict(last.verdict),
        "continued_in": continued_in,
    }


def _asked(exchange: Exchange) -> dict[str, Any]:
    """What was asked, and of whom."""
    told: dict[str, Any] = {"protocol": exchange.protocol.name, "provider": exchange.provider.name}
    if exchange.turn is not None:
        told["model"] = exchange.turn.model
    if exchange.conversation:
        told["conversation"] = exchange.conversation
    return told


def _verdict(verdict: object) -> str:
    return "" if verdict is None else type(verdict).__name__


def _marker(exchange: Exchange, summary: Mapping[str, Any]) -> str:
    """The one that matters most; "" where all went well at once."""
    if exchange.outcome is Outcome.TRUNCATED:
        return TRUNCATED
    if summary.get("error") in _NOT_SENT or (summary.get("error") and not exchange.attempts):
        return REFUSED
    if len({each.account for each in exchange.attempts}) > 1 and not summary.get("error"):
        return FAILOVER
    return REPLAYED if "replay_of" in summary else ""


def _cache(exchange: Exchange) -> str:
    """How much of the input the upstream read from its prompt cache."""
    usage = exchange.usage
    if usage is None or usage.input_tokens <= 0:
        return ""
    return f"cache {100 * usage.cached_tokens // usage.input_tokens} %"


def _plain(value: Any) -> Any:
    """``value`` as mitmproxy can save it (facts: trap 22); what has no such form as its text."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, dict):
        return {
            str(key): member if type(member) in _PLAIN else _plain(member)
            for key, member in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(member) for member in value]
    return str(value)
