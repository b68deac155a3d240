from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from addons.debug.views.parity import Side, check, masked, shown
from fingerprints.observed import Observed

CLIENT = Side(
    "POST /v1/responses",
    [("Authorization", "Bearer client-key"), ("accept", "*/*"), ("x-own", "1")],
    json.dumps({"model": "m", "input": [1], "stream": True, "user": "me"}).encode(),
)
UPSTREAM = Side(
    "POST https://example.org/responses",
    [
        ("accept", "text/event-stream"),
        ("authorization", "Bearer account-token"),
        ("originator", "o"),
    ],
    json.dumps(
        {"model": "m", "input": [1, 2], "stream": True, "meta": {"id": '{"a":"b"}'}}
    ).encode(),
)


def line(text: str, start: str) -> str:
    return next(each for each in text.splitlines() if each.strip().startswith(start))


def pair(text: str, start: str) -> list[str]:
    """A changed member: the client's value, and below it the upstream's."""
    lines = text.splitlines()
    place = next(n for n, each in enumerate(lines) if each.strip().startswith(start))
    return f"{lines[place]} {lines[place + 1]}".split()


def test_member_by_member() -> None:
    text = shown(CLIENT, UPSTREAM, "")
    assert pair(text, "~ accept") == ["~", "accept", "*/*", "→", "text/event-stream"]
    assert line(text, "+ originator").split() == ["+", "originator", "o"]
    assert line(text, "- x-own").split() == ["-", "x-own", "1"]
    assert line(text, "= model").split() == ["=", "model", '"m"']
    assert pair(text, "~ input") == ["~", "input", "[1]", "[1]", "→", "[2]", "[1,", "2]"]
    assert line(text, "+ meta.id.a").split() == ["+", "meta.id.a", '"b"']
    assert line(text, "- user").split() == ["-", "user", '"me"']


def test_nobody_reads_who_pays() -> None:
    text = shown(CLIENT, UPSTREAM, "")
    assert "client-key" not in text
    assert "account-token" not in text
    assert masked("x-some-account-id", "abc") == "⟨3 characters⟩"
    assert masked("authorization", "Bearer abc") == "Bearer ⟨3 characters⟩"
    assert masked("accept", "abc") == "abc"


def test_without_a_profile_the_check_says_so() -> None:
    observed = Observed("POST", "/x", [])
    assert "there is no profile 'codex@9.9.9'" in check(None, "codex@9.9.9", observed)
    assert "no profile" in check(None, "", observed)


def test_bodies_that_are_no_objects() -> None:
    text = shown(Side("GET /", [], b""), Side("GET /", [], b""), "")
    assert "Body" not in text
    broken = Side("POST /", [("content-encoding", "zstd")], b"nonsense")
    assert "no JSON object on both sides" in shown(broken, UPSTREAM, "")


HEADERS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=4)


@given(HEADERS, st.binary(max_size=30), HEADERS, st.binary(max_size=30))
def test_nothing_breaks_it(
    mine: list[tuple[str, str]], body: bytes, theirs: list[tuple[str, str]], other: bytes
) -> None:
    shown(Side("a", mine, body), Side("b", theirs, other), "")
