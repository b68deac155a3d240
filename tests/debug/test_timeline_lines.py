"""What a line of a timeline holds, and what not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.debug.timeline_lines import Lines, Seen
from fingerprints import leaks
from fingerprints.redaction import Redactor

TOKEN = "opaque-token-of-a-client"


@pytest.fixture
def lines() -> Lines:
    return Lines(Redactor(b"salt"), 4000)


def frame(value: Any, **facts: Any) -> Seen:
    return Seen({"event": "frame", "from": "server", **facts}, body=json.dumps(value).encode())


def test_a_request(lines: Lines) -> None:
    headers = [("Authorization", f"Bearer {TOKEN}"), ("Cookie", "a=secretcookie1"), ("Accept", "*")]
    seen = Seen({"event": "request", "t": 0.0}, headers, path=f"/v1?api_key={TOKEN}&x=1")
    line = lines.of(seen)
    assert [name for name, _ in line["headers"]] == ["Authorization", "Cookie", "Accept"]
    assert TOKEN not in str(line)
    assert "secretcookie1" not in str(line)
    assert line["path"].startswith("/v1?api_key=⟨secret:")
    assert line["headers"][0][1] == f"Bearer {line['path'][12:-4]}"  # equality can be followed


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"type": "response.create", "previous_response_id": "r1"}, {"previous": "r1"}),
        ({"type": "response.created", "response": {"id": "r2"}}, {"response": "r2"}),
        ({"type": "x.delta", "response_id": "r3"}, {"response": "r3"}),
        ({"type": "error", "error": {"code": "c"}}, {"error": True}),
        ({"type": "response.failed", "response": {"id": "r"}}, {"response": "r", "error": True}),
        ({"type": 7, "response": [], "previous_response_id": {}}, {}),
        ([1], {}),
    ],
)
def test_a_frame_says_what_it_is(lines: Lines, value: Any, told: dict[str, Any]) -> None:
    line = lines.of(frame(value))
    assert line["body"] == value
    found = {name: line[name] for name in ("response", "previous", "error") if name in line}
    assert found == told


def test_bodies_are_masked_and_long_texts_are_not_kept(lines: Lines) -> None:
    value = {
        "type": "response.create",
        "note": f"said {TOKEN}, which is known only later",
        "client_metadata": {"turn": json.dumps({"workspaces": {"/home/joe/x": {}}})},
        "api_key": TOKEN,
        "input": "word " * 100,
    }
    line = lines.of(frame(value))
    assert TOKEN not in str(line)
    assert "joe" not in str(line)
    assert line["body"]["input"].startswith("⟨text:500:")
    assert leaks.in_value(line["body"]) == []


def test_a_body_that_is_too_large_has_its_size_and_its_type(lines: Lines) -> None:
    seen = frame({"type": "response.created", "x": "y" * 5000}, passed=None)
    line = lines.of(seen)
    assert "body" not in line
    assert line["type"] == "response.created"
    assert line["size"] == len(seen.body or b"") > 5000


def test_bodies_that_are_no_json(lines: Lines) -> None:
    html = Seen({"event": "handshake"}, body=b"<html>" + b"x " * 300)
    assert lines.of(html)["body"].startswith("⟨text:606:")
    assert lines.of(Seen({"event": "frame"}, body=b"\xff\xfe"))["body"].startswith("⟨binary:2:")
    assert lines.of(Seen({"event": "frame"}, body=b""))["size"] == 0


def test_what_was_passed_on_in_its_place(lines: Lines) -> None:
    seen = Seen({"event": "frame"}, body=b'{"a": 1}', passed=json.dumps({"token": TOKEN}).encode())
    line = lines.of(seen)
    assert line["passed"]["body"]["token"].startswith("⟨secret:")


def test_raw_lines_hold_everything() -> None:
    line = Lines(None, 4000).of(
        Seen({"event": "frame"}, [("authorization", TOKEN)], path="/?k=v", body=b'{"a": "b"}')
    )
    assert line["headers"] == [["authorization", TOKEN]]
    assert (line["path"], line["body"]) == ("/?k=v", {"a": "b"})


@given(st.binary(max_size=200))
def test_any_body(body: bytes) -> None:
    line = Lines(Redactor(b"salt"), 4000).of(Seen({"event": "frame", "t": 0.0}, body=body))
    assert line["size"] == len(body)
    json.dumps(line)
