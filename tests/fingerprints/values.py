"""Role values and bodies as a provider would give them: one of each, and strategies."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import strategies as st

from fingerprints.apply import Assembled
from fingerprints.check import Observed
from fingerprints.profile import Profile

THREAD = "01a1fc65-f0a6-7a82-9f9d-1d6c86602b70"

VALUES: dict[str, Any] = {
    "originator": "codex_exec",
    "os": "Debian 12.0.0",
    "arch": "x86_64",
    "terminal": "xterm-256color",
    "installation_id": "2b06b842-6204-4e3a-9094-b2e2dea2a9b5",
    "access_token": "made-up",
    "account_id": "11111111-2222-4333-8444-555555555555",
    "session_id": THREAD,
    "thread_id": THREAD,
    "turn_id": "01a1fc65-f108-7f12-9c2b-657c8fe15b57",
    "root_turn_id": "01a1fc65-f108-7f12-9c2b-657c8fe15b57",
    "turn_started_at_unix_ms": 1795235901709,
    "window_number": 0,
    "context_window_id": "01a1fc65-f0d6-7f80-aceb-b92407f38cae",
    "turn_trigger": "exec",
    "stream_started_at_unix_ms": 1795235901800,
    "authority": "chatgpt.com",
    "websocket_key": "kJKYjFSFJAcFy82rHKATUg==",
}

BODY: dict[str, Any] = {"model": "gpt-5.5", "input": [{"type": "web_search_call"}]}


def observed(made: Assembled) -> Observed:
    return Observed(made.method, made.path, made.headers, made.body, made.http_version)


TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=12
)
WORD = st.from_regex(r"[a-z][a-z0-9_]{0,11}", fullmatch=True)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT
"""JSON values with nothing in them."""
JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def uuids(version: int) -> st.SearchStrategy[str]:
    """UUIDs of a version, lower case."""

    def made(number: int) -> str:
        number &= ~(0xF << 76) & ~(0x3 << 62)
        return str(uuid.UUID(int=number | version << 76 | 2 << 62))

    return st.integers(0, 2**128 - 1).map(made)


TIMES = st.integers(1_600_000_000_000, 2_000_000_000_000)

ALWAYS: dict[str, st.SearchStrategy[Any]] = {
    "os": st.sampled_from(["Debian 12.0.0", "Mac OS 26.5.0", "Windows 10.0.22631"]),
    "arch": st.sampled_from(["x86_64", "arm64"]),
    "terminal": st.sampled_from(["xterm-256color", "iTerm.app/3.6.10", "unknown"]),
    "originator": st.sampled_from(["codex_exec", "codex-tui"]),
    "installation_id": uuids(4),
    "account_id": uuids(4),
    "session_id": uuids(7),
    "thread_id": uuids(7),
    "turn_id": uuids(7),
    "root_turn_id": uuids(7),
    "context_window_id": uuids(7),
    "window_number": st.integers(0, 40),
    "turn_started_at_unix_ms": TIMES,
    "stream_started_at_unix_ms": TIMES,
    "authority": st.just("chatgpt.com"),
    "websocket_key": st.just("kJKYjFSFJAcFy82rHKATUg=="),
    "refresh_token": WORD,
    "refresh_reason": WORD,
}

SOMETIMES: dict[str, st.SearchStrategy[Any]] = {
    "turn_state": WORD,
    "turn_trigger": st.sampled_from(["exec", "user"]),
    "previous_response_id": WORD.map("resp_{}".format),
    "service_tier": st.sampled_from(["priority", "flex"]),
    "history_initialization": st.sampled_from(["new", "cold_resume", "warm_fork"]),
    "workspaces": st.dictionaries(TEXT, st.dictionaries(WORD, JSON, max_size=2), max_size=2),
    "agent_name": WORD.map("/root/{}".format),
    "thread_source": WORD,
    "sandbox": WORD,
    "sandbox_mode": WORD,
    "auto_review_enabled": st.booleans(),
    "analytics_enabled": st.booleans(),
    "beta_features": WORD,
    "forked_from_thread_id": uuids(7),
    "forked_from_ordinal": st.integers(0, 900),
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "reasoning_effort": st.sampled_from(["low", "medium", "high", "xhigh"]),
}

SUBAGENT: dict[str, st.SearchStrategy[Any]] = {
    "subagent": st.sampled_from(["review", "collab_spawn"]),
    "subagent_kind": st.sampled_from(["review", "thread_spawn"]),
    "parent_thread_id": uuids(7),
    "parent_turn_id": uuids(7),
}

COMPACTION = st.fixed_dictionaries(
    {
        "trigger": st.sampled_from(["auto", "manual"]),
        "reason": st.sampled_from(["context_limit", "user_requested"]),
        "implementation": st.just("responses_compaction_v2"),
        "phase": st.sampled_from(["pre_turn", "mid_turn", "standalone_turn"]),
        "strategy": st.just("memento"),
    }
)

MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "tool_choice": st.sampled_from(["auto", "required", {"type": "function", "name": "f"}]),
    "parallel_tool_calls": st.booleans(),
    "reasoning": st.fixed_dictionaries(
        {}, optional={"effort": st.sampled_from(["low", "high"]), "summary": st.just("auto")}
    ),
    "text": st.fixed_dictionaries(
        {},
        optional={
            "verbosity": st.sampled_from(["low", "high"]),
            "format": st.just({"type": "json_schema", "name": "x", "schema": {}}),
        },
    ),
    "stream": st.booleans(),
    "store": st.booleans(),
    "include": st.lists(WORD, max_size=2),
    "stream_options": st.just({"reasoning_summary_delivery": "sequential_cutoff"}),
    "service_tier": st.sampled_from(["priority", "flex", None]),
    "prompt_cache_key": WORD,
}

UNKNOWN: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0, 2),
    "max_output_tokens": st.integers(1, 9999),
    "metadata": st.dictionaries(WORD, WORD, max_size=2),
    "made_up": JSON,
    "client_metadata": st.dictionaries(WORD.map("x_{}".format), WORD, max_size=2),
}


@st.composite
def roles(draw: st.DrawFn, sign_in: str, *, subagents: bool = True) -> dict[str, Any]:
    """Values for every role that a release may ask for, some of the optional ones."""
    given = draw(st.fixed_dictionaries(ALWAYS, optional=SOMETIMES))
    if subagents and draw(st.booleans()):
        given |= draw(st.fixed_dictionaries(SUBAGENT))
    given["access_token"] = draw(WORD) if sign_in == "chatgpt" else f"sk-{draw(WORD)}"
    given["compaction"] = draw(COMPACTION)
    return given


@st.composite
def bodies(
    draw: st.DrawFn, profile: Profile, kind: str, shape: str, *, unknown: bool = False
) -> dict[str, Any]:
    """A caller's body, brought to a shape; with ``unknown``, members that no release sends."""
    slugs = [rule.match[0] for rule in profile.models if rule.shape == shape]
    slugs = [slug for slug in slugs if "*" not in slug] or ["gpt-9"]
    body: dict[str, Any] = {"model": draw(st.sampled_from(slugs))}
    items = st.fixed_dictionaries({"type": st.just("message"), "content": JSON})
    body["input"] = draw(st.lists(items, max_size=4))
    if kind == "compaction":
        body["input"].append({"type": "compaction_trigger"})
    where = profile.shapes[shape]
    if where.tools == "member" and draw(st.booleans()):
        body["tools"] = draw(st.lists(st.just({"type": "function", "name": "f"}), max_size=2))
    if where.instructions == "member" and draw(st.booleans()):
        body["instructions"] = draw(TEXT)
    body |= draw(st.fixed_dictionaries({}, optional=MEMBERS))
    if unknown:
        body |= draw(st.fixed_dictionaries({}, optional=UNKNOWN))
    order = draw(st.permutations(list(body)))
    return {name: body[name] for name in order}
