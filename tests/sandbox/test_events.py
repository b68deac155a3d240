"""The sequence of events of an answer, and that its deltas add up to its items."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import Field, TypeAdapter

from replay.sandbox.events import (
    CallItem,
    Item,
    MessageItem,
    OpaqueItem,
    ReasoningItem,
    ResponseEvents,
    Usage,
    split_words,
)

USAGE = Usage(100, 0, 20, 5)
BODY: dict[str, Any] = {
    "model": "gpt-5.5",
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": False}],
    "reasoning": {"effort": "high"},
}


def decoded(events: ResponseEvents) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in events]


def types(found: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in found]


def test_text() -> None:
    found = decoded(ResponseEvents(BODY, [MessageItem(["Hi ", "there"])], USAGE))
    assert types(found) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in found] == list(range(10))
    response = found[-1]["response"]
    assert response["usage"]["input_tokens_details"] == {
        "cached_tokens": 0,
        "cache_write_tokens": 0,
    }
    assert response["usage"]["total_tokens"] == 120
    assert response["output"][0]["content"][0]["text"] == "Hi there"
    assert response["instructions"] == "Be brief."
    assert response["tools"] == BODY["tools"]
    assert found[0]["response"]["output"] == []
    assert found[0]["response"]["usage"] is None


def test_reasoning_then_calls() -> None:
    items: list[Item] = [
        ReasoningItem([["Think ", "hard"]], "gAAA"),
        CallItem("f", '{"a": 1}'),
        CallItem("exec", "text(1)", custom=True, namespace="functions"),
    ]
    found = decoded(ResponseEvents(BODY, items, USAGE))
    done = [event["item"] for event in found if event["type"].endswith("output_item.done")]
    assert done[0]["summary"] == [{"type": "summary_text", "text": "Think hard"}]
    assert done[0]["encrypted_content"] == "gAAA"
    assert (done[1]["type"], done[1]["arguments"]) == ("function_call", '{"a": 1}')
    assert (done[2]["type"], done[2]["input"]) == ("custom_tool_call", "text(1)")
    assert done[2]["namespace"] == "functions"
    assert "reasoning_summary_part.added" in types(found)
    assert "custom_tool_call_input.delta" in types(found)


def test_a_failed_response_gives_no_items() -> None:
    failure = {"code": "context_length_exceeded", "message": "too long"}
    found = decoded(ResponseEvents(BODY, [], USAGE, failure=failure))
    assert types(found) == ["created", "in_progress", "failed"]
    assert found[-1]["response"]["error"] == failure
    assert found[-1]["response"]["status"] == "failed"


def test_output_starts_at_the_first_delta_and_lasts() -> None:
    marks = [
        (event.type.removeprefix("response."), event.output)
        for event in ResponseEvents(BODY, [MessageItem(["a"]), MessageItem(["b"])], USAGE)
    ]
    first = next(index for index, (_, output) in enumerate(marks) if output)
    assert marks[first][0] == "output_text.delta"
    assert all(output for _, output in marks[first:])


texts = st.text(min_size=1, max_size=60)
items: st.SearchStrategy[Item] = st.one_of(
    st.builds(lambda text: MessageItem(split_words(text)), texts),
    st.builds(lambda text: ReasoningItem([split_words(text)], None), texts),
    st.builds(lambda name, text: CallItem(name, text), texts, texts),
    st.builds(lambda name, text: CallItem(name, text, custom=True), texts, texts),
    st.just(OpaqueItem({"id": "cmp_1", "type": "compaction", "encrypted_content": "x"})),
)
ADAPTER: TypeAdapter[Any] = TypeAdapter(
    Annotated[get_args(ResponseStreamEvent)[0], Field(discriminator="type")]
)


@given(st.lists(items, max_size=4))
def test_deltas_add_up_and_the_sdk_reads_every_event(answer: list[Item]) -> None:
    found = decoded(ResponseEvents(BODY, answer, USAGE))
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    added: dict[str, str] = {}
    for event in found:
        ADAPTER.validate_python(event)
        if event["type"].endswith(".delta"):
            added[event["item_id"]] = added.get(event["item_id"], "") + event["delta"]
    for item, shown in zip(answer, found[-1]["response"]["output"], strict=True):
        match item:
            case MessageItem():
                assert added[item.id] == shown["content"][0]["text"]
            case ReasoningItem():
                assert added[item.id] == shown["summary"][0]["text"]
            case CallItem():
                assert added[item.id] == shown["input" if item.custom else "arguments"]
            case OpaqueItem():
                assert shown == item.body


@pytest.mark.parametrize("text", ["", " ", "a", " a  b\n\nc ", "\n"])
def test_words_join_to_the_text(text: str) -> None:
    assert "".join(split_words(text)) == text
