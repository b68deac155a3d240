"""What varies inside a value, and the rules that cover values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.compare.shape import covering, is_identifier, pattern, settled, shape, spelled
from fingerprints.matchers import accepts
from tests.fingerprints.values import JSON, PLAIN

SEVEN = "01a1fc66-ec12-7253-82f1-d195e2814331"
OTHER_SEVEN = "01a1fc66-eba2-7df0-826c-922a4642b26b"
FOUR = "0989b042-c627-4865-9353-ab35179193c6"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SEVEN, "‹uuid 7›"),
        (f"{SEVEN}:0", "‹uuid 7›:0"),
        (f"msg_{SEVEN}", "msg_‹uuid 7›"),
        (f"a{SEVEN}", f"a{SEVEN}"),
        ("at 1795235965984!", "at ‹time_ms›!"),
        ("2026-11-21T12:00:00.5Z", "‹time›"),
        ("Bearer ⟨jwt:12⟩", "Bearer ‹jwt›"),
        ("⟨text:900:0a0b0c0d⟩", "‹text›"),
        ("kJKYjFSFJAcFy82rHKATUg==", "‹token of 24›"),
        ("vCLgdGijjLXxQSuI+Dlilw==", "‹token of 24›"),
        (
            "codex_exec/0.169.0 (Debian 12.0.0; x86_64)",
            "codex_exec/0.169.0 (Debian 12.0.0; x86_64)",
        ),
        ("text/event-stream", "text/event-stream"),
    ],
)
def test_shapes(text: str, expected: str) -> None:
    assert shape(text) == expected


@pytest.mark.parametrize(
    ("values", "op", "inside", "outside"),
    [
        ([SEVEN, OTHER_SEVEN], "shape", SEVEN, FOUR),
        ([SEVEN, SEVEN], "const", SEVEN, OTHER_SEVEN),
        ([SEVEN], "shape", OTHER_SEVEN, FOUR),
        (["a"], "const", "a", "b"),
        (["a", "b"], "text", "c", 1),
        ([1, 2], "int", 77, 1.5),
        ([1, 1], "const", 1, 2),
        ([1, 1.5], "number", 9, True),
        ([1_795_235_965_984, 1_795_235_965_985], "time_ms", 1_795_000_000_000, 5),
        ([1_795_235_965.5], "seconds", 1_795_235_970, 7),
        ([True, False], "bool", True, 1),
        (["a", 1, None], "types", None, True),
        (["⟨jwt:1⟩", "⟨jwt:2⟩"], "const", "⟨jwt:9⟩", "⟨secret:1⟩"),
        (["⟨text:300:00000000⟩"], "shape", "⟨text:400:00000001⟩", "short"),
    ],
)
def test_patterns(values: list[Any], op: str, inside: Any, outside: Any) -> None:
    found = pattern(values)
    assert found.op == op
    assert found.accepts(inside)
    assert not found.accepts(outside)
    assert str(found)


@given(st.lists(PLAIN, min_size=1, max_size=5))
def test_a_pattern_accepts_what_it_was_made_of(values: list[Any]) -> None:
    found = pattern(values)
    assert all(found.accepts(value) for value in values)


@given(st.lists(JSON, min_size=1, max_size=5))
def test_a_covering_matcher_accepts_all(values: list[Any]) -> None:
    matcher = covering(values)
    assert all(accepts(matcher, value, release="1.0.0") for value in values)
    assert spelled(matcher)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1], "{const: 1}"),
        ([SEVEN, FOUR], "{uuid: [4,7]}"),
        (["a", "b"], '{enum: ["a","b"]}'),
        (["a" * 50, "b" * 50], "text"),
        (["", "b" * 50], "{content: string}"),
        ([True, False], "bool"),
        ([1, 2], "int"),
        ([1, "a"], '{enum: [1,"a"]}'),
        ([[1], {"a": 1}], '{any_of: [{"content":"array"},{"content":"object"}]}'),
    ],
)
def test_what_covers_values(values: list[Any], expected: str) -> None:
    assert spelled(covering(values)) == expected


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(SEVEN, True), ("⟨jwt:1⟩", True), (1_795_235_965_984, True), ("a", False), (0, False)],
)
def test_identifiers(value: Any, is_one: bool) -> None:
    assert is_identifier(value) is is_one
    assert not is_identifier(True)


def test_numbers_of_placeholders_count_within_one_trace_only() -> None:
    assert settled("Bearer ⟨jwt:3⟩") == "Bearer ⟨jwt⟩"
    assert settled("⟨text:3:00000000⟩") == "⟨text:3:00000000⟩"
    assert settled(5) == 5
