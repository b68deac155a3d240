from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.setup.edits import Format, put, take_out
from replay.setup.errors import SetupError

MEMBERS = {"model_provider": "floway", "model_providers": {"floway": {"name": "floway", "n": {}}}}

TOML = """\
# mine
model = "gpt-5.5" # the good one

[model_providers.other]
name = "other"

[tui]
theme = "dark"
"""


def test_json_keeps_what_is_not_ours() -> None:
    before = '{"theme": "dark", "model_providers": {"other": {"name": "o"}}}'
    text, leaves = put(before, "json", MEMBERS)
    assert json.loads(text) == {
        "theme": "dark",
        "model_providers": {"other": {"name": "o"}, "floway": {"name": "floway", "n": {}}},
        "model_provider": "floway",
    }
    after, kept = take_out(text, "json", leaves)
    assert json.loads(after) == json.loads(before)
    assert kept == []


def test_toml_keeps_comments_and_layout() -> None:
    members = {"model_provider": "floway", "model_providers": {"floway": {"name": "floway"}}}
    text, leaves = put(TOML, "toml", members)
    found = tomllib.loads(text)
    assert found["model_provider"] == "floway"
    assert found["model_providers"] == {"other": {"name": "other"}, "floway": {"name": "floway"}}
    assert found["tui"] == {"theme": "dark"}
    assert "# mine\n" in text
    assert "# the good one\n" in text
    after, kept = take_out(text, "toml", leaves)
    assert tomllib.loads(after) == tomllib.loads(TOML)
    assert "# the good one\n" in after
    assert kept == []


def test_an_empty_file_is_an_empty_object() -> None:
    for form, read in (("json", json.loads), ("toml", tomllib.loads)):
        text, leaves = put("", form, {"a": {"b": "c"}})  # type: ignore[arg-type]
        assert read(text) == {"a": {"b": "c"}}
        after, _ = take_out(text, form, leaves)  # type: ignore[arg-type]
        assert read(after) == {}


def test_a_value_of_ours_that_was_there_comes_back() -> None:
    text, leaves = put('{"a": "old", "b": 1}', "json", {"a": "new"})
    assert json.loads(text) == {"a": "new", "b": 1}
    assert json.loads(take_out(text, "json", leaves)[0]) == {"a": "old", "b": 1}


def test_what_somebody_has_changed_since_stays() -> None:
    text, leaves = put("{}", "json", {"a": {"b": "1", "c": "2"}})
    after, kept = take_out(text.replace('"1"', '"own"'), "json", leaves)
    assert json.loads(after) == {"a": {"b": "own"}}
    assert [leaf.name for leaf in kept] == ["a.b"]


def test_env_lines() -> None:
    before = "# keys\nexport OTHER=1\nOPENAI_API_KEY = sk-old"
    members = {"OPENAI_API_KEY": "floway", "OPENAI_BASE_URL": "http://x/v1"}
    text, leaves = put(before, "env", members)
    assert text == (
        "# keys\nexport OTHER=1\nOPENAI_API_KEY = floway\nOPENAI_BASE_URL=http://x/v1\n"
    )
    assert take_out(text, "env", leaves)[0] == before + "\n"


@pytest.mark.parametrize(
    ("text", "form", "told"),
    [
        ('{"a": 1} // mine', "json", "comments are not JSON"),
        ("[1]", "json", "no JSON object"),
        ("a = = 1", "toml", "no TOML"),
        ('{"model_providers": 3}', "json", "model_providers is a value"),
        ("model_providers = 3", "toml", "model_providers is a value"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, form: Format, told: str) -> None:
    with pytest.raises(SetupError, match=told):
        put(text, form, MEMBERS)


NAMES = st.text("abc-_", min_size=1, max_size=3)
VALUES = st.one_of(st.text("xyz \"'\\", max_size=4), st.just({}))
MEMBER = st.recursive(VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)


@given(st.dictionaries(NAMES, MEMBER, max_size=3), st.dictionaries(NAMES, MEMBER, max_size=3))
def test_there_and_back(before: dict[str, Any], members: dict[str, Any]) -> None:
    text = json.dumps(before)
    try:
        written, leaves = put(text, "json", members)
    except SetupError:
        return
    after, kept = take_out(written, "json", leaves)
    assert kept == []
    assert _without_empty(json.loads(after)) == _without_empty(before)


def _without_empty(value: Any) -> Any:
    """Objects that were empty before and hold ours only are not told from those we made."""
    if not isinstance(value, dict):
        return value
    found = {name: _without_empty(each) for name, each in value.items()}
    return {name: each for name, each in found.items() if each != {}}
