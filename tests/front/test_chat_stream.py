"""What a chat stream looks like on the wire, and how it ends when things go wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from addons.errors import ClientError
from addons.front.chat import ChatProtocol
from addons.front.chat_answer import AnswerOptions
from addons.front.chat_stream import ChatRenderer
from addons.front.sse import EventStream, ServerEvent

type Event = dict[str, Any]

CREATED = {
    "type": "response.created",
    "response": {"id": "resp_7", "created_at": 17, "model": "m-2", "service_tier": "flex"},
}
ERROR = ClientError(502, "upstream_truncated", "The upstream broke off.")
DONE = b"data: [DONE]\n\n"


def event(kind: str, **members: Any) -> Event:
    return {"type": f"response.{kind}", **members}


def delta(text: str, **members: Any) -> Event:
    return event("output_text.delta", output_index=0, content_index=0, delta=text, **members)


def completed(**members: Any) -> Event:
    return event("completed", response={"status": "completed", **members})


def parsed(stream: bytes) -> list[Event]:
    return [json.loads(one.data) for one in EventStream().feed(stream)]


def test_bytes_of_a_stream() -> None:
    renderer = ChatRenderer("m", AnswerOptions())
    shared = (
        b'data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":17,"model":"m-2",'
        b'"service_tier":"flex","choices":[{"index":0,"delta":'
    )
    open_end = b',"logprobs":null,"finish_reason":null}]}\n\n'
    assert renderer.event(CREATED) == shared + b'{"role":"assistant","content":""}' + open_end
    assert renderer.event(delta('"é\n')) == (shared + '{"content":"\\"é\\n"}'.encode() + open_end)
    stopped = b'{},"logprobs":null,"finish_reason":"stop"}]}\n\n'
    assert renderer.event(completed()) == shared + stopped
    assert renderer.finish() == DONE
    assert renderer.finish() == b""


def test_half_a_surrogate_pair_stays_json() -> None:
    out = ChatRenderer("m", AnswerOptions()).event(delta("\ud83d"))
    assert out.isascii()
    assert parsed(out)[-1]["choices"][0]["delta"] == {"content": "\ud83d"}


def test_without_a_created_event_the_head_is_made_up_once() -> None:
    renderer = ChatRenderer("asked", AnswerOptions())
    chunks = parsed(
        renderer.event(delta("a")) + renderer.event(CREATED) + renderer.event(delta("b"))
    )
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "a"},
        {"content": "b"},
    ]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["id"].startswith("chatcmpl-")
    assert {chunk["model"] for chunk in chunks} == {"asked"}


def test_usage_without_counts_gives_no_usage_chunk() -> None:
    renderer = ChatRenderer("m", AnswerOptions(include_usage=True))
    chunks = parsed(renderer.event(delta("a")) + renderer.event(completed(usage=None)))
    assert [chunk["usage"] for chunk in chunks] == [None, None, None]
    assert renderer.finish() == DONE


def test_custom_calls() -> None:
    renderer = ChatRenderer("m", AnswerOptions())
    item = {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": ""}
    out = renderer.event(event("output_item.added", output_index=0, item=item))
    out += renderer.event(event("custom_tool_call_input.delta", output_index=0, delta="l"))
    out += renderer.event(event("custom_tool_call_input.done", output_index=0, input="ls"))
    calls = [chunk["choices"][0]["delta"].get("tool_calls") for chunk in parsed(out)]
    assert calls[1:] == [
        [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "sh", "input": ""}}],
        [{"index": 0, "custom": {"input": "l"}}],
        [{"index": 0, "custom": {"input": "s"}}],
    ]


def test_text_held_back_for_a_stop_sequence_comes_before_the_call() -> None:
    renderer = ChatRenderer("m", AnswerOptions(stops=("END",)))
    renderer.event(CREATED)
    assert b'"EN"' not in renderer.event(delta("EN"))
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    chunks = parsed(renderer.event(event("output_item.done", output_index=1, item=item)))
    assert [list(chunk["choices"][0]["delta"]) for chunk in chunks] == [["content"], ["tool_calls"]]


def test_a_citation_that_comes_late_counts_from_its_own_text() -> None:
    renderer = ChatRenderer("m", AnswerOptions())
    renderer.event(delta("first"))
    renderer.event(event("output_text.delta", output_index=1, content_index=0, delta="second"))
    cited = {"type": "url_citation", "start_index": 1, "end_index": 2, "url": "", "title": ""}
    place = {"content_index": 0, "annotation": cited}
    starts = []
    for index in (0, 1):
        added = event("output_text.annotation.added", output_index=index, **place)
        (chunk,) = parsed(renderer.event(added))
        (given,) = chunk["choices"][0]["delta"]["annotations"]
        starts.append(given["url_citation"]["start_index"])
    assert starts == [1, len("first\n\n") + 1]


def test_a_stop_sequence_ends_the_answer_at_once() -> None:
    renderer = ChatRenderer("m", AnswerOptions(stops=("END",), include_usage=True))
    renderer.event(CREATED)
    first = parsed(renderer.event(delta("one EN")))
    assert first[0]["choices"][0]["delta"] == {"content": "one "}
    (last,) = parsed(renderer.event(delta("D two")))
    assert last["choices"][0]["finish_reason"] == "stop"
    assert renderer.stopped
    assert renderer.event(delta("three")) == b""
    usage = {"input_tokens": 1, "output_tokens": 2}
    (counts,) = parsed(renderer.event(completed(usage=usage)))
    assert counts["choices"] == []
    assert counts["usage"]["total_tokens"] == 3
    assert renderer.finish() == DONE


@pytest.mark.parametrize("upstream", ["silent", "cut", "failed"])
def test_a_client_with_its_whole_answer_is_told_the_end(upstream: str) -> None:
    renderer = ChatRenderer("m", AnswerOptions(stops=("END",)))
    renderer.event(delta("one END"))
    if upstream == "silent":
        assert renderer.finish() == DONE
    elif upstream == "cut":
        assert renderer.failed(ERROR) == DONE
    else:
        assert renderer.event(event("failed", response={"error": {"message": "m"}})) == DONE
        assert renderer.finish() == b""


def test_a_failure_after_the_end_changes_nothing() -> None:
    renderer = ChatRenderer("m", AnswerOptions())
    renderer.event(completed())
    assert renderer.failed(ERROR) == DONE
    assert renderer.failed(ERROR) == b""


@pytest.mark.parametrize(
    "failure",
    [
        {"type": "error", "code": "slow_down", "message": "Busy."},
        {"type": "error", "error": {"code": "slow_down", "message": "Busy."}},
        event("failed", response={"error": {"code": "slow_down", "message": "Busy."}}),
    ],
)
def test_failures_of_the_upstream(failure: Event) -> None:
    renderer = ChatRenderer("m", AnswerOptions())
    renderer.event(delta("a"))
    (told,) = parsed(renderer.event(failure))
    assert told == {
        "error": {"message": "Busy.", "type": "server_error", "param": None, "code": "slow_down"}
    }
    assert renderer.event(delta("b")) == renderer.finish() == renderer.failed(ERROR) == b""


def test_a_cut_stream_is_an_error() -> None:
    renderer = ChatRenderer("m", AnswerOptions())
    assert parsed(renderer.failed(ERROR))[0]["error"]["code"] == "upstream_truncated"
    assert renderer.finish() == b""


def test_events_without_a_counterpart_are_silent() -> None:
    renderer = ChatRenderer("m", AnswerOptions())
    for kind in ("in_progress", "content_part.added", "metadata", "web_search_call.searching"):
        assert renderer.event(event(kind, output_index=0)) == b""
    item = {"type": "web_search_call", "id": "ws_1"}
    assert renderer.event(event("output_item.done", output_index=0, item=item)) == b""


def test_a_call_without_announcement_waits_for_its_item() -> None:
    renderer = ChatRenderer("m", AnswerOptions())
    early = event("function_call_arguments.delta", output_index=0, delta='{"a"')
    assert renderer.event(early) == b""
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
    chunks = parsed(renderer.event(event("output_item.done", output_index=0, item=item)))
    assert chunks[-1]["choices"][0]["delta"]["tool_calls"][0]["function"] == {
        "name": "f",
        "arguments": '{"a":1}',
    }


def test_upstream_bytes_are_never_passed_on() -> None:
    renderer = ChatRenderer("m", AnswerOptions())
    assert not renderer.passthrough
    data = json.dumps(delta("a")).encode()
    assert b'{"content":"a"}' in renderer.passed(ServerEvent(b"", "", data))
    for nothing in (b"", b"[DONE]", b"[1]", b"{broken"):
        assert renderer.passed(ServerEvent(b"", "", nothing)) == b""


@pytest.mark.parametrize(
    ("request_members", "options"),
    [
        ({}, AnswerOptions()),
        ({"stream_options": {"include_usage": True}}, AnswerOptions(include_usage=True)),
        ({"stream_options": None, "stop": None, "reasoning": None}, AnswerOptions()),
        ({"stop": "a"}, AnswerOptions(stops=("a",))),
        ({"stop": ["a", "b"]}, AnswerOptions(stops=("a", "b"))),
        ({"reasoning": {"exclude": True}}, AnswerOptions(show_reasoning=False)),
        ({"include_reasoning": False}, AnswerOptions(show_reasoning=False)),
        ({"functions": [{"name": "f"}]}, AnswerOptions(single_function=True)),
        ({"functions": [{"name": "f"}], "tools": [{"type": "x"}]}, AnswerOptions()),
    ],
)
def test_options_of_a_request(request_members: Event, options: AnswerOptions) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **request_members}
    ChatProtocol().parse(body)
    assert AnswerOptions.of(body) == options
