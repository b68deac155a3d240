"""Streamed and whole answers of a chat client tell the same, however the upstream tells them.

The same response is told as deltas cut anywhere, as done events only, as finished items only, or
in the terminal event alone; with and without output indexes; and the chunks put together by a
client must be what the whole answer says.
"""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from addons.errors import ClientError
from addons.front.assembly import Assembly
from addons.front.chat_answer import AnswerOptions
from addons.front.chat_stream import ChatRenderer
from addons.front.contract import Renderer
from addons.front.responses import ResponsesRenderer
from addons.front.sse import EventStream
from tests.front.tellings import EVENT, LONG_TEXT, Event, responses, tellings

# --- a client ------------------------------------------------------------------------------------


def chunks_of(stream: bytes) -> list[Event]:
    parser = EventStream()
    events = [*parser.feed(stream), *parser.close()]
    assert events[-1].data == b"[DONE]"
    return [json.loads(event.data) for event in events[:-1]]


def put_together(chunks: list[Event]) -> Event:
    """What a client makes of the chunks, as a message with finish reason and usage."""
    message: Event = {"content": "", "refusal": "", "reasoning_content": "", "tool_calls": []}
    seen: Event = {"annotations": [], "finish_reason": None, "usage": None}
    for chunk in chunks:
        seen["usage"] = chunk.get("usage") or seen["usage"]
        for choice in chunk["choices"]:
            assert seen["finish_reason"] is None, "nothing comes after the finish reason"
            seen["finish_reason"] = choice["finish_reason"]
            delta = choice["delta"]
            for name in ("content", "refusal", "reasoning_content"):
                message[name] += delta.get(name) or ""
            seen["annotations"] += delta.get("annotations", [])
            for call in delta.get("tool_calls", ()):
                _add_call(message["tool_calls"], call)
            if "function_call" in delta:
                kept = message.setdefault("function_call", {"name": "", "arguments": ""})
                for name, text in delta["function_call"].items():
                    kept[name] += text
    return {**message, **seen}


def _add_call(calls: list[Event], call: Event) -> None:
    if call["index"] == len(calls):
        calls.append({name: value for name, value in call.items() if name != "index"})
        return
    kept = calls[call["index"]]
    member = "arguments" if "function" in call else "input"
    kept[kept["type"]][member] += call[kept["type"]][member]


OPTIONS = st.builds(
    AnswerOptions,
    include_usage=st.booleans(),
    stops=st.lists(st.sampled_from(["a", "bc", "\n", "cab", "🙂"]), max_size=2).map(tuple),
    show_reasoning=st.booleans(),
    single_function=st.booleans(),
)


@settings(max_examples=300)
@given(st.data(), responses(), OPTIONS)
def test_a_stream_tells_what_the_whole_answer_says(
    data: st.DataObject, response: Event, options: AnswerOptions
) -> None:
    events = data.draw(tellings(response))
    assembly = Assembly()
    renderer = ChatRenderer("m", options)
    stream = b""
    for event in events:
        stream += renderer.event(json.loads(json.dumps(event)))
        assembly.feed(json.loads(json.dumps(event)))
    stream += renderer.finish()

    assembled = assembly.response()
    assert assembled["output"] == response["output"]
    whole = ChatRenderer("m", options).whole(assembled)

    chunks = chunks_of(stream)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    shared = {(c["id"], c["created"], c["model"], c["object"]) for c in chunks}
    if events[0]["type"] == "response.created" or len(events) == 1:
        assert shared == {("chatcmpl-1", 1_700_000_000, "m-2", "chat.completion.chunk")}
    assert len(shared) == 1

    _check_with_the_sdks_types(chunks, whole)
    told = put_together(chunks)
    message = whole["choices"][0]["message"]
    assert told["content"] == (message["content"] or "")
    assert told["refusal"] == (message["refusal"] or "")
    assert told["reasoning_content"] == message.get("reasoning_content", "")
    assert told["tool_calls"] == message.get("tool_calls", [])
    assert told.get("function_call") == message.get("function_call")
    if not options.stops:  # a citation may come before its text turns out to be cut
        assert sorted(told["annotations"], key=str) == sorted(message["annotations"], key=str)
        _check_citations(message)
    assert told["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert told["usage"] == (whole["usage"] if options.include_usage else None)
    for chunk in chunks[:-1] if options.include_usage else chunks:
        assert chunk.get("usage", "absent") == (None if options.include_usage else "absent")


def _check_with_the_sdks_types(chunks: list[Event], whole: Event) -> None:
    if "\\ud83d" in json.dumps([chunks, whole], ensure_ascii=True).replace("\\ud83d\\ude42", ""):
        return  # pydantic takes no half surrogate pairs
    ChatCompletion.model_validate(whole, strict=True)
    for chunk in chunks:
        # The SDK's type of a chunk knows no custom tools yet, though the API has them.
        deltas = [choice["delta"] for choice in chunk["choices"]]
        if not any("custom" in call for d in deltas for call in d.get("tool_calls", ())):
            ChatCompletionChunk.model_validate(chunk, strict=True)


def _check_citations(message: Event) -> None:
    for shown in message["annotations"]:
        cited = shown["url_citation"]
        # Every citation of these responses is within LONG, one character long.
        text = message["content"][cited["start_index"] : cited["end_index"]]
        assert text in LONG_TEXT
        assert len(text) == 1


@settings(max_examples=100)
@given(st.data(), responses())
def test_a_stream_that_is_cut_never_looks_finished(data: st.DataObject, response: Event) -> None:
    events = data.draw(tellings(response))
    events = events[: data.draw(st.integers(0, len(events) - 1))]
    renderer = ChatRenderer("m", AnswerOptions(include_usage=True))
    stream = b"".join(renderer.event(event) for event in events) + renderer.finish()
    assert b"[DONE]" not in stream
    last = [*EventStream().feed(stream)][-1]
    assert json.loads(last.data)["error"]["code"] == "upstream_truncated"
    assert b'"finish_reason":"' not in stream


# --- upstreams out of their mind -----------------------------------------------------------------


@settings(max_examples=200)
@given(st.lists(EVENT, max_size=6), OPTIONS)
def test_no_event_breaks_a_renderer(events: list[Event], options: AnswerOptions) -> None:
    assembly = Assembly()
    renderers: list[Renderer] = [ChatRenderer("m", options), ResponsesRenderer("m")]
    for event in events:
        assembly.feed(json.loads(json.dumps(event)))
        for renderer in renderers:
            for seen in EventStream().feed(renderer.event(event)):
                assert seen.data == b"[DONE]" or json.loads(seen.data)
    for renderer in renderers:
        try:
            json.dumps(renderer.whole(assembly.response()))
        except ClientError as error:
            assert renderer.failed(error).endswith(b"\n\n") or renderer.finish() == b""  # noqa: PT017
