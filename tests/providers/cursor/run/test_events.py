from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from addons.errors import ClientError
from addons.front.assembly import Assembly
from addons.front.chat import ChatProtocol
from addons.front.contract import ClientProtocol, Json
from addons.front.messages import MessagesProtocol
from addons.front.responses import ResponsesProtocol
from addons.front.sse import EventStream
from addons.providers.cursor.failures.errors import ConnectError
from addons.providers.cursor.run.events import Ending, ResponseEvents, ResponseWriter
from addons.providers.cursor.run.run_outputs import (
    AwaitTools,
    Failed,
    ResponseOutput,
    Text,
    Thinking,
    ThinkingDone,
    ToolCall,
    TurnEnded,
    Usage,
)

USAGE = Usage(100, 20, cached_tokens=60, cache_write_tokens=5, reasoning_tokens=8)
CALL = ToolCall("call_1", "read", '{"path":"a"}')
PATCH = ToolCall("call_2", "patch", '{"input":"*** Begin"}')
ANSWER: tuple[ResponseOutput, ...] = (
    Thinking("Let me "),
    Thinking("see."),
    ThinkingDone(),
    Text("I look"),
    Text(" at it."),
    CALL,
    PATCH,
    AwaitTools(USAGE),
)
BODY: Json = {
    "model": "cursor/m",
    "instructions": "Be brief.",
    "tools": [
        {"type": "function", "name": "read", "parameters": {"type": "object"}, "strict": False},
        {"type": "custom", "name": "patch"},
    ],
}

event_type: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def written(outputs: Sequence[ResponseOutput], seed: str = "x1") -> list[Json]:
    writer = ResponseWriter(seed, "cursor/m", BODY, 17.9, {"patch"})
    events = writer.begin()
    for output in outputs:
        if isinstance(output, AwaitTools | TurnEnded):
            events += writer.complete(output.usage)
        elif not isinstance(output, Failed):
            events += writer.write(output)
    return events


def types(events: Sequence[Json]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_the_sequence_of_events() -> None:
    events = written(ANSWER)
    assert types(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_the_sdk_takes_every_event() -> None:
    for event in written(ANSWER):
        read = event_type.validate_python(event)
        assert read.type == event["type"]


def test_the_response_at_the_end_is_what_the_events_have_built() -> None:
    events = written(ANSWER)
    assembly = Assembly()
    for event in events[:-1]:
        assembly.feed(event)
    final = events[-1]["response"]
    assembly.feed({"type": "response.completed", "response": {**final, "output": []}})
    assert assembly.response() == final
    reasoning, message, call, patch = final["output"]
    assert reasoning["summary"] == [{"type": "summary_text", "text": "Let me see."}]
    assert message["content"][0]["text"] == "I look at it."
    assert (call["type"], call["arguments"]) == ("function_call", '{"path":"a"}')
    assert (patch["type"], patch["input"]) == ("custom_tool_call", "*** Begin")
    assert final["created_at"] == 17
    assert final["instructions"] == "Be brief."
    assert final["usage"]["input_tokens_details"] == {"cached_tokens": 60, "cache_write_tokens": 5}
    assert "estimated" not in final["usage"]


def test_an_estimate_is_marked() -> None:
    (*_, end) = written([Text("x"), TurnEnded(Usage(1, 2, estimated=True))])
    assert end["response"]["usage"]["estimated"] is True


def test_ids_are_the_exchange_s_own() -> None:
    assert written(ANSWER) == written(ANSWER)
    one, other = written(ANSWER, "x1"), written(ANSWER, "x2")
    ids = [{e["item"]["id"] for e in events if "item" in e} for events in (one, other)]
    assert len(ids[0]) == 4
    assert not ids[0] & ids[1]
    assert one[0]["response"]["id"] != other[0]["response"]["id"]


def test_a_custom_tool_without_the_one_text_is_given_its_arguments() -> None:
    events = written([ToolCall("call_1", "patch", '{"diff":1}'), AwaitTools(USAGE)])
    assert events[-1]["response"]["output"][0]["input"] == '{"diff":1}'


def test_an_empty_turn_is_a_response_without_output() -> None:
    assert types(written([ThinkingDone(), TurnEnded(USAGE)])) == [
        "created",
        "in_progress",
        "completed",
    ]


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.builds(Text, st.text(min_size=1, max_size=5)),
            st.builds(Thinking, st.text(min_size=1, max_size=5)),
            st.just(ThinkingDone()),
            st.just(CALL),
        ),
        max_size=12,
    )
)
def test_whatever_comes_items_open_and_close_one_after_the_other(
    outputs: list[ResponseOutput],
) -> None:
    events = written([*outputs, TurnEnded(USAGE)])
    open_items: list[int] = []
    for event in events:
        match event["type"]:
            case "response.output_item.added":
                assert not open_items
                open_items.append(event["output_index"])
            case "response.output_item.done":
                assert open_items.pop() == event["output_index"]
            case kind if "output_index" in event:
                assert open_items == [event["output_index"]], kind
    final = events[-1]["response"]["output"]
    said = "".join(part["text"] for item in final for part in item.get("content", ()))
    assert said == "".join(output.text for output in outputs if isinstance(output, Text))
    thought = "".join(part["text"] for item in final for part in item.get("summary", ()))
    assert thought == "".join(output.text for output in outputs if isinstance(output, Thinking))


# --- in the clients' protocols -------------------------------------------------------------------


def rendered(protocol: ClientProtocol, request: Json) -> list[tuple[str, Any]]:
    """The answer as a client of this protocol sees it: (name, data) of each event."""
    turn = protocol.parse(request)
    renderer = protocol.renderer(turn, request)
    data = b"".join(renderer.event(event) for event in written(ANSWER)) + renderer.finish()
    return [
        (event.event, None if event.data == b"[DONE]" else json.loads(event.data))
        for event in EventStream().feed(data)
    ]


def test_a_chat_client_sees_the_answer() -> None:
    request = {
        "model": "cursor/m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    chunks = [data for _, data in rendered(ChatProtocol(), request) if data is not None]
    deltas = [c["choices"][0]["delta"] for c in chunks if c["choices"]]
    assert "".join(d.get("content") or "" for d in deltas) == "I look at it."
    assert "".join(d.get("reasoning_content") or "" for d in deltas) == "Let me see."
    calls = [call for d in deltas for call in d.get("tool_calls", ()) if "id" in call]
    assert [call["id"] for call in calls] == ["call_1", "call_2"]
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "tool_calls"
    usage = chunks[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (100, 20)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 60


def test_a_responses_client_sees_the_events() -> None:
    request = {"model": "cursor/m", "input": "hi", "stream": True}
    assert [data for _, data in rendered(ResponsesProtocol(), request)] == written(ANSWER)


def test_a_messages_client_sees_the_answer() -> None:
    request = {
        "model": "cursor/m",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    events = [data for _, data in rendered(MessagesProtocol(), request)]
    blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use", "tool_use"]
    deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    assert "".join(d.get("text", "") for d in deltas) == "I look at it."
    assert "".join(d.get("thinking", "") for d in deltas) == "Let me see."
    (end,) = [e for e in events if e["type"] == "message_delta"]
    assert end["delta"]["stop_reason"] == "tool_use"
    assert end["usage"]["output_tokens"] == 20
    assert end["usage"]["cache_read_input_tokens"] == 60


# --- while it is made ----------------------------------------------------------------------------


class Given:
    """A response whose outputs are there already."""

    def __init__(self, outputs: Sequence[ResponseOutput]) -> None:
        self._outputs = iter(outputs)
        self.closed = False

    def __aiter__(self) -> AsyncIterator[ResponseOutput]:
        return self

    async def __anext__(self) -> ResponseOutput:
        for output in self._outputs:
            return output
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


def stream(
    outputs: Sequence[ResponseOutput], told: ClientError | None = None
) -> tuple[ResponseEvents, list[Ending], Given]:
    endings: list[Ending] = []

    def ended(ending: Ending) -> ClientError | None:
        endings.append(ending)
        return told

    given = Given(outputs)
    return (
        ResponseEvents(given, ResponseWriter("x1", "cursor/m", BODY, 17.9, {"patch"}), ended),
        endings,
        given,
    )


async def test_events_come_as_outputs_come_and_the_end_is_told_before_it_is_given() -> None:
    events, endings, response = stream(ANSWER)
    seen = []
    async for event in events:
        assert bool(endings) == (event["type"] == "response.completed")
        seen.append(event)
    assert seen == written(ANSWER)
    assert endings == [ANSWER[-1]]
    await events.aclose()
    assert response.closed


async def test_a_failure_is_raised_as_the_client_is_to_be_told() -> None:
    failure = Failed(ConnectError("resource_exhausted", "Error"))
    told = ClientError(429, "usage_limit_reached", "No more.")
    events, endings, _ = stream([Text("half"), failure], told)
    seen = [await anext(events) for _ in range(5)]
    assert types(seen)[-1] == "output_text.delta"
    with pytest.raises(ClientError) as raised:
        await anext(events)
    assert raised.value is told
    assert endings == [failure]
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_a_failure_that_nobody_explains_is_told_by_its_own_words() -> None:
    events, _, _ = stream([Failed(ConnectError("unavailable", "Down"))])
    with pytest.raises(ClientError) as raised:
        _ = [event async for event in events]
    assert raised.value.status == 503
