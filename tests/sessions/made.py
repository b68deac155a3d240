"""Made-up facts of requests."""

from __future__ import annotations

from typing import Any

from addons.sessions.facts import Facts, Prompt, Tokens

RULES = "You are careful. " * 400
TOOLS = [{"type": "function", "name": "look"}]


def said(number: int) -> dict[str, Any]:
    """One item of a conversation; all are of one size."""
    return {"role": "user" if number % 2 == 0 else "assistant", "content": f"{number:04} " * 50}


def prompt(count: int, **more: Any) -> Prompt:
    items = [said(number) for number in range(count)]
    return Prompt(**{"instructions": RULES, "tools": TOOLS, "items": items, **more})


def facts(
    count: int = 1, *, input: int = 2000, cached: int = 0, at: float = 1000.0, **more: Any
) -> Facts:
    """Facts of a request with so many items, in the first conversation of one owner."""
    base: dict[str, Any] = {
        "owner": "local",
        "conversation": "session-1",
        "source": "derived from the content",
        "thread": "session-1",
        "window": 0,
        "account": "ada",
        "model": "model-1",
        "cache_key": "",
        "client": "client/1",
        "transport": "http",
        "at": at,
        "tokens": Tokens(input, cached, 10),
        "prompt": prompt(count),
    }
    return Facts(**{**base, **more})
