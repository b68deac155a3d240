"""Changes of one field of a request, one at a time."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from fingerprints.changes import Change, data_changes, encoding_changes, header_changes
from fingerprints.trace import Coding
from tests.fingerprints.made_traces import payload
from tests.fingerprints.values import JSON

HEADERS = (("A", "1"), ("b", "x"), ("meta", '{"k":{"i":1}}'))


def of(changes: Any, operation: str) -> list[Change]:
    return [each for each in changes if each.operation == operation]


def test_every_header_in_every_way() -> None:
    changes = list(header_changes(HEADERS))
    dropped = [list(each.headers or ()) for each in of(changes, "drop")]
    assert dropped == [[*HEADERS[1:]], [HEADERS[0], HEADERS[2]], [*HEADERS[:2]]]
    assert len(of(changes, "duplicate")) == 3
    assert dict(of(changes, "re-case")[0].headers or ())["a"] == "1"
    moved = of(changes, "move")
    assert all(sorted(each.headers or ()) == sorted(HEADERS) for each in moved)
    assert all(list(each.headers or ()) != list(HEADERS) for each in moved)
    assert next(each for each in moved if each.path == "header:A").crossed == ["b"]


def test_members_at_every_depth() -> None:
    body = payload({"a": {"b": [1, {"c": True}]}, "d": "x"})
    described = {("body", "a"), ("body", "a", "b"), ("body", "d")}
    paths = {(each.operation, each.path) for each in data_changes((), body, described)}
    assert {
        ("drop", "body:a"),
        ("drop", "body:a.b"),
        ("drop", "body:a.b[0]"),
        ("drop", "body:a.b[1].c"),
        ("rename", "body:d_x"),
        ("change", "body:a.b[0]"),
        ("re-type", "body:a.b[1].c"),
        ("move", "body:a"),
        ("duplicate", "body:a.b[1]"),
    } <= paths


def test_json_text_is_changed_in_all_its_places() -> None:
    body = payload({"meta": {"copy": HEADERS[2][1]}})
    changes = [
        each
        for each in data_changes(HEADERS, body, {("body", "meta")})
        if each.operation == "drop" and each.path == "header:meta.k.i"
    ]
    (change,) = changes
    assert change.headers is not None
    assert change.payload is not None
    text = dict(change.headers)["meta"]
    assert json.loads(text) == {"k": {}}
    assert change.payload.data["meta"]["copy"] == text


@given(JSON)
def test_nothing_is_changed_in_place(data: Any) -> None:
    body = payload(data)
    before = json.dumps(data)
    for change in data_changes((), body, ()):
        assert change.payload is not None
    assert json.dumps(body.data) == before


def test_encoding() -> None:
    coding = Coding(name="zstd", length=9, level=3, content_size=False, checksum=False, window=1)
    changes = list(encoding_changes(payload({"a": 1}, coding=coding)))
    assert {each.path for each in of(changes, "encoding")} == {
        "white space",
        "needless escape",
        "no JSON",
        "not compressed",
        "zstd level",
        "zstd content_size",
        "zstd checksum",
        "zstd rest",
        "zstd name",
    }
    assert [each.path for each in of(changes, "duplicate")] == ["body:a"]
    assert of(encoding_changes(payload([1])), "duplicate") == []
