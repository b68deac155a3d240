"""Streamed and whole answers of a messages client tell the same, however the upstream tells them.

The tellings are those of the chat client's test; a client puts a stream's events together as
Anthropic's SDKs do, and must have what the whole answer says.
"""

from __future__ import annotations

import json
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from addons.errors import ClientError
from addons.front.assembly import Assembly
from addons.front.contract import Json
from addons.front.messages_answer import INVALID, AnswerOptions
from addons.front.messages_stream import MessagesRenderer
from addons.front.messages_thinking import MARK, reasoning_item
from addons.front.sse import EventStream
from tests.front.tellings import EVENT, Event, responses, tellings

EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)

OPTIONS = st.builds(
    AnswerOptions,
    stops=st.lists(st.sampled_from(["a", "bc", "\n", "cab", "🙂"]), max_size=2).map(tuple),
    thinking=st.sampled_from(["none", "omitted", "summarized"]),
)


def events_of(stream: bytes) -> list[Event]:
    """The events of a stream, whose names must be those in their data."""
    parser = EventStream()
    found = []
    for event in [*parser.feed(stream), *parser.close()]:
        assert event.terminated
        found.append(json.loads(event.data))
        assert found[-1]["type"] == event.event
    return found


def put_together(events: list[Event]) -> Event:
    """What a client makes of the events. Checks that each comes when it may."""
    assert [event["type"] for event in events[:2]] == ["message_start", "ping"]
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    message: Event = events[0]["message"]
    assert (message["content"], message["stop_reason"]) == ([], None)
    started = False
    arguments = ""
    for event in events[2:-2]:
        index = event["index"]
        if event["type"] == "content_block_start":
            assert not started
            assert index == len(message["content"])
            started, arguments = True, ""
            message["content"].append(event["content_block"])
            continue
        assert started
        assert index == len(message["content"]) - 1
        block = message["content"][-1]
        if event["type"] == "content_block_stop":
            started = False
            if "input" in block and arguments:
                block["input"] = arguments
            continue
        assert event["type"] == "content_block_delta"
        delta = event["delta"]
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] += delta["signature"]
            case "citations_delta":
                block.setdefault("citations", []).append(delta["citation"])
            case "input_json_delta":
                arguments += delta["partial_json"]
            case kind:
                raise AssertionError(kind)
    assert not started
    return message | events[-2]["delta"] | {"usage": events[-2]["usage"]}


def parsed_inputs(blocks: list[Event]) -> list[Event]:
    """Inputs as a client parses them; what is no object as the whole answer shows it."""
    out = []
    for block in blocks:
        given = block.get("input")
        if isinstance(given, str):
            try:
                value = json.loads(given) if given.strip() else {}
            except ValueError:
                value = None
            block = {**block, "input": value if isinstance(value, dict) else {INVALID: given}}
        out.append(block)
    return out


@settings(max_examples=70)
@given(st.data(), responses(), OPTIONS)
def test_a_stream_tells_what_the_whole_answer_says(
    data: st.DataObject, response: Event, options: AnswerOptions
) -> None:
    events = data.draw(tellings(response))
    assembly = Assembly()
    renderer = MessagesRenderer("m", options)
    stream = b""
    for event in events:
        stream += renderer.event(json.loads(json.dumps(event)))
        assembly.feed(json.loads(json.dumps(event)))
    stream += renderer.finish()

    whole = MessagesRenderer("m", options).whole(assembly.response())
    told = events_of(stream)
    _check_with_the_sdks_types(told, whole)
    message = put_together(told)
    blocks = parsed_inputs(message.pop("content"))
    assert blocks == whole.pop("content")
    if events[0]["type"] != "response.created" and len(events) > 1:
        message["id"] = whole["id"]  # of a response that nobody has introduced
    assert message == whole
    _check_blocks(blocks, options)


def _check_with_the_sdks_types(events: list[Event], whole: Event) -> None:
    if "\\ud83d" in json.dumps([events, whole], ensure_ascii=True).replace("\\ud83d\\ude42", ""):
        return  # pydantic takes no half surrogate pairs
    Message.model_validate(whole, strict=True)
    for event in events:
        if event["type"] != "ping":
            EVENTS.validate_python(event, strict=True)


def _check_blocks(blocks: list[Event], options: AnswerOptions) -> None:
    for block in blocks:
        if block["type"] == "thinking":
            assert options.thinking != "none"
            assert bool(block["thinking"]) == (options.thinking == "summarized")
            assert block["signature"].startswith(MARK)
            item = reasoning_item(block["signature"], block["thinking"])
            assert item is not None
            assert item["encrypted_content"] == "opaque"
        elif block["type"] == "text":
            assert block["text"]
            assert not any(stop in block["text"] for stop in options.stops)


@settings(max_examples=25)
@given(st.data(), responses())
def test_a_stream_that_is_cut_never_looks_finished(data: st.DataObject, response: Event) -> None:
    events = data.draw(tellings(response))
    events = events[: data.draw(st.integers(0, len(events) - 1))]
    renderer = MessagesRenderer("m", AnswerOptions(thinking="summarized"))
    stream = b"".join(renderer.event(event) for event in events) + renderer.finish()
    told = events_of(stream)
    assert told[-1]["type"] == "error"
    assert told[-1]["error"]["type"] == "api_error"
    assert not {"message_delta", "message_stop"} & {event["type"] for event in told}


@st.composite
def mixed(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """The events of several items, mixed; and the items in the order of their first events."""
    lists: list[list[Event]] = []
    for index in range(draw(st.integers(2, 4))):
        at = {"output_index": index}
        if draw(st.booleans()):
            call = {"type": "function_call", "call_id": f"call_{index}", "name": "f"}
            pieces = ["{", '"a":', f"{index}", "}"]
            deltas = [_event("function_call_arguments.delta", delta=p, **at) for p in pieces]
            done = {**call, "arguments": "".join(pieces)}
            added = {**call, "arguments": ""}
        else:
            pieces = [f"{index} ", "and ", f"{index}."]
            deltas = [_event("output_text.delta", delta=p, content_index=0, **at) for p in pieces]
            part = {"type": "output_text", "text": "".join(pieces)}
            done = {"type": "message", "role": "assistant", "content": [part]}
            added = {**done, "content": []}
        lists.append(
            [
                _event("output_item.added", item=added, **at),
                *deltas,
                _event("output_item.done", item=done, **at),
            ]
        )
    order = draw(st.permutations([n for n, events in enumerate(lists) for _ in events]))
    left = [iter(events) for events in lists]
    items = [lists[number][-1]["item"] for number in dict.fromkeys(order)]
    return [next(left[number]) for number in order], items


def _event(kind: str, **members: Any) -> Event:
    return {"type": f"response.{kind}", **members}


@settings(max_examples=25)
@given(mixed())
def test_items_that_come_mixed_are_told_one_after_the_other(
    case: tuple[list[Event], list[Event]],
) -> None:
    events, items = case
    response = {"id": "resp_1", "status": "completed", "output": items}
    renderer = MessagesRenderer("m", AnswerOptions())
    stream = b"".join(renderer.event(event) for event in events)
    stream += renderer.event(_event("completed", response={**response, "output": []}))
    message = put_together(events_of(stream))
    blocks = parsed_inputs(message["content"])
    whole = MessagesRenderer("m", AnswerOptions()).whole(response)
    assert blocks == whole["content"]
    assert message["stop_reason"] == whole["stop_reason"]


@settings(max_examples=40)
@given(st.lists(EVENT, max_size=6), OPTIONS)
def test_no_event_breaks_the_renderer(events: list[Event], options: AnswerOptions) -> None:
    assembly = Assembly()
    renderer = MessagesRenderer("m", options)
    told: list[Event] = []
    for event in events:
        assembly.feed(json.loads(json.dumps(event)))
        told += events_of(renderer.event(event))
    told += events_of(renderer.finish())
    if told[-1]["type"] == "message_stop":
        put_together(told)
    else:
        assert told[-1]["type"] == "error"
    try:
        whole: Json = renderer.whole(assembly.response())
    except ClientError as error:
        assert renderer.failed(error) == b""  # noqa: PT017 - it is over
    else:
        json.dumps(whole)
