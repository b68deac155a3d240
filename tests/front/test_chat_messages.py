"""Chat messages to input items; above all, that nothing changes what came before it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.front.chat import ChatProtocol
from addons.front.contract import Turn

PIXEL = "data:image/png;base64,iVBORw0KGgo="
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


def items(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = parse(messages=list(messages)).body["input"]
    return result


def call(call_id: str = "call_1", name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


# --- messages ------------------------------------------------------------------------------------


def test_a_conversation_with_parallel_calls() -> None:
    assert items(
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "weather?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                call("call_1", "weather", '{"city":"Paris"}'),
                call("call_2", "weather", '{"city":"Rome"}'),
                {"id": "call_3", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "rain"}]},
        {"role": "tool", "tool_call_id": "call_3", "content": ""},
        {"role": "assistant", "content": None, "refusal": "I won't."},
    ) == [
        _message("system", "Be brief."),
        _message("developer", "Be kind."),
        _message("user", "weather?"),
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I look."}],
        },
        _function_call("call_1", "weather", '{"city":"Paris"}'),
        _function_call("call_2", "weather", '{"city":"Rome"}'),
        {"type": "custom_tool_call", "call_id": "call_3", "name": "sh", "input": "ls"},
        {"type": "function_call_output", "call_id": "call_2", "output": "sun"},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "rain"}],
        },
        {"type": "custom_tool_call_output", "call_id": "call_3", "output": ""},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": "I won't."}],
        },
    ]


def _message(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def _function_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def test_parts_of_a_user_message() -> None:
    (item,) = items(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                {"type": "image_url", "image_url": "http://example.org/b.png"},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:;base64,AA=="}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        }
    )
    assert item["content"] == [
        {"type": "input_text", "text": "see", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
        {"type": "input_image", "image_url": "http://example.org/b.png"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:;base64,AA=="},
        {"type": "input_file", "file_id": "file-1"},
    ]


def test_an_image_from_a_tool() -> None:
    output = items(
        {"role": "assistant", "tool_calls": [call()]},
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": [{"type": "image_url", "image_url": {"url": PIXEL}}],
        },
    )[-1]
    assert output["output"] == [{"type": "input_image", "image_url": PIXEL}]


def test_functions_of_old() -> None:
    turn = parse(
        messages=[
            USER,
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
            {"role": "function", "name": "f", "content": "42"},
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "43"},
        ],
        functions=[{"name": "f", "description": "d", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    assert turn.body["input"][1:] == [
        _function_call("call_function_1", "f", ""),
        {"type": "function_call_output", "call_id": "call_function_1", "output": "42"},
        _function_call("call_function_3", "f", "{}"),
        {"type": "function_call_output", "call_id": "call_function_3", "output": "43"},
    ]
    assert turn.body["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "d",
            "strict": False,
            "parameters": {"type": "object"},
        }
    ]
    assert turn.body["tool_choice"] == {"type": "function", "name": "f"}
    assert turn.body["parallel_tool_calls"] is False


def test_call_ids_may_come_again_in_a_later_turn() -> None:
    turns = [
        {"role": "assistant", "tool_calls": [call("0")]},
        {"role": "tool", "tool_call_id": "0", "content": "a"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "0", "type": "custom", "custom": {"name": "s", "input": ""}}],
        },
        {"role": "tool", "tool_call_id": "0", "content": "b"},
        {"role": "assistant", "tool_calls": [call("0")]},
        {"role": "tool", "tool_call_id": "0", "content": "c"},
    ]
    assert [item["type"] for item in items(*turns)] == [
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "function_call",
        "function_call_output",
    ]


def test_what_is_dropped_is_noted_once() -> None:
    turn = parse(
        messages=[
            {"role": "user", "name": "ann", "content": "a"},
            {"role": "assistant", "content": "b", "reasoning_content": "because"},
            {
                "role": "assistant",
                "name": "bot",
                "content": [{"type": "thinking", "thinking": "…"}, {"type": "text", "text": "c"}],
                "reasoning_details": [{"type": "reasoning.text"}],
            },
            {"role": "assistant", "content": "", "reasoning": "only thoughts"},
            {"role": "user", "content": "d"},
        ],
        seed=7,
        frequency_penalty=0.5,
        presence_penalty=0,
        logit_bias={},
        top_k=40,
        prediction={"type": "content", "content": "x"},
    )
    assert [item["content"][0]["text"] for item in turn.body["input"]] == ["a", "b", "c", "d"]
    starts = sorted(note.partition(":")[0] for note in turn.notes)
    assert starts == [
        "frequency_penalty",
        "name",
        "prediction",
        "reasoning of earlier answers",
        "seed",
        "top_k",
    ]
    assert set(turn.body) == {"model", "input"}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("text", "messages[1]"),
        ({"content": "x"}, "messages[1].role"),
        ({"role": "robot", "content": "x"}, "messages[1].role"),
        ({"role": ["user"], "content": "x"}, "messages[1].role"),
        ({"role": "user"}, "messages[1].content"),
        ({"role": "user", "content": []}, "messages[1].content"),
        ({"role": "user", "content": 5}, "messages[1].content"),
        ({"role": "user", "content": "x", "name": 5}, "messages[1].name"),
        ({"role": "user", "content": ["x"]}, "messages[1].content[0]"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[1].content[0].text"),
        ({"role": "user", "content": [{"type": "video"}]}, "messages[1].content[0].type"),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
            "messages[1].content[0]",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
            "messages[1].content[0].image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": "file:///etc/passwd"}]},
            "messages[1].content[0].image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"filename": "a"}}]},
            "messages[1].content[0].file",
        ),
        (
            {"role": "system", "content": [{"type": "image_url", "image_url": PIXEL}]},
            "messages[1].content[0].type",
        ),
        ({"role": "assistant", "content": {"a": 1}}, "messages[1].content"),
        (
            {"role": "assistant", "content": [{"type": "image_url"}]},
            "messages[1].content[0].type",
        ),
        ({"role": "assistant", "tool_calls": {}}, "messages[1].tool_calls"),
        ({"role": "assistant", "tool_calls": ["x"]}, "messages[1].tool_calls[0]"),
        (
            {"role": "assistant", "tool_calls": [{"type": "function"}]},
            "messages[1].tool_calls[0].id",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]},
            "messages[1].tool_calls[0].function",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f"}}]},
            "messages[1].tool_calls[0].function.arguments",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "other"}]},
            "messages[1].tool_calls[0].type",
        ),
        ({"role": "assistant", "tool_calls": [call()]}, "messages[1].tool_calls[0]"),
        (
            {"role": "assistant", "function_call": {"name": "f"}},
            "messages[1].function_call.arguments",
        ),
        ({"role": "tool", "content": "x"}, "messages[1].tool_call_id"),
        ({"role": "tool", "tool_call_id": "nope", "content": "x"}, "messages[1].tool_call_id"),
        ({"role": "function", "name": "nope", "content": "x"}, "messages[1].name"),
    ],
)
def test_bad_messages_are_named(message: Any, param: str) -> None:
    error = refused(messages=[USER, message])
    assert error.param == param
    assert param in error.message
    assert error.status == 400


def test_an_answered_call_is_not_answered_again() -> None:
    answer = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
    error = refused(messages=[{"role": "assistant", "tool_calls": [call()]}, answer, answer])
    assert error.param == "messages[2].tool_call_id"


# --- determinism ---------------------------------------------------------------------------------

TEXT = st.text(max_size=8)
PART = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.just({"type": "image_url", "image_url": {"url": PIXEL, "detail": "high"}}),
    st.just({"type": "file", "file": {"file_id": "file-1"}}),
)


@st.composite
def exchanges(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Messages that stand together: a word, or calls with their answers."""
    kind = draw(st.sampled_from(["user", "system", "assistant", "calls", "legacy"]))
    if kind == "user":
        content = draw(TEXT | st.lists(PART, min_size=1, max_size=3))
        return [{"role": "user", "content": content, "name": draw(st.none() | TEXT)}]
    if kind == "system":
        return [{"role": draw(st.sampled_from(["system", "developer"])), "content": draw(TEXT)}]
    if kind == "assistant":
        thoughts = draw(st.none() | TEXT)
        return [{"role": "assistant", "content": draw(TEXT), "reasoning_content": thoughts}]
    if kind == "legacy":
        name = draw(st.sampled_from("fg"))
        calling = {"role": "assistant", "function_call": {"name": name, "arguments": draw(TEXT)}}
        return [calling, {"role": "function", "name": name, "content": draw(TEXT)}]
    ids = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
    calls = [
        call(call_id, "f", draw(TEXT))
        if draw(st.booleans())
        else {"id": call_id, "type": "custom", "custom": {"name": "c", "input": draw(TEXT)}}
        for call_id in ids
    ]
    answers = [
        {
            "role": "tool",
            "tool_call_id": call_id,
            "content": draw(TEXT | st.lists(PART, max_size=2)),
        }
        for call_id in draw(st.permutations(ids))
    ]
    content = draw(st.none() | TEXT)
    return [{"role": "assistant", "content": content, "tool_calls": calls}, *answers]


CONVERSATION = st.lists(exchanges(), min_size=1, max_size=6)


@settings(max_examples=120)
@given(CONVERSATION, st.integers(1, 6))
def test_a_later_turn_begins_byte_for_byte_with_an_earlier_one(
    conversation: list[list[dict[str, Any]]], turns: int
) -> None:
    def serialised(part: list[list[dict[str, Any]]]) -> str:
        messages = [message for group in part for message in group]
        return json.dumps(parse(messages=messages).body["input"]) if messages else "[]"

    earlier, later = serialised(conversation[:turns]), serialised(conversation)
    assert later == earlier or later.startswith(earlier[:-1] + ", ") or earlier == "[]"
    assert later == serialised(copy.deepcopy(conversation))


@given(CONVERSATION)
def test_options_do_not_change_the_translation_of_messages(
    conversation: list[list[dict[str, Any]]],
) -> None:
    messages = [message for group in conversation for message in group]
    with_options = parse(
        messages=messages, tools=[{"type": "function", "function": {"name": "f"}}], stop="x", n=1
    )
    assert with_options.body["input"] == parse(messages=messages).body["input"]
