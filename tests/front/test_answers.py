"""Streamed and whole answers of a chat client tell the same, however the upstream tells them.

The same response is told as deltas cut anywhere, as done events only, as finished items only, or
in the terminal event alone; with and without output indexes; and the chunks put together by a
client must be what the whole answer says.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

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

type Event = dict[str, Any]

# --- responses, and ways to tell them ------------------------------------------------------------

TEXT = st.text(alphabet='abc \n"\\é🙂\u2028\ud83d', max_size=10)
SOME = TEXT.filter(bool)
LONG_TEXT = "0123456789"
LONG = st.just(LONG_TEXT)

CITATION = st.builds(
    lambda start, url: {
        "type": "url_citation",
        "start_index": start,
        "end_index": start + 1,
        "title": "t",
        "url": url,
    },
    st.integers(0, 3),
    st.sampled_from(["https://example.org/", "https://example.net/"]),
)
MESSAGE = st.builds(
    lambda texts, refusal: {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [
            *({"type": "output_text", "text": text, "annotations": cited} for text, cited in texts),
            *({"type": "refusal", "refusal": text} for text in refusal),
        ],
    },
    st.lists(st.tuples(TEXT, st.just([])) | st.tuples(LONG, st.lists(CITATION)), max_size=2),
    st.lists(SOME, max_size=1),
)
REASONING = st.builds(
    lambda summary, content: {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
        "content": [{"type": "reasoning_text", "text": text} for text in content],
        "encrypted_content": "opaque",
    },
    st.lists(SOME, max_size=2),
    st.lists(SOME, max_size=1),
)
FUNCTION = st.builds(
    lambda name, arguments: {"type": "function_call", "name": name, "arguments": arguments},
    st.sampled_from("fg"),
    TEXT,
)
CUSTOM = st.builds(
    lambda text: {"type": "custom_tool_call", "name": "c", "input": text},
    TEXT,
)
OTHER = st.just({"type": "web_search_call", "status": "completed", "action": {"type": "search"}})
ITEMS = st.lists(st.one_of(MESSAGE, MESSAGE, REASONING, FUNCTION, CUSTOM, OTHER), max_size=5)

USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 64},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 8},
    "total_tokens": 120,
}


@st.composite
def responses(draw: st.DrawFn) -> Event:
    output = []
    for number, item in enumerate(draw(ITEMS)):
        named = {"id": f"item_{number}", **item}
        if "call" in item["type"]:
            named["call_id"] = f"call_{number}"
        output.append(named)
    status = draw(st.sampled_from(["completed", "completed", "incomplete"]))
    reason = draw(st.sampled_from(["max_output_tokens", "content_filter"]))
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": "m-2",
        "status": status,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "output": output,
        "usage": USAGE,
    }


TEXTS = {
    "output_text": ("content", "output_text", "text", "content_index"),
    "refusal": ("content", "refusal", "refusal", "content_index"),
    "reasoning_summary_text": ("summary", "summary_text", "text", "summary_index"),
    "reasoning_text": ("content", "reasoning_text", "text", "content_index"),
}


@st.composite
def tellings(draw: st.DrawFn, response: Event) -> list[Event]:
    """The events by which an upstream may tell a response."""
    how = draw(st.sampled_from(["deltas", "deltas", "unfinished", "done", "items", "terminal"]))
    indexed = draw(st.booleans())
    events: list[Event] = []
    if draw(st.booleans()):
        events.append({"type": "response.created", "response": {**response, "output": []}})
    for index, item in enumerate(response["output"] if how != "terminal" else ()):
        at = {"output_index": index} if indexed else {"item_id": item["id"]}
        here = {"output_index": index} if indexed else {}
        if how != "items":
            events.append(_event("output_item.added", item=_bare(item), **here))
            for subject, member, text, extra in _texts(item):
                if how in ("deltas", "unfinished"):
                    events += [
                        _event(f"{subject}.delta", delta=piece, **at, **extra)
                        for piece in _pieces(draw, text)
                    ]
                if how == "done" or draw(st.booleans()):
                    events.append(_event(f"{subject}.done", **{member: text}, **at, **extra))
            events += _citations(draw, item, at)
        if how != "unfinished":
            events.append(_event("output_item.done", item=item, **here))
    told = how in ("terminal", "unfinished") or draw(st.booleans())
    final = {**response, "output": response["output"] if told else []}
    return [*events, _event(response["status"], response=final)]


def _event(kind: str, **members: Any) -> Event:
    return {"type": f"response.{kind}", **members}


def _bare(item: Event) -> Event:
    emptied = {"content": [], "summary": [], "arguments": "", "input": ""}
    return {name: emptied.get(name, value) for name, value in item.items()}


def _texts(item: Event) -> list[tuple[str, str, str, Event]]:
    """Subject, member, text and index of each text of an item."""
    if item["type"] == "function_call":
        return [("function_call_arguments", "arguments", item["arguments"], {})]
    if item["type"] == "custom_tool_call":
        return [("custom_tool_call_input", "input", item["input"], {})]
    found = []
    # Upstreams send an item's summary before its text.
    for subject in ("reasoning_summary_text", "reasoning_text", "output_text", "refusal"):
        member, kind, inner, counter = TEXTS[subject]
        for index, part in enumerate(item.get(member) or ()):
            if part["type"] == kind:
                found.append((subject, inner, part[inner], {counter: index}))
    return found


def _citations(draw: st.DrawFn, item: Event, at: Event) -> list[Event]:
    """Of each part, the first few annotations as events of their own."""
    return [
        _event("output_text.annotation.added", annotation=given, content_index=index, **at)
        for index, part in enumerate(item["content"] if item["type"] == "message" else ())
        for given in part.get("annotations", ())[: draw(st.integers(0, 3))]
    ]


def _pieces(draw: st.DrawFn, text: str) -> list[str]:
    places = draw(st.lists(st.integers(0, len(text)), max_size=3))
    edges = [0, *sorted(places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


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

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SOME, inner, max_size=2),
    max_leaves=5,
)
TYPES = st.sampled_from(
    [
        *("response.created", "response.completed", "response.incomplete", "response.failed"),
        *("response.output_item.added", "response.output_item.done", "error"),
        *(f"response.{subject}.{verb}" for subject in TEXTS for verb in ("delta", "done")),
        *("response.function_call_arguments.delta", "response.custom_tool_call_input.done"),
        "response.output_text.annotation.added",
    ]
)
NAMES = (
    *("item", "response", "delta", "text", "output_index", "item_id", "content_index", "output"),
    *("summary_index", "annotation", "annotations", "arguments", "input", "error", "usage", "id"),
    *("content", "summary", "name", "call_id", "status", "incomplete_details", "code", "message"),
    *("input_tokens_details", "created_at", "model", "start_index"),
)
KINDS = st.sampled_from(
    ["message", "reasoning", "function_call", "custom_tool_call", "output_text", "url_citation"]
)
SMALL = st.builds(
    lambda kind, members: {**members, "type": kind},
    KINDS,
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3),
)
MEMBER = st.one_of(JSON, SMALL, st.lists(SMALL, max_size=2))
EVENT = st.builds(
    lambda kind, members: {**members, "type": kind},
    TYPES | JSON,
    st.dictionaries(st.sampled_from(NAMES), MEMBER, max_size=4),
)


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
