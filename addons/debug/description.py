"""A flow's comment and metadata: what a person looking at the list of flows wants to know."""

from __future__ import annotations

from typing import Any

from mitmproxy import http

from addons.exchange import Exchange

METADATA = "floway"
"""Key of ``flow.metadata``. What is there is saved with the flow, and so must be JSON."""


def describe(flow: http.HTTPFlow, exchange: Exchange) -> None:
    """Write down how far the exchange has come. A comment that a person has written stays."""
    summary = _plain({"exchange": exchange.id, **exchange.summary})
    if exchange.attempts:
        summary["account"] = exchange.attempts[-1].account
        summary["attempts"] = [
            {"account": a.account, "status": a.status, "reason": a.reason}
            for a in exchange.attempts
        ]
    if exchange.outcome is not None:
        summary["outcome"] = exchange.outcome.value
    words = [exchange.conversation[-8:], summary.get("account", ""), summary.get("profile", "")]
    if len(exchange.attempts) > 1:
        words.append(f"attempt {len(exchange.attempts)}")
    words += [_cache(exchange), summary.get("error", "")]
    summary["comment"] = " · ".join(str(word) for word in words if word)
    before = flow.metadata.get(METADATA)
    if not flow.comment or (isinstance(before, dict) and flow.comment == before.get("comment")):
        flow.comment = summary["comment"]
    flow.metadata[METADATA] = summary


def _cache(exchange: Exchange) -> str:
    """How much of the input the upstream read from its prompt cache."""
    usage = exchange.usage
    if usage is None or usage.input_tokens <= 0:
        return ""
    return f"cache {100 * usage.cached_tokens // usage.input_tokens} %"


def _plain(value: Any) -> Any:
    """``value`` as mitmproxy can save it (facts: trap 22); what has no such form as its text."""
    kind = type(value)
    if value is None or kind in (str, int, float, bool, bytes):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(member) for member in value]
    return str(value)
