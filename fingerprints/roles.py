"""Roles: the names under which an applier is given its values.

A profile says which role fills which field of a release; it never says where the value comes
from. The same role in several places of one request is an **equality**: the checker demands the
same value in all of them. A release that fills ``prompt_cache_key`` from the session says
``role: session_id`` there, one that fills it from the thread says ``role: thread_id``.

Shapes are of the values as the official client sends them (recorded from 0.142.0 and 0.169.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
"""A JSON value as Python objects."""

type Roles = Mapping[str, Json]
"""Role name to value. A role that is None, or not there, has no value."""


@dataclass(frozen=True, slots=True)
class Role:
    """One role.

    Attributes:
        shape: what a value looks like.
        meaning: what it is.
        pattern: regular expression of the value as text; used inside templates.
        secret: the value is never shown in a difference or an error.
        stable: the same for all messages of one WebSocket connection.
    """

    shape: str
    meaning: str
    pattern: str = r".+"
    secret: bool = False
    stable: bool = False


_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

ROLES: Mapping[str, Role] = {
    # --- who sends: the client program ---
    "version": Role(
        "1.2.3", "The release. Filled by the profile itself.", r"[0-9A-Za-z.+-]+", stable=True
    ),
    "originator": Role(
        "codex_exec", "The surface of the client; one of the profile's originators.", r"[^/;()]+"
    ),
    "client_name": Role(
        "codex-exec",
        "As the surface introduces itself, where that is not its originator (0.115.0). Filled by "
        "apply: the originator with dashes.",
        r"[^/;()]+",
    ),
    "os": Role("Debian 12.0.0", "Operating system and its version.", r"[^;()]+", stable=True),
    "arch": Role("x86_64", "Processor.", r"[^;()\s]+", stable=True),
    "terminal": Role(
        "xterm-256color", "TERM_PROGRAM[/VERSION], else TERM, else unknown.", r"[^()]+"
    ),
    "installation_id": Role("UUIDv4", "One per installation and account.", _UUID, stable=True),
    "authority": Role("chatgpt.com", "Host (and port) of the request.", r"[^\s/]+", stable=True),
    # --- who pays ---
    "access_token": Role(
        "JWT, or an API key", "What follows `Bearer `.", r"\S+", secret=True, stable=True
    ),
    "account_id": Role("UUID", "The workspace of the sign-in.", r"\S+", secret=True, stable=True),
    "cookie": Role("name=value; …", "Cloudflare's cookies only.", secret=True),
    # --- what this belongs to ---
    "session_id": Role("UUIDv7", "The root session; shared by its sub-agents.", _UUID, stable=True),
    "thread_id": Role("UUIDv7", "This thread; the session's id for the root.", _UUID, stable=True),
    "client_request_id": Role(
        "UUID",
        "Of the request, in releases where it is not the thread's id (none of those shipped).",
        _UUID,
    ),
    "parent_thread_id": Role("UUIDv7", "Thread that spawned this one.", _UUID, stable=True),
    "parent_turn_id": Role("UUIDv7", "Turn that spawned this thread.", _UUID),
    "forked_from_thread_id": Role("UUIDv7", "Thread that this one was forked from.", _UUID),
    "forked_from_ordinal": Role("int", "Where in that thread the fork was made.", r"\d+"),
    "subagent": Role("review, collab_spawn, …", "Kind of sub-agent, for headers.", stable=True),
    "subagent_kind": Role("review, thread_spawn, …", "Kind of sub-agent, for the metadata."),
    "agent_name": Role("/root, /root/<task>", "Path of the agent.", stable=True),
    "thread_source": Role("user, subagent, thread_title, …", "Who started the thread."),
    "turn_id": Role("UUIDv7", "This turn: one user request with its tool calls.", _UUID),
    "root_turn_id": Role("UUIDv7", "The root thread's turn; turn_id for the root.", _UUID),
    "turn_started_at_unix_ms": Role("int, ms", "When the turn began.", r"\d{13}"),
    "turn_trigger": Role("exec, user", "What started the turn; absent when no one did."),
    "turn_state": Role("opaque", "Sticky token that the turn's first answer gave.", secret=True),
    "window_number": Role("int from 0", "Grows by one at each compaction.", r"\d+"),
    "context_window_id": Role("UUIDv7", "New for each context window.", _UUID),
    "history_initialization": Role("new, cold_resume, warm_fork", "How the history began."),
    "previous_response_id": Role("resp_…", "Continuation on the same WebSocket."),
    "stream_started_at_unix_ms": Role("int, ms", "When the message is sent.", r"\d{13}"),
    "compaction": Role(
        "object: trigger, reason, implementation, phase, strategy",
        "Why and how the history is compacted.",
    ),
    # --- what is asked for ---
    "model": Role("gpt-…", "Model slug.", r"[^;\s]+"),
    "reasoning_effort": Role("low, medium, high, …", "Reasoning effort."),
    "verbosity": Role("low, medium, high", "Verbosity of the answer."),
    "service_tier": Role("priority, flex", "Chosen service tier.", r"[^;\s]+"),
    # --- what the client says of its own state ---
    "beta_features": Role("comma list", "Experimental features that are on.", stable=True),
    "sandbox": Role("none, seccomp, seatbelt, …", "Sandbox technique of the platform."),
    "sandbox_mode": Role("read-only, workspace-write, danger-full-access", "What tools may write."),
    "auto_review_enabled": Role("bool", "Automatic review is on."),
    "node_repl_auto_review_required": Role("bool", "From the model catalogue."),
    "node_repl_disabled": Role("bool", "From the model catalogue."),
    "analytics_enabled": Role("bool", "Analytics are on."),
    "history_ingest_requested": Role("bool", "Seen in documents only."),
    "mcp_attribution": Role("JSON text", "Which MCP servers take part."),
    "guardian_credits_requested": Role("true", "Sent with ChatGPT sign-in."),
    "workspaces": Role(
        "object: path -> associated_remote_urls, latest_git_commit_hash, has_changes",
        "Git state of the working folder; absent outside git.",
    ),
    "refresh_token": Role("opaque", "OAuth refresh token.", secret=True),
    "refresh_reason": Role(
        "proactive_expiry, unauthorized_recovery, forced", "Why the token is refreshed."
    ),
    # --- of one item of the input ---
    "item_id": Role("msg_, fc_, … and a UUID", "The item's id.", r"[!-~]+"),
    "item_turn_id": Role("UUIDv7", "The turn in which the item came.", _UUID),
    "item_create_time": Role("float, s", "When the item was made.", r"[0-9.]+"),
    # --- framing ---
    "content_length": Role("int", "Bytes of the body as sent. Filled by apply.request.", r"\d+"),
    "websocket_key": Role("base64 of 16 bytes", "Sec-WebSocket-Key.", r"[A-Za-z0-9+/]{22}=="),
}
"""Every role that a profile may name."""
