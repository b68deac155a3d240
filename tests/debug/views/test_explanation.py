from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from addons.debug.views.explanation import explained

SUMMARY = {
    "protocol": "chat",
    "provider": "p",
    "conversation": "local:1",
    "account": "ben",
    "outcome": "completed",
    "sources": {"session": "derived"},
    "attempts": [
        {
            "account": "ada",
            "status": 429,
            "reason": "limit",
            "verdict": "NextAccount",
            "after": 0.0,
        },
        {"account": "ben", "status": None, "reason": "", "verdict": "Commit", "after": 0.125},
    ],
    "usage": {"input_tokens": 200, "cached_tokens": 150},
    "notes": ["temperature: dropped"],
}


def test_everything_that_was_decided() -> None:
    text = explained(SUMMARY, "POST /v1/chat/completions")
    for expected in (
        "account       ben",
        "session  derived",
        "#1  0.000 s  ada  HTTP 429   NextAccount limit",
        "#2  0.125 s  ben  no answer  Commit",
        "from the cache  75.0 %",
        "temperature: dropped",
    ):
        assert expected in text


def test_what_floway_left_alone() -> None:
    assert "no part" in explained({}, "GET /")


ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*SUMMARY]), ANY))
def test_a_summary_from_a_file_may_be_anything(summary: dict[str, Any]) -> None:
    explained(summary, "x")
