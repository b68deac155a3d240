"""What the meter (:mod:`addons.sessions.meter`) is told of an answered request."""

from __future__ import annotations

from typing import Final

from addons.exchange import Exchange, Usage
from addons.providers.cursor.progress import Progress
from addons.sessions.facts import CacheTerms, Facts, Prompt, Tokens

TERMS: Final = CacheTerms(minimum=1024, block=1, life=300.0)
"""Cursor says nothing of its prompt caches; these are the terms of the models that it passes most
requests to, the strictest of each."""


def facts(exchange: Exchange, progress: Progress, usage: Usage) -> Facts | None:
    """The facts of a response that came to its end; None for what was no run of floway's."""
    said, begun, account, turn = progress.said, progress.begun, progress.account, exchange.turn
    if said is None or begun is None or account is None or turn is None:
        return None
    agent = exchange.header("user-agent") or ""
    return Facts(
        owner=exchange.principal,
        conversation=said.conversation.session,
        source=said.conversation.source,
        thread=said.conversation.key,
        window=0,
        account=account.label,
        model=progress.model,
        cache_key=begun.prepared.conversation_id,
        client=agent.partition(" ")[0],
        transport="http",
        at=begun.started,
        tokens=Tokens(usage.input_tokens, usage.cached_tokens, usage.output_tokens),
        prompt=Prompt.of_body(turn.body),
        attempts=max(1, len(exchange.attempts)),
        terms=TERMS,
    )
