"""From an identity and a credential to the roles that a profile may name. Pure.

One identity, projected once, so that headers, ``client_metadata``, the turn metadata and the cache
key can never disagree. What a role means is in :mod:`fingerprints.roles`.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.providers.codex.environment import Environment
from addons.providers.codex.identity import Identity
from fingerprints.roles import Json, Roles

HONEST: Mapping[str, Json] = {
    "agent_name": "/root",
    "history_initialization": "new",
    # floway runs no tools, so there is nothing around them.
    "sandbox": "none",
    "sandbox_mode": "danger-full-access",
    "auto_review_enabled": False,
    "node_repl_auto_review_required": False,
    "node_repl_disabled": False,
    "analytics_enabled": False,
    "mcp_attribution": '{"status":"none"}',
}
"""What is true of floway where a caller does not speak for itself."""

FROM_METADATA = (
    "agent_name",
    "analytics_enabled",
    "auto_review_enabled",
    "compaction",
    "context_window_id",
    "history_ingest_requested",
    "history_initialization",
    "node_repl_auto_review_required",
    "node_repl_disabled",
    "sandbox",
    "sandbox_mode",
    "subagent_kind",
    "thread_source",
    "turn_trigger",
    "workspaces",
    "forked_from_thread_id",
)
"""Roles that an official caller's own turn metadata fills."""

COMPACTION: Json = {
    "trigger": "manual",
    "reason": "user_requested",
    "implementation": "responses_compaction_v2",
    "phase": "standalone_turn",
    "strategy": "memento",
}
"""For a caller that asks for a compaction and does not say why (codex-wire.md §1.8)."""


def of_identity(identity: Identity, *, installation_id: str, originator: str) -> dict[str, Json]:
    """Roles that belong to the conversation, whatever account serves it."""
    child = identity.subagent is not None or not identity.root
    turn = identity.request_kind not in ("prewarm", "memory")
    roles: dict[str, Json] = {
        **HONEST,
        "originator": originator,
        "session_id": identity.session_id,
        "thread_id": identity.thread_id,
        "client_request_id": identity.client_request_id,
        "parent_thread_id": identity.parent_thread_id if identity.subagent else None,
        "parent_turn_id": identity.parent_turn_id,
        "subagent": identity.subagent,
        "turn_id": identity.turn_id,
        "root_turn_id": identity.root_turn_id if turn else None,
        "window_number": identity.window_number,
        "context_window_id": identity.context_window_id,
        "installation_id": identity.installation_id or installation_id,
        "turn_state": identity.turn_state,
        "thread_source": "subagent" if child and identity.subagent else "user",
        "turn_trigger": None if child or not turn else "exec",
        "turn_started_at_unix_ms": identity.turn_started_ms if turn else None,
        "compaction": COMPACTION if identity.request_kind == "compaction" else None,
    }
    for name in FROM_METADATA:
        if (own := identity.metadata.get(name)) is not None:
            roles[name] = own
    ordinal = identity.metadata.get("forked_from_ordinal_exclusive")
    if isinstance(ordinal, int) and not isinstance(ordinal, bool) and ordinal >= 0:
        roles["forked_from_ordinal"] = ordinal
    for name in ("mcp_attribution", "guardian_credits_requested"):
        if (word := identity.client_metadata.get(name)) is not None:
            roles[name] = word
    return roles


def of_machine(environment: Environment) -> Roles:
    """Roles that describe the machine."""
    return {
        "os": environment.os,
        "arch": environment.arch,
        "terminal": environment.terminal,
    }
