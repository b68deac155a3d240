"""Profiles compiled: a profile of another client needs no code, one that cannot work is refused."""

from __future__ import annotations

from typing import Any

import pytest

from fingerprints import apply
from fingerprints.check import Observed, check_request
from fingerprints.errors import ProfileError
from fingerprints.library import available, load, parse
from tests.fingerprints.values import BODY, THREAD, VALUES, observed

NEW = load("codex@0.169.0")

SMALL = """
format: 1
client: other
release: 1.2.3
recorded: {{with: nothing, on: "2026-01-01"}}
originators: {{other: "a test"}}
shapes: {{full: {{instructions: member, tools: member}}}}
models: [{{match: "*", shape: full}}]
headers:
  ask:
    - {{name: X-Thread, value: {{uuid: 7}}, role: thread_id}}
    - {{name: X-Again, value: {{same_as: "header:X-Thread"}}}}
    {header}
documents:
  ask:
    members:
      - {{name: thread, value: {{same_as: "header:X-Thread"}}}}
      - {{name: items, value: {{list: {{content: string}}}}, presence: sometimes}}
      {member}
requests:
  ask:
    http:
      method: POST
      path: {{chatgpt: /ask}}
      http: HTTP/1.1
      headers: ask
      body: ask
"""


def test_a_learned_profile_needs_no_code() -> None:
    """Equalities without a role, other names, other letter case: data only."""
    text = SMALL.format(header="", member="- {name: mode, value: {enum: [a]}, presence: sometimes}")
    profile = parse(text.encode())
    made = apply.request(
        profile, "ask", shape="full", sign_in="chatgpt", roles={"thread_id": THREAD}
    )
    assert made.headers == [("X-Thread", THREAD), ("X-Again", THREAD)]
    assert made.data == {"thread": THREAD}
    assert check_request(profile, observed(made)) == []
    broken = Observed("POST", "/ask", [*made.headers[:1], ("X-Again", "x")], made.body, "HTTP/1.1")
    (difference,) = check_request(profile, broken)
    assert (difference.layer, difference.path) == ("equality", "header:X-Again")


@pytest.mark.parametrize(
    ("header", "member", "field"),
    [
        ("- {name: X-New, value: opaque}", "", "header:X-New"),
        ("", "- {name: mode, value: {enum: [a, b]}}", "body:mode"),
        ("", '- {name: mode, value: {same_as: "body:items"}}', "body:mode"),
        ("", '- {name: mode, value: {same_as: "body:nope"}}', "body:nope"),
    ],
)
def test_a_field_without_a_source_is_refused_at_start(header: str, member: str, field: str) -> None:
    profile = parse(SMALL.format(header=header, member=member).encode())
    with pytest.raises(ProfileError) as caught:
        apply.precompile(profile)
    assert caught.value.field == field


def test_shipped_profiles_can_be_applied() -> None:
    for item in available():
        apply.precompile(load(item.name))


def test_constants_of_the_profile_cannot_be_changed_through_a_result() -> None:
    arguments: dict[str, Any] = {
        "shape": "full",
        "sign_in": "chatgpt",
        "roles": VALUES,
        "content": BODY,
    }
    first = apply.body(NEW, "turn", **arguments)
    first["include"].append("x")
    first["tools"].append("x")
    second = apply.body(NEW, "turn", **arguments)
    assert second["include"] == ["reasoning.encrypted_content"]
    assert second["tools"] == []
