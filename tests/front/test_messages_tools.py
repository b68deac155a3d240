"""Tools of the messages protocol in Responses form."""

from __future__ import annotations

from typing import Any

import pytest

from addons.errors import BadRequest
from addons.front.messages_changes import ToolChanges
from addons.front.messages_tools import one_call_only, tool_choice, tools

type Json = dict[str, Any]

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = {**SCHEMA, "required": ["a"], "additionalProperties": False}
TOOL = {"name": "f", "input_schema": SCHEMA}
MADE = {"type": "function", "name": "f", "strict": False, "parameters": SCHEMA}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def made(*given: Json, loaded: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> list[Json]:
    return tools(list(given), ToolChanges(set(loaded), set(removed)), [])


@pytest.mark.parametrize(
    ("tool", "function"),
    [
        (TOOL, MADE),
        ({**TOOL, "type": "custom"}, MADE),
        ({**TOOL, "type": None, "cache_control": {"type": "ephemeral"}}, MADE),
        (
            {"input_schema": CLOSED, "strict": True, "description": "d", "name": "f"},
            {**MADE, "strict": True, "description": "d", "parameters": CLOSED},
        ),
    ],
)
def test_functions(tool: Json, function: Json) -> None:
    assert made(tool) == [function]
    assert list(made(tool)[0])[:2] == ["type", "name"], "the same order whatever the client's"


def test_what_the_upstream_cannot_be_strict_about_is_said() -> None:
    notes: list[str] = []
    assert tools([{**TOOL, "strict": True}], ToolChanges(), notes) == [MADE]
    assert len(notes) == 1


def test_a_tool_that_is_not_loaded_is_not_shown() -> None:
    late = {**TOOL, "name": "g", "defer_loading": True}
    assert [tool["name"] for tool in made(TOOL, late)] == ["f"]
    assert [tool["name"] for tool in made(TOOL, late, loaded=("g",))] == ["f", "g"]


def test_a_tool_that_was_removed_is_not_shown() -> None:
    assert made(TOOL, removed=("f",)) == []


def test_a_tool_that_was_defined_on_the_way() -> None:
    changes = ToolChanges(defined=[("p", TOOL)], loaded={"f"})
    assert tools([], changes, []) == [MADE]
    with pytest.raises(BadRequest) as caught:
        tools([], ToolChanges(defined=[("p", {"name": "f"})]), [])
    assert caught.value.param == "p.input_schema"


def test_without_a_search_for_tools_all_are_loaded() -> None:
    late = {**TOOL, "name": "g", "defer_loading": True}
    notes: list[str] = []
    finder = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    assert [tool["name"] for tool in tools([finder, late], ToolChanges(), notes)] == ["g"]
    assert len(notes) == 1


def test_web_search() -> None:
    location = {"type": "approximate", "city": "Rome"}
    notes: list[str] = []
    given = {
        **SEARCH,
        "max_uses": 3,
        "allowed_domains": ["example.org"],
        "user_location": location,
    }
    assert tools([given], ToolChanges(), notes) == [
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["example.org"]},
            "user_location": location,
        }
    ]
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ("f", "tools[0]"),
        ({"input_schema": SCHEMA}, "tools[0].name"),
        ({"name": "f"}, "tools[0].input_schema"),
        ({"name": "f", "defer_loading": True}, "tools[0].input_schema"),
        ({**TOOL, "input_schema": "object"}, "tools[0].input_schema"),
        ({**TOOL, "strict": "yes"}, "tools[0].strict"),
        ({**TOOL, "description": 5}, "tools[0].description"),
        ({"type": "bash_20250124", "name": "bash"}, "tools[0].type"),
        ({"type": "code_execution_20250825", "name": "code_execution"}, "tools[0].type"),
        ({"type": 7, "name": "f", "input_schema": SCHEMA}, "tools[0].type"),
        ({**SEARCH, "blocked_domains": ["example.org"]}, "tools[0].blocked_domains"),
        ({**SEARCH, "allowed_domains": "example.org"}, "tools[0].allowed_domains"),
    ],
)
def test_errors_name_the_tool(tool: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        made(tool)
    assert caught.value.param == param


def test_tools_are_an_array() -> None:
    with pytest.raises(BadRequest, match="`tools` must be an array"):
        tools({"f": SCHEMA}, ToolChanges(), [])


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any", "disable_parallel_tool_use": True}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "name": "f"}),
        ({"type": "tool", "name": "web_search"}, {"type": "web_search"}),
    ],
)
def test_choices(given: Json, choice: Any) -> None:
    assert tool_choice(given, [TOOL, SEARCH]) == choice
    assert one_call_only(given) is ("disable_parallel_tool_use" in given)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("auto", "tool_choice"),
        ({}, "tool_choice.type"),
        ({"type": "required"}, "tool_choice.type"),
        ({"type": []}, "tool_choice.type"),
        ({"type": "tool"}, "tool_choice.name"),
    ],
)
def test_wrong_choices(given: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        tool_choice(given, None)
    assert caught.value.param == param


def test_a_function_that_is_named_like_the_search() -> None:
    own = {**TOOL, "name": "web_search"}
    choice = tool_choice({"type": "tool", "name": "web_search"}, ["x", own])
    assert choice == {"type": "function", "name": "web_search"}
