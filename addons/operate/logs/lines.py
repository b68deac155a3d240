"""The line of a request that was served: a short one for people, its fields for programs. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from addons.exchange import Exchange, Usage

SHOWN_OF_ID: Final = 8
"""Last characters of a conversation that the short line shows."""

type Word = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request, or one response on a WebSocket, has ended.

    Attributes:
        what: ``request``, ``response`` (of a WebSocket) or ``socket`` (the whole of one).
        status: HTTP status that the client was given; 0 for none.
        outcome: a word.
        first: seconds until the answer began; below 0 when it did not.
        seconds: until its end.
        usage: None where the upstream reported none.
    """

    what: str
    status: int
    outcome: str
    first: float
    seconds: float
    usage: Usage | None


def fields(exchange: Exchange, ended: Ended, word: Word) -> dict[str, Any]:
    """By name; texts are masked by ``word``. Times are seconds."""
    summary, attempts, usage = exchange.summary, exchange.attempts, ended.usage
    model = exchange.turn.model if exchange.turn is not None else summary.get("model", "")
    out: dict[str, Any] = {
        "kind": ended.what,
        "exchange": exchange.id,
        "conversation": word(exchange.conversation),
        "protocol": exchange.protocol.name,
        "provider": exchange.provider.name,
        "account": word(attempts[-1].account) if attempts else "",
        "model": word(str(model)),
        "method": exchange.method,
        "path": word(exchange.path.partition("?")[0]),
        "status": ended.status,
        "outcome": ended.outcome,
        "attempts": len(attempts),
        "seconds": round(ended.seconds, 3),
    }
    if ended.first >= 0:
        out["first_seconds"] = round(ended.first, 3)
    if usage is not None:
        out["tokens_in"] = usage.input_tokens
        out["tokens_cached"] = usage.cached_tokens
        out["tokens_out"] = usage.output_tokens
    if "error" in summary:
        out["error"] = word(str(summary["error"]))
    return out


def text(told: dict[str, Any]) -> str:
    """The short line of :func:`fields`."""
    account = f"{told['provider']}:{told['account']}" if told["account"] else told["provider"]
    status = f"{told['status'] or '-'} {told['outcome']}"
    parts = [told["model"] or f"{told['method']} {told['path']}", account, status]
    if told["kind"] != "request":
        parts.insert(0, told["kind"])
    if "error" in told:
        parts.append(told["error"])
    if told["attempts"] > 1:
        parts.append(f"{told['attempts']} attempts")
    if "tokens_in" in told:
        parts.append(
            f"{told['tokens_in']} in, {told['tokens_cached']} cached, {told['tokens_out']} out"
        )
    first = f"{told['first_seconds']:.2f} s, " if "first_seconds" in told else ""
    parts += [f"{first}{told['seconds']:.2f} s", told["protocol"]]
    if told["conversation"]:
        parts.append(told["conversation"][-SHOWN_OF_ID:])
    return " · ".join(parts)
