"""What the meter (:mod:`addons.sessions.meter`) is told of an answered request."""

from __future__ import annotations

from typing import Any

from addons.exchange import Exchange, Usage
from addons.providers.codex.progress import Progress
from addons.sessions.facts import CacheTerms, Facts, Prompt, Tokens

TERMS = CacheTerms(minimum=1024, block=128, life=600.0)
"""As OpenAI documents its prompt cache: kept for 5 to 10 minutes without use, at times longer."""

LONG_LIFE = {"24h": 86_400.0}
"""Seconds by the request's ``prompt_cache_retention``."""


def facts(exchange: Exchange, progress: Progress, usage: Usage) -> Facts | None:
    """The facts of the response that has just ended; None where it is not known what was asked."""
    body = progress.body
    if body is None or progress.account is None:
        return None
    identity = progress.identity
    agent = exchange.header("user-agent") or ""
    return Facts(
        owner=exchange.principal,
        conversation=identity.session_id,
        source=str(identity.sources.get("session_id", "")),
        thread=identity.thread_id,
        window=identity.window_number,
        account=progress.account.label,
        model=progress.model,
        cache_key=identity.cache_key or "",
        client=agent.partition(" ")[0],
        transport="websocket" if exchange.websocket else "http",
        at=progress.started,
        tokens=Tokens(usage.input_tokens, usage.cached_tokens, usage.output_tokens),
        prompt=Prompt.of_body(body),
        attempts=max(1, len(exchange.attempts)),
        terms=_terms(body),
    )


def _terms(body: dict[str, Any]) -> CacheTerms:
    kept = body.get("prompt_cache_retention")
    life = LONG_LIFE.get(kept) if isinstance(kept, str) else None
    return TERMS if life is None else CacheTerms(TERMS.minimum, TERMS.block, life)
