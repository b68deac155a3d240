"""What a committed answer says, event by event: usage, limits, sealed values, turn states."""

from __future__ import annotations

from typing import Any

from addons.exchange import Exchange, Usage
from addons.providers.codex import frames, metering
from addons.providers.codex.memory import Memory
from addons.providers.codex.progress import Progress
from addons.providers.codex.seals import sealed_content
from addons.providers.codex.usage import quota_from_event
from addons.providers.codex.verdicts import FAILURES, judge_event
from addons.sessions.journal import Journal

ITEM_DONE = "response.output_item.done"
"""The event that brings a finished item, with its encrypted content."""


def observe(
    exchange: Exchange, event: dict[str, Any], memory: Memory, journal: Journal, now: float
) -> None:
    """Note what an event says. ``now``: unix seconds."""
    progress: Progress = exchange.state
    kind = event.get("type")
    if kind == "codex.rate_limits":
        quota = quota_from_event(event, now)
        if quota is not None and progress.account is not None:
            memory.pool.observed(progress.account, quota)
        return
    if kind == ITEM_DONE and isinstance(event.get("item"), dict):
        progress.output_items.append(event["item"])
    if progress.account is not None:
        if (made := sealed_content(event)) is not None:
            memory.seals.made(made, progress.account.handle)
        if (state := frames.turn_state(event)) is not None:
            memory.state_given(progress.identity, progress.account, state)
        if kind in FAILURES and not exchange.websocket:  # there the whole message is judged
            verdict = judge_event(
                event,
                model=progress.model,
                now=now,
                output=True,
                known=progress.account.quota,
                rules=memory.rules,
            )
            memory.refused(progress.account, progress, verdict)
    response = event.get("response")
    if kind == "response.completed":
        progress.answered = frames.response_id(event)
    if isinstance(response, dict) and kind in ("response.completed", "response.incomplete"):
        exchange.usage = Usage.of_response(response)
        if exchange.usage is not None:
            exchange.summary["usage"] = exchange.usage.summary()
            if (facts := metering.facts(exchange, progress, exchange.usage)) is not None:
                journal.report(facts)
