"""Chat messages of the service, and what the scripted model reads of them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value

from addons.providers.cursor.proto import agent_pb2, mcp_pb2
from replay.sandbox.cursor import history


def texts(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(item["role"], item["content"][0]["text"]) for item in items]


def test_messages_become_items() -> None:
    call = {"type": "tool-call", "toolCallId": "1", "toolName": "t", "args": {"n": 3}}
    result = {"type": "tool-result", "toolCallId": "1", "toolName": "t", "result": {"a": 1}}
    found = history.items(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "b"}, call, "odd"]},
            {"role": "tool", "content": [result]},
        ]
    )
    assert texts(found[:3]) == [
        ("system", "Be brief."),
        ("user", "a\n[image ]"),
        ("assistant", "b"),
    ]
    assert found[3] == {
        "type": "function_call",
        "call_id": "1",
        "name": "t",
        "arguments": '{"n": 3}',
    }
    assert found[4] == {"type": "function_call_output", "call_id": "1", "output": '{"a": 1}'}


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("plain", "plain"),
        ({"type": "text", "value": "inside"}, "inside"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"type": "image"}], '[{"type": "image"}]'),
        (7, "7"),
        ([], "[]"),
    ],
)
def test_a_result_is_text_in_any_form(result: object, text: str) -> None:
    assert history.result_text(result) == text


@pytest.mark.parametrize("blob", [b"", b"{", b"[]", b"{}", b'{"role":1}', b"\xff" * 4])
def test_what_is_no_chat_message_is_refused(blob: bytes) -> None:
    with pytest.raises(history.BadMessage):
        history.parsed(blob)


def test_what_is_added_can_be_read() -> None:
    values = {"n": ParseDict(3, Value()), "s": ParseDict("x", Value())}
    call = mcp_pb2.McpArgs(name="p-t", tool_name="t", tool_call_id="1", args=values)
    message = history.assistant_message(["hello", ""], [call])
    assert history.parsed(history.serialised(message)) == message
    said, made = history.items([message])
    assert texts([said]) == [("assistant", "hello")]
    assert made["arguments"] == '{"n": 3, "s": "x"}', "no 3.0: numbers of a Value are doubles"
    rejected = mcp_pb2.McpResult(rejected=mcp_pb2.McpRejected(reason="no"))
    [output] = history.items([history.tool_message(call, rejected)])
    assert output == {
        "type": "function_call_output",
        "call_id": "1",
        "output": 'rejected: {"reason": "no"}',
    }
    assert history.outcome(mcp_pb2.McpResult()) == "(an empty result)"


def test_flattened_history_is_taken_apart() -> None:
    flat = "So far:\n\nUSER: old\n\nASSISTANT: done\n\nand well\n\nCurrent request: new"
    before = {"role": "system", "content": "Be brief."}
    found = history.current(history.items([before, {"role": "user", "content": flat}]))
    assert texts(found) == [
        ("system", "Be brief."),
        ("user", "old"),
        ("assistant", "done\n\nand well"),
        ("user", "new"),
    ]
    plain = history.items([{"role": "user", "content": "new"}])
    assert history.current(plain) is plain


@pytest.mark.parametrize(
    ("schema", "combined"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, False),
        ({"properties": {"a": {"items": [{"oneOf": []}]}}}, True),
        ({"allOf": []}, True),
        ("anyOf", False),
    ],
)
def test_combined_schemas_are_found_at_any_depth(schema: object, combined: bool) -> None:
    assert history.combines(schema) is combined


def test_a_schema_is_read_from_either_place() -> None:
    wanted = {"type": "object"}
    as_value = mcp_pb2.McpToolDefinition(name="a", input_schema=ParseDict(wanted, Value()))
    as_text = mcp_pb2.McpToolDefinition(name="a", input_schema_json='{"type": "object"}')
    assert history.schema(as_value) == history.schema(as_text) == wanted
    assert history.schema(mcp_pb2.McpToolDefinition(input_schema_json="{")) == {}
    assert history.offered([as_text])[0]["name"] == "a"


def test_the_user_s_images_are_marked() -> None:
    image = agent_pb2.SelectedImage(mime_type="image/png", data=b"1")
    context = agent_pb2.SelectedContext(selected_images=[image])
    message = history.user_message(agent_pb2.UserMessage(text="see", selected_context=context))
    assert texts(history.items([message])) == [("user", "see\n[image image/png]")]
