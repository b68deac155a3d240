from __future__ import annotations

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.proto.exec_pb2 import ExecServerMessage
from addons.providers.cursor.proto.mcp_pb2 import McpArgs
from addons.providers.cursor.run.run_outputs import ToolCall, ToolResult
from addons.providers.cursor.run.run_tools import ToolCalls, arguments


def struct(fields: dict[str, Any]) -> Struct:
    made = Struct()
    made.update(fields)
    return made


def written(fields: dict[str, Any]) -> str:
    return arguments(struct(fields).fields)


def opened(calls: ToolCalls, number: int, **args: str) -> ToolCall:
    request = ExecServerMessage(id=number, exec_id=f"e{number}", mcp_args=McpArgs(**args))
    call = calls.open(request, "read")
    assert call is not None
    return call


def test_whole_numbers_have_no_fraction() -> None:
    fields = {"a": 3.0, "b": -0.5, "c": 2.0**53, "d": 1e300, "e": True, "f": None}
    assert written(fields) == (
        '{"a":3,"b":-0.5,"c":9007199254740992.0,"d":1e+300,"e":true,"f":null}'
    )


def test_what_json_has_no_word_for_is_null() -> None:
    assert written({"a": float("nan"), "b": [float("inf")]}) == '{"a":null,"b":[null]}'


def test_no_arguments_are_an_object() -> None:
    assert arguments({}) == "{}"


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_arguments_are_the_same_json_as_protobuf_s_own(fields: dict[str, Any]) -> None:
    made = struct(fields)
    assert json.loads(arguments(made.fields)) == MessageToDict(made)


def test_the_tool_is_found_by_either_name() -> None:
    calls = ToolCalls("r", {"read", "mcp_x"})
    assert calls.name_of(McpArgs(name="floway-read", tool_name="read")) == "read"
    assert calls.name_of(McpArgs(name="read")) == "read"
    assert calls.name_of(McpArgs(name="floway-read", provider_identifier="floway")) == "read"
    assert calls.name_of(McpArgs(name="srv_read", server_identifier="srv")) == "read"
    assert calls.name_of(McpArgs(name="mcp_x", provider_identifier="mcp_")) == "mcp_x"
    assert calls.name_of(McpArgs(name="write", tool_name="write")) is None
    assert calls.name_of(McpArgs()) is None


def test_ids_do_not_depend_on_anything_but_the_run() -> None:
    one, same, other = (ToolCalls(run, {"read"}) for run in ("r", "r", "s"))
    ids = [opened(calls, 1, tool_call_id="t").call_id for calls in (one, same, other)]
    assert ids[0] == ids[1] != ids[2]
    # The server may use a number, and an id of its own, a second time.
    one.show()
    one.answer([ToolResult(ids[0], ())])
    assert opened(one, 1, tool_call_id="t").call_id != ids[0]


def test_an_announced_call_is_expected_until_it_comes_or_is_over() -> None:
    calls = ToolCalls("r", {"read"})
    calls.announce("t1")
    assert calls.more_announced
    opened(calls, 1, tool_call_id="t1")
    assert not calls.more_announced
    calls.announce("t1")  # shown again, and open already
    assert not calls.more_announced
    calls.announce("t2")
    calls.settle("t2")
    assert not calls.more_announced


def test_the_last_of_two_results_counts() -> None:
    calls = ToolCalls("r", {"read"})
    call = opened(calls, 1)
    calls.show()
    answers = calls.answer([ToolResult(call.call_id, ("a",)), ToolResult(call.call_id, ("b",))])
    (message,) = answers.messages
    assert message.mcp_result.success.content[0].text.text == "b"
    assert len(calls) == 0


def test_half_a_surrogate_pair_can_be_sent() -> None:
    calls = ToolCalls("r", {"read"})
    call = opened(calls, 1)
    calls.show()
    (message,) = calls.answer([ToolResult(call.call_id, ("a\ud83d",))]).messages
    assert message.mcp_result.success.content[0].text.text == "a?"


def test_a_result_without_content_is_a_result() -> None:
    calls = ToolCalls("r", {"read"})
    call = opened(calls, 1)
    calls.show()
    (message,) = calls.answer([ToolResult(call.call_id, ())]).messages
    assert message.mcp_result.HasField("success")
    assert not message.mcp_result.success.content
