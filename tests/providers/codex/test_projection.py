"""From an identity and a credential to roles: the same everywhere, and nothing made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from addons.providers.codex.environment import Environment
from addons.providers.codex.identity import Identity
from addons.providers.codex.projection import COMPACTION, of_identity, of_machine
from fingerprints.roles import ROLES

IDENTITY = Identity(
    session_id="s",
    thread_id="s",
    client_request_id="s",
    window_number=2,
    context_window_id="w",
    turn_id="t",
    turn_started_ms=1_790_000_000_000,
    root_turn_id="t",
)


def roles(**changes: Any) -> dict[str, Any]:
    identity = replace(IDENTITY, **changes)
    return of_identity(identity, installation_id="i", originator="codex_exec")


def test_a_turn_of_the_root() -> None:
    found = roles()
    assert {
        name: found[name] for name in ("session_id", "thread_id", "turn_id", "root_turn_id")
    } == {
        "session_id": "s",
        "thread_id": "s",
        "turn_id": "t",
        "root_turn_id": "t",
    }
    assert found["installation_id"] == "i"
    assert found["window_number"] == 2
    assert found["turn_trigger"] == "exec"
    assert found["thread_source"] == "user"
    assert found["compaction"] is None
    assert found["sandbox"] == "none", "floway runs no tools"


def test_every_role_is_one_that_profiles_may_name() -> None:
    named = {**roles(), **of_machine(Environment("a b", "c", "d"))}
    assert named.keys() <= ROLES.keys()


def test_the_caller_s_own_installation_counts() -> None:
    assert roles(installation_id="own")["installation_id"] == "own"


@pytest.mark.parametrize("kind", ["prewarm", "memory"])
def test_what_is_no_turn_has_no_turn(kind: str) -> None:
    found = roles(request_kind=kind, turn_id="")
    assert found["root_turn_id"] is None
    assert found["turn_started_at_unix_ms"] is None
    assert found["turn_trigger"] is None


def test_a_side_thread() -> None:
    found = roles(thread_id="side", parent_thread_id="s", root_turn_id="r")
    assert found["thread_source"] == "user", "a title request is none of a sub-agent"
    assert found["parent_thread_id"] is None
    assert found["turn_trigger"] is None
    assert found["root_turn_id"] == "r"


def test_a_sub_agent() -> None:
    found = roles(thread_id="child", parent_thread_id="s", subagent="review")
    assert found["thread_source"] == "subagent"
    assert found["parent_thread_id"] == "s"
    assert found["subagent"] == "review"
    assert found["turn_trigger"] is None


def test_a_compaction_says_why() -> None:
    assert roles(request_kind="compaction")["compaction"] == COMPACTION
    own = {"trigger": "auto"}
    assert roles(request_kind="compaction", metadata={"compaction": own})["compaction"] == own


def test_an_official_caller_speaks_for_itself() -> None:
    found = roles(
        metadata={"sandbox": "seccomp", "turn_trigger": "user", "workspaces": {"/w": {}}, "odd": 1},
        client_metadata={"mcp_attribution": "x", "odd": "y"},
    )
    assert found["sandbox"] == "seccomp"
    assert found["turn_trigger"] == "user"
    assert found["workspaces"] == {"/w": {}}
    assert found["mcp_attribution"] == "x"
    assert "odd" not in found
    assert roles(metadata={"analytics_enabled": False})["analytics_enabled"] is False


def test_where_a_fork_was_made_is_passed_on() -> None:
    found = roles(metadata={"forked_from_thread_id": "t", "forked_from_ordinal_exclusive": 7})
    assert (found["forked_from_thread_id"], found["forked_from_ordinal"]) == ("t", 7)
    for odd in ("7", True, -1, None):
        assert "forked_from_ordinal" not in roles(metadata={"forked_from_ordinal_exclusive": odd})


def test_the_machine() -> None:
    assert of_machine(Environment("Debian 12.0.0", "x86_64", "unknown")) == {
        "os": "Debian 12.0.0",
        "arch": "x86_64",
        "terminal": "unknown",
    }
