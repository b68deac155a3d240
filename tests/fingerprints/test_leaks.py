"""The search for leaks: everything that must be found is, wherever it hides."""

from __future__ import annotations

import json

import pytest

from fingerprints import leaks
from fingerprints.trace import Exchange, Origin, Payload, Trace

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln"

FOUND = [
    (JWT, "token"),
    ("Bearer abcdef123456", "token"),
    ("the key sk-abcdefgh12345678", "token"),
    ("crsr_0123456789abcdef", "token"),
    ("GET /x?access_token=abcdef123", "token"),
    ("ask joe.doe@mail.example.com", "e-mail"),
    ("joe%40mail.example.com", "e-mail"),
    ("git@code.example.com:joe/thing.git", "git remote"),
    ("https://code.example.com/joe/thing.git", "git remote"),
    ("see /home/joe/notes.txt", "home path"),
    ("file:///Users/joe/x", "home path"),
    (r"C:\Users\joe\x", "home path"),
    ("/var/folders/ab/T/x", "home path"),
    ("<cwd>/srv/app</cwd>", "working folder"),
    ("x" * 201, "foreign text of 201 characters"),
]

FINE = [
    "Bearer ⟨jwt:1⟩",
    "Bearer sk-⟨secret:1⟩",
    "bearer authentication is needed",
    "task-something-longer",
    "https://example.com/home/page",
    "/v1/responses",
    "codex@0.169.0",
    "<cwd>⟨path:1⟩</cwd>",
    "⟨text:21542:1f2e3d4c⟩",
    "x" * 200,
]


@pytest.mark.parametrize(("text", "kind"), FOUND, ids=[text[:30] for text, _ in FOUND])
@pytest.mark.parametrize("place", ["value", "key", "json text", "line"])
def test_finds(text: str, kind: str, place: str) -> None:
    value = {
        "value": [text],
        "key": {text: 1},
        "json text": {"a": json.dumps({"b": [text]})},
        "line": text,
    }[place]
    found = leaks.in_file(value) if isinstance(value, str) else leaks.in_value(value)
    assert kind in [leak.kind for leak in found]


@pytest.mark.parametrize("text", FINE, ids=[text[:30] for text in FINE])
def test_leaves_alone(text: str) -> None:
    assert leaks.in_value({"a": [text]}) == []
    assert leaks.in_file(text) == []


@pytest.mark.parametrize(
    ("name", "value", "bad"),
    [
        ("refresh_token", "short", True),
        ("refresh_token", "⟨secret:1⟩", False),
        ("x-codex-turn-state", "abc", True),
        ("agent_name", "/root/reviewer", False),
        ("path", "/root/reviewer", True),
    ],
)
def test_members_count(name: str, value: str, bad: bool) -> None:
    assert bool(leaks.in_value({name: value})) is bad
    assert bool(leaks.in_value([[name, value]])) is bad, "as a header"


@pytest.mark.parametrize(
    ("cookie", "bad"),
    [
        ("a=⟨secret:1⟩; Path=/; HttpOnly", False),
        ("a=⟨secret:1⟩; b=⟨secret:2⟩", False),
        ("a=b", True),
    ],
)
def test_cookies(cookie: str, bad: bool) -> None:
    assert bool(leaks.in_value([["set-cookie", cookie]])) is bad


def test_says_where_and_little_more() -> None:
    exchange = Exchange(
        number=1,
        method="POST",
        authority="a",
        path="/",
        headers=(("authorization", "Bearer abcdef123456"),),
        body=Payload(form="json", length=1, data={"a": [{"b": JWT}]}),
    )
    trace = Trace(client="x", origin=Origin(tool="t", on="2026-11-21"), exchanges=(exchange,))
    found = leaks.in_trace(trace)
    assert {leak.path for leak in found} == {
        "exchanges[0].headers[0][1]",
        "exchanges[0].body.data.a[0].b",
    }
    assert "abcdef" not in "".join(str(leak) for leak in found)
    assert JWT not in "".join(str(leak) for leak in found)
