"""The client's tools as the upstream takes them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from addons.errors import BadRequest
from addons.providers.cursor.proto.mcp_pb2 import McpToolDefinition
from addons.providers.cursor.telling.tools import MAX_BYTES, MAX_TOOLS, ToolLimits, tools

type Json = dict[str, Any]


def function(name: str, **more: Any) -> Json:
    parameters = {"type": "object", "properties": {"x": {"type": "string"}}}
    return {"type": "function", "name": name, "description": "d", "parameters": parameters, **more}


READ, WRITE = function("read"), function("write")
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
PATCH = {"type": "custom", "name": "patch", "description": "Patch.", "format": GRAMMAR}


def schema(definition: McpToolDefinition) -> Any:
    return MessageToDict(definition.input_schema)


def test_a_function_is_a_tool_of_floways() -> None:
    found = tools({"tools": [READ, WRITE]})
    first = found.message.mcp_tools[0]
    assert (first.tool_name, first.description) == ("read", "d")
    assert first.name == "custom-user-tools-read"
    assert first.provider_identifier == "custom-user-tools"
    assert schema(first) == READ["parameters"]
    assert found.names == {"read", "write"}
    assert (found.custom, found.notes) == (frozenset(), ())


def test_the_same_tools_are_made_once() -> None:
    one, two = (tools({"tools": [function("same")], "input": [each]}) for each in ("a", "b"))
    assert one is two
    assert tools({"tools": [function("same", description="other")]}) is not one
    assert tools({"tools": [function("same")]}, ToolLimits(count=5)) is not one
    huge = function("f", parameters={"properties": {"x": {"maximum": 1 << 70}}})
    assert tools({"tools": [huge]}).names == {"f"}


def test_a_name_never_becomes_too_long() -> None:
    long = "x" * 60
    (tool,) = tools({"tools": [function(long)]}).message.mcp_tools
    assert (tool.name, tool.tool_name) == (long, long)


def test_schemas_are_made_plain() -> None:
    parameters = {"anyOf": [{"type": "object", "properties": {"y": {"const": 1}}}]}
    found = tools({"tools": [function("f", parameters=parameters), function("g", parameters=None)]})
    assert [schema(each) for each in found.message.mcp_tools] == [
        {"type": "object", "properties": {"y": {"enum": [1.0]}}},
        {"type": "object", "properties": {}},
    ]


def test_a_custom_tool_takes_one_text() -> None:
    found = tools({"tools": [PATCH, {"type": "custom", "name": "free"}]})
    patch, free = map(schema, found.message.mcp_tools)
    assert patch["required"] == free["required"] == ["input"]
    assert "lark grammar:\nstart: WORD" in patch["properties"]["input"]["description"]
    assert "grammar" not in free["properties"]["input"]["description"]
    assert found.custom == {"patch", "free"}


def test_tools_may_come_as_an_item() -> None:
    item = {"type": "additional_tools", "tools": [WRITE]}
    assert tools({"tools": [READ], "input": [item]}).names == {"read", "write"}


def test_what_the_upstream_has_not_is_left_out_with_a_note() -> None:
    found = tools({"tools": [{"type": "web_search"}, READ, function("read", description="other")]})
    assert found.names == {"read"}
    assert found.message.mcp_tools[0].description == "d"
    assert len(found.notes) == 2


@pytest.mark.parametrize(
    "body", [{}, {"tools": None}, {"tools": []}, {"tools": [READ], "tool_choice": "none"}]
)
def test_no_tools(body: Json) -> None:
    found = tools(body)
    assert (found.names, found.size) == (frozenset(), 0)


@pytest.mark.parametrize(
    ("choice", "names", "notes"),
    [
        ("auto", {"read", "write"}, 0),
        ("required", {"read", "write"}, 1),
        ({"type": "function", "name": "write"}, {"write"}, 1),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "read"}],
            },
            {"read"},
            1,
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": []}, set(), 0),
    ],
)
def test_a_choice_is_a_selection(choice: Any, names: set[str], notes: int) -> None:
    found = tools({"tools": [READ, WRITE], "tool_choice": choice})
    assert found.names == names
    assert len(found.notes) == notes


def test_a_choice_must_be_among_the_tools() -> None:
    choice = {"type": "function", "name": "delete"}
    with pytest.raises(BadRequest, match="'delete'") as caught:
        tools({"tools": [READ], "tool_choice": choice})
    assert caught.value.param == "tool_choice"


def test_too_many_are_refused_with_the_remedy() -> None:
    given = [function(f"f{number}") for number in range(MAX_TOOLS + 1)]
    assert len(tools({"tools": given[:-1]}).names) == MAX_TOOLS
    with pytest.raises(BadRequest, match="333 tools, and this model takes 332") as caught:
        tools({"tools": given})
    assert (caught.value.code, caught.value.param) == ("too_many_tools", "tools")


def test_too_large_ones_are_refused_by_name() -> None:
    given = [READ, function("huge", description="x" * MAX_BYTES)]
    with pytest.raises(BadRequest, match=r"largest are huge \(131\d{3}\), read \(") as caught:
        tools({"tools": given})
    assert (caught.value.code, caught.value.param) == ("tools_too_large", "tools")
    assert tools({"tools": given}, ToolLimits(size=2 * MAX_BYTES)).names == {"read", "huge"}
    assert tools({"tools": given, "tool_choice": {"type": "function", "name": "read"}}).size < 300
