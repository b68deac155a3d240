"""The rule that would let a difference from a profile pass."""

from __future__ import annotations

import pytest

from fingerprints.covers import cover
from fingerprints.difference import Change, Difference, Layer

SEVEN = "01a1fc66-ec12-7253-82f1-d195e2814331"


@pytest.mark.parametrize(
    ("layer", "path", "kind", "actual", "expected"),
    [
        (
            "header_set",
            "header:a-b",
            "added",
            "x",
            "{name: a-b, value: {const: x}, presence: sometimes}",
        ),
        (
            "header_set",
            "header:a",
            "added",
            SEVEN,
            "{name: a, value: {uuid: 7}, presence: sometimes}",
        ),
        (
            "header_set",
            "header:a",
            "added",
            "⟨secret⟩",
            "{name: a, value: text, presence: sometimes}",
        ),
        (
            "member_presence",
            "body:a.b",
            "added",
            "5",
            "{name: b, value: {const: 5}, presence: sometimes}",
        ),
        (
            "header_set",
            "header:a",
            "added",
            "x" * 41,
            "{name: a, value: text, presence: sometimes}",
        ),
        ("member_presence", "body:a.b", "removed", "nothing", "body:a.b: presence: sometimes"),
        ("header_order", "header:a", "moved", "first", "requests: unordered: [[a, …]]"),
        ("member_order", "body:a.b", "moved", "first", "body:a: order: free"),
        ("member_order", "body:a", "moved", "first", "body: order: free"),
        ("value", "body:a", "value", "true", "body:a: {any_of: [RULE, {const: true}]}"),
        ("value", "body:a", "type", '{"a":1}', "body:a: {any_of: [RULE, opaque]}"),
        ("equality", "body:a", "equality broken", SEVEN, "body:a: equal: false"),
        ("request_line", "http_version", "value", "HTTP/3", "requests: http: […, HTTP/3]"),
        ("request_line", "path", "value", "/b", "requests: path: […, /b]"),
        ("header_case", "header:a", "case", "A", ""),
        ("encoding", "body", "broken", "not JSON", ""),
    ],
)
def test_covers(layer: str, path: str, kind: str, actual: str, expected: str) -> None:
    difference = Difference(Layer(layer), path, Change(kind), "RULE", actual)
    assert cover(difference) == expected


def test_an_encoding_of_the_profile() -> None:
    difference = Difference(
        Layer.ENCODING, "body: level", Change.VALUE, "3", "5", "requests.turn.encodings"
    )
    assert cover(difference) == "requests.turn.encodings: level: 5"


def test_an_unknown_request_is_to_be_learned() -> None:
    unknown = Difference(Layer.REQUEST_LINE, "path", Change.UNKNOWN, "a request", "GET /x")
    assert "learned" in cover(unknown)
