"""Matchers: what each allows, in JSON and where only strings can stand."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from fingerprints.matchers import Matcher, accepts, compact, describe
from fingerprints.roles import ROLES

READ: TypeAdapter[Any] = TypeAdapter(Matcher)

V4 = "2b06b842-6204-4e3a-9094-b2e2dea2a9b5"
V7 = "01a1fc65-f0a6-7a82-9f9d-1d6c86602b70"

ALLOWED = [
    ({"const": True}, [True], [1, "true", None]),
    ({"const": {"a": 1, "b": 2}}, [{"a": 1, "b": 2}], [{"b": 2, "a": 1}, {"a": 1}]),
    ({"enum": ["a", 1]}, ["a", 1], ["b", True, None]),
    ("version", ["1.2.3"], ["1.2.4", None]),
    ({"uuid": 7}, [V7], [V4, V7.upper(), V7[:-1], V7.replace("-", ""), None, 7]),
    ({"uuid": [4, 7]}, [V4, V7], ["2b06b842-6204-5e3a-9094-b2e2dea2a9b5"]),
    ({"template": "{thread_id}:{window_number}"}, [f"{V7}:12"], [V7, f"{V7}:x", f" {V7}:1"]),
    ({"template": "cli/{version}"}, ["cli/1.2.3"], ["cli/1x2x3", "cli/1.2.30"]),
    ("time_ms", [1795235901709], [1795235901, 1795235901709000, "1795235901709", True]),
    ("int", [0, -3], [True, 1.0, "1", None]),
    ("bool", [True, False], [0, "true", None]),
    ("text", ["x"], ["", None, 1]),
    ("opaque", ["", None, 1, {}], []),
    ({"content": "any"}, [None, 1, {}, "x"], []),
    ({"content": "array"}, [[], [1]], [{}, None, "x"]),
    ({"content": "number"}, [1, 1.5], [True, "1"]),
    ({"content": "int"}, [1], [1.5, True]),
    ({"list": "int"}, [[], [1, 2]], [[1, "2"], 1, None]),
    ({"any_of": ["int", {"const": "x"}]}, [1, "x"], ["y", None]),
]


@pytest.mark.parametrize(("form", "good", "bad"), ALLOWED)
def test_what_a_matcher_allows(form: Any, good: list[Any], bad: list[Any]) -> None:
    matcher = READ.validate_python(form)
    for value in good:
        assert accepts(matcher, value, release="1.2.3"), value
    for value in bad:
        assert not accepts(matcher, value, release="1.2.3"), value


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("int", ["0", "17", "-1"], ["", "01", "1.0", "x", 1]),
        ("bool", ["true", "false"], ["True", "1", True]),
        ("time_ms", ["1795235901709"], ["1795235901", "x"]),
        ({"const": True}, ["true"], ["True", True]),
        ({"enum": [1, "a"]}, ["1", "a"], [1, "2"]),
        ("opaque", ["", "x"], [None, 1]),
    ],
)
def test_what_a_matcher_allows_among_strings(form: Any, good: list[Any], bad: list[Any]) -> None:
    matcher = READ.validate_python(form)
    for value in good:
        assert accepts(matcher, value, release="1.2.3", strings=True), value
    for value in bad:
        assert not accepts(matcher, value, release="1.2.3", strings=True), value


FORMS = [
    *(form for form, _, _ in ALLOWED),
    {"same_as": "header:a"},
    {"json": "d"},
    {"document": "d"},
]


@pytest.mark.parametrize("form", FORMS)
def test_the_compact_form_is_read_back(form: Any) -> None:
    matcher = READ.validate_python(form)
    assert compact(matcher) == form
    assert READ.validate_python(compact(matcher)) == matcher
    assert describe(matcher)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("guid", "no matcher is called 'guid'.*uuid"),
        ("uuid", "'uuid' needs an argument"),
        ({"guid": 4}, "no matcher is called 'guid'"),
        ({"uuid": 4, "const": 1}, "a map with one key"),
        (7, "a word or a map"),
        ({"same_as": "session-id"}, "pattern"),
        ({"content": "text"}, "string"),
    ],
)
def test_a_wrong_matcher_is_explained(form: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        READ.validate_python(form)


def test_roles_are_documented() -> None:
    for name, role in ROLES.items():
        assert role.shape, name
        assert role.meaning.endswith("."), name
    assert {name for name, role in ROLES.items() if role.secret} >= {
        "access_token",
        "account_id",
        "refresh_token",
        "turn_state",
        "cookie",
    }
