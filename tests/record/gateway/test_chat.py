"""Chat completions of the made-up gateway, judged by what the real SDK makes of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from replay.record.gateway import chat

WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
ASK = 'Go. [[call weather {"city": "Rome"}]]'


def body(prompt: str, **members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], **members}


def chunks(request: dict[str, Any]) -> list[ChatCompletionChunk]:
    events = chat.answer({**request, "stream": True}).events
    assert events is not None
    lines = b"".join(events).decode().strip().split("\n\n")
    assert lines.pop() == "data: [DONE]"
    return [ChatCompletionChunk.model_validate_json(line.removeprefix("data: ")) for line in lines]


def completion(request: dict[str, Any]) -> ChatCompletion:
    given = chat.answer(request)
    assert (given.status, given.events) == (200, None)
    return ChatCompletion.model_validate(given.body)


@given(st.text(max_size=50))
def test_a_stream_says_the_same(prompt: str) -> None:
    whole = completion(body(prompt)).choices[0]
    deltas = [chunk.choices[0].delta for chunk in chunks(body(prompt))]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == whole.message.content
    assert whole.finish_reason == "stop"


def test_usage_is_sent_where_it_is_asked_for() -> None:
    last = chunks(body("hi", stream_options={"include_usage": True}))[-1]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks(body("hi")))


def test_a_call_and_the_answer_to_its_output() -> None:
    tools = [{"type": "function", "function": WEATHER}]
    request = body(ASK, tools=tools)
    choice = completion(request).choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "Rome"}
    streamed = [chunk.choices[0] for chunk in chunks(request)]
    [delta] = [call for choice in streamed for call in choice.delta.tool_calls or ()]
    assert delta.function is not None
    assert delta.function.arguments == call.function.arguments
    assert streamed[-1].finish_reason == "tool_calls"
    output = {"role": "tool", "tool_call_id": call.id, "content": "sunny-42"}
    again = [*request["messages"], choice.message.model_dump(exclude_none=True), output]
    said = completion({**request, "messages": again}).choices[0].message
    assert said.tool_calls is None
    assert "sunny-42" in (said.content or "")


def test_without_tools_nothing_is_called() -> None:
    choice = completion(body(ASK)).choices[0]
    assert choice.message.tool_calls is None
    assert choice.finish_reason == "stop"


def test_a_schema_is_followed() -> None:
    schema = {
        "type": "object",
        "properties": {"people": {"type": "integer"}},
        "required": ["people"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    said = completion(body("x", response_format=form)).choices[0].message.content
    assert list(json.loads(said or "")) == ["people"]
