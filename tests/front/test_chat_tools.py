"""Tools of chat completions in Responses form."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from addons.errors import BadRequest
from addons.front.chat import ChatProtocol
from addons.front.contract import Turn

USER = {"role": "user", "content": "hi"}


def parse(**members: Any) -> Turn:
    body = {"model": "m", "messages": [USER], **members}
    before = copy.deepcopy(body)
    turn = ChatProtocol().parse(body)
    assert body == before, "the client's own body is shared; it must not be changed"
    return turn


def refused(**members: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse(**members)
    return caught.value


# --- tools ---------------------------------------------------------------------------------------


def test_tools() -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    turn = parse(
        tools=[
            {"function": {"parameters": schema, "name": "f", "strict": True}, "type": "function"},
            {"type": "function", "function": {"name": "g", "description": "d"}},
            {"type": "function", "name": "flat", "parameters": {}},
            {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
            {
                "type": "custom",
                "custom": {
                    "name": "p",
                    "description": "patch",
                    "format": {
                        "type": "grammar",
                        "grammar": {"definition": "start: x", "syntax": "lark"},
                    },
                },
            },
            {"type": "web_search"},
        ],
        parallel_tool_calls=True,
    )
    assert [list(tool) for tool in turn.body["tools"][:2]] == [
        ["type", "name", "strict", "parameters"],
        ["type", "name", "description", "strict", "parameters"],
    ]
    assert turn.body["tools"] == [
        {"type": "function", "name": "f", "strict": True, "parameters": schema},
        {
            "type": "function",
            "name": "g",
            "description": "d",
            "strict": False,
            "parameters": {"type": "object", "properties": {}},
        },
        {"type": "function", "name": "flat", "strict": False, "parameters": {}},
        {"type": "custom", "name": "c", "format": {"type": "text"}},
        {
            "type": "custom",
            "name": "p",
            "description": "patch",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
        },
        {"type": "web_search"},
    ]
    assert json.dumps(turn.body["tools"][0]["parameters"]) == json.dumps(schema)
    assert turn.body["parallel_tool_calls"] is True


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        ({"type": "function", "name": "f"}, {"type": "function", "name": "f"}),
        ({"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "custom", "custom": {"name": "c"}},
                        {"type": "web_search"},
                    ],
                },
            },
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [
                    {"type": "function", "name": "f"},
                    {"type": "custom", "name": "c"},
                    {"type": "web_search"},
                ],
            },
        ),
    ],
)
def test_tool_choice(choice: Any, wanted: Any) -> None:
    assert parse(tool_choice=choice).body["tool_choice"] == wanted


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": "{}"}}]},
            "tools[0].function.parameters",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": 5}}]}, "tools[0].custom.name"),
        (
            {
                "tools": [
                    {
                        "type": "custom",
                        "custom": {"name": "c", "format": {"type": "grammar", "grammar": {}}},
                    }
                ]
            },
            "tools[0].custom.format.grammar.syntax",
        ),
        ({"functions": "f"}, "functions"),
        ({"functions": [{"name": ""}, {}]}, "functions[1].name"),
        ({"function_call": "required"}, "function_call"),
        ({"function_call": {}}, "function_call.name"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}},
            "tool_choice.allowed_tools.tools",
        ),
    ],
)
def test_bad_tools_are_named(members: dict[str, Any], param: str) -> None:
    assert refused(**members).param == param
