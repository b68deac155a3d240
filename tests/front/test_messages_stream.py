"""The messages stream, event by event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from addons.errors import ClientError
from addons.front.messages_answer import AnswerOptions
from addons.front.messages_stream import PING, MessagesRenderer
from addons.front.sse import EventStream, ServerEvent

type Event = dict[str, Any]

ERROR = ClientError(502, "upstream_truncated", "The upstream broke off.")
CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m-2025"}}
USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 640, "cache_write_tokens": 128},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 8},
}
NOTHING = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


def renderer(*stops: str, thinking: Any = "none") -> MessagesRenderer:
    return MessagesRenderer("m", AnswerOptions(stops, thinking))


def parsed(stream: bytes) -> list[Event]:
    return [json.loads(event.data) for event in EventStream().feed(stream)]


def kinds(stream: bytes) -> list[str]:
    """``delta text_delta`` and the like, in short."""
    return [
        " ".join(
            str(part)
            for part in (event["type"], event.get("index"), (event.get("delta") or {}).get("type"))
            if part is not None
        )
        for event in parsed(stream)
    ]


def delta(text: str, item: int = 0, subject: str = "output_text") -> Event:
    return {"type": f"response.{subject}.delta", "delta": text, "output_index": item}


def added(item: int, kind: str, **members: Any) -> Event:
    return {
        "type": "response.output_item.added",
        "item": {"type": kind, **members},
        "output_index": item,
    }


def done(item: int, kind: str, **members: Any) -> Event:
    return {**added(item, kind, **members), "type": "response.output_item.done"}


def end(kind: str = "completed", **response: Any) -> Event:
    return {"type": f"response.{kind}", "response": {"output": [], **response}}


def call(item: int, arguments: str, last: bool = False) -> Event:
    make = done if last else added
    return make(item, "function_call", call_id=f"call_{item}", name="f", arguments=arguments)


def test_the_events_of_an_answer() -> None:
    made = renderer(thinking="summarized")
    sealed = {"id": "rs_1", "encrypted_content": "x"}
    steps: list[tuple[Event, list[str]]] = [
        (CREATED, ["message_start", "ping"]),
        ({"type": "response.in_progress"}, []),
        (added(0, "reasoning", summary=[]), []),
        (
            delta("So", 0, "reasoning_summary_text"),
            ["content_block_start 0", "content_block_delta 0 thinking_delta"],
        ),
        (delta(".", 0, "reasoning_summary_text"), ["content_block_delta 0 thinking_delta"]),
        (
            done(0, "reasoning", summary=[{"text": "So."}], **sealed),
            ["content_block_delta 0 signature_delta", "content_block_stop 0"],
        ),
        (added(1, "message", content=[]), []),
        (delta("Hi", 1), ["content_block_start 1", "content_block_delta 1 text_delta"]),
        (
            done(1, "message", content=[{"type": "output_text", "text": "Hi"}]),
            ["content_block_stop 1"],
        ),
        (call(2, ""), ["content_block_start 2"]),
        (
            delta('{"a":1}', 2, "function_call_arguments"),
            ["content_block_delta 2 input_json_delta"],
        ),
        (call(2, '{"a":1}', last=True), ["content_block_stop 2"]),
        (end(usage=USAGE), ["message_delta", "message_stop"]),
    ]
    stream = b""
    for event, expected in steps:
        out = made.event(event)
        assert kinds(out) == expected, event
        stream += out
    assert made.finish() == b""
    events = parsed(stream)
    assert events[0]["message"] == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": NOTHING,
    }
    assert stream.count(PING) == 1
    starts = [event["content_block"] for event in events if "content_block" in event]
    assert starts == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "call_2", "name": "f", "input": {}},
    ]
    assert events[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {
            "input_tokens": 232,
            "cache_creation_input_tokens": 128,
            "cache_read_input_tokens": 640,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 8},
        },
    }


def test_parallel_calls_that_come_mixed() -> None:
    """The first is shown as it comes; the second when the first is over."""
    made = renderer()
    made.event(CREATED)
    assert kinds(made.event(call(0, ""))) == ["content_block_start 0"]
    assert made.event(call(1, "")) == b""
    assert made.event(delta("{", 1, "function_call_arguments")) == b""
    live = made.event(delta("{}", 0, "function_call_arguments"))
    assert kinds(live) == ["content_block_delta 0 input_json_delta"]
    assert kinds(made.event(call(0, "{}", last=True))) == [
        "content_block_stop 0",
        "content_block_start 1",
        "content_block_delta 1 input_json_delta",
    ]
    live = made.event(delta("}", 1, "function_call_arguments"))
    assert kinds(live) == ["content_block_delta 1 input_json_delta"]
    assert kinds(made.event(call(1, "{}", last=True))) == ["content_block_stop 1"]


def test_thinking_that_is_omitted_keeps_its_signature() -> None:
    made = renderer(thinking="omitted")
    out = made.event(delta("Secret", 0, "reasoning_summary_text"))
    assert out == b""
    out = made.event(done(0, "reasoning", summary=[{"text": "Secret"}], encrypted_content="x"))
    assert b"Secret" not in out
    assert kinds(out)[-3:] == [
        "content_block_start 0",
        "content_block_delta 0 signature_delta",
        "content_block_stop 0",
    ]


def test_reasoning_that_shows_nothing_is_redacted() -> None:
    made = renderer(thinking="summarized")
    out = made.event(done(0, "reasoning", summary=[], encrypted_content="x"))
    assert kinds(out)[-2:] == ["content_block_start 0", "content_block_stop 0"]
    block = parsed(out)[-2]["content_block"]
    assert (block["type"], block["data"]) == ("redacted_thinking", "floway:1:::x")


def test_who_asked_for_no_thinking_sees_none() -> None:
    made = renderer()
    assert made.event(delta("So", 0, "reasoning_summary_text")) == b""
    assert made.event(done(0, "reasoning", summary=[{"text": "So"}], encrypted_content="x")) == b""
    assert kinds(made.event(delta("Hi", 1)))[2] == "content_block_start 0"


def test_a_stop_sequence() -> None:
    made = renderer("STOP", "END")
    made.event(CREATED)
    assert b"Hello S" not in made.event(delta("Hello S"))
    out = made.event(delta("TOP and more"))
    assert kinds(out) == ["content_block_stop 0"]
    assert made.event(delta("more")) == b""
    assert made.event(call(1, "{}", last=True)) == b""
    out = made.event(end(usage=USAGE))
    assert parsed(out)[0]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "STOP"}
    assert parsed(out)[0]["usage"]["output_tokens"] == 20


def test_after_a_stop_sequence_a_failure_is_kept_from_the_client() -> None:
    made = renderer("!")
    made.event(delta("Hi!"))
    assert kinds(made.failed(ERROR)) == ["message_delta", "message_stop"]
    assert made.failed(ERROR) == b""


def test_an_answer_that_is_a_stop_sequence_is_empty() -> None:
    made = renderer("!")
    assert made.event(delta("!")) == b""
    assert kinds(made.finish()) == ["message_start", "ping", "message_delta", "message_stop"]
    made = renderer("!")
    made.event(delta("!"))
    out = made.event(end())
    assert kinds(out) == ["message_start", "ping", "message_delta", "message_stop"]
    assert parsed(out)[-2]["delta"]["stop_sequence"] == "!"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (end("incomplete", incomplete_details={"reason": "max_output_tokens"}), "max_tokens"),
        (end("incomplete", incomplete_details={"reason": "content_filter"}), "refusal"),
        (end("incomplete"), "max_tokens"),
        (end(), "end_turn"),
    ],
)
def test_why_it_ended(response: Event, reason: str) -> None:
    made = renderer()
    made.event(delta("Hi"))
    assert parsed(made.event(response))[-2]["delta"]["stop_reason"] == reason


def test_a_refusal_is_text_and_says_so() -> None:
    made = renderer()
    out = made.event(delta("I won't.", 0, "refusal"))
    assert kinds(out)[-1] == "content_block_delta 0 text_delta"
    assert parsed(made.event(end()))[-2]["delta"]["stop_reason"] == "refusal"


def test_citations_and_searches() -> None:
    made = renderer()
    made.event(CREATED)
    action = {
        "type": "search",
        "query": "q",
        "sources": [{"type": "url", "url": "https://example.org/"}, {"type": "api"}],
    }
    out = parsed(made.event(done(0, "web_search_call", id="ws_1", action=action)))
    starts = [event["content_block"] for event in out if "content_block" in event]
    assert [block["type"] for block in starts] == ["server_tool_use", "web_search_tool_result"]
    assert starts[0]["id"] == starts[1]["tool_use_id"] == "srvtoolu_ws_1"
    assert [found["url"] for found in starts[1]["content"]] == ["https://example.org/"]
    cited = {
        "type": "url_citation",
        "url": "https://example.org/",
        "title": "t",
        "start_index": 3,
        "end_index": 5,
    }
    part = {"type": "output_text", "text": "It is so.", "annotations": [cited, {"type": "file"}]}
    out = parsed(made.event(done(1, "message", content=[part])))
    [citation] = [
        event["delta"]["citation"]
        for event in out
        if (event.get("delta") or {}).get("type") == "citations_delta"
    ]
    assert (citation["url"], citation["cited_text"]) == ("https://example.org/", "is")


def test_a_failure_is_an_event() -> None:
    made = renderer()
    made.event(delta("Hi"))
    [told] = parsed(made.failed(ERROR))
    assert told["error"] == {"type": "api_error", "message": "The upstream broke off."}
    assert made.event(delta("more")) == made.finish() == made.failed(ERROR) == b""


@pytest.mark.parametrize(
    "event",
    [
        {
            "type": "response.failed",
            "response": {"error": {"code": "rate_limit_exceeded", "message": "Later."}},
        },
        {"type": "error", "code": "rate_limit_exceeded", "message": "Later."},
        {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "Later."}},
    ],
)
def test_the_upstreams_own_failure(event: Event) -> None:
    [told] = parsed(renderer().event(event))
    assert told["error"] == {"type": "rate_limit_error", "message": "Later."}


def test_upstream_bytes_are_rendered_wherever_they_are_cut() -> None:
    events = [CREATED, delta("Hé"), delta("llo"), end(usage=USAGE)]
    wire = b"".join(
        b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), json.dumps(event).encode())
        for event in events
    )
    expected = renderer().passed_run(wire)
    assert kinds(expected)[-1] == "message_stop"
    for cut in range(1, len(wire)):
        made, stream, out = renderer(), EventStream(), b""
        for chunk in (wire[:cut], wire[cut:]):
            for event in stream.feed(chunk):
                out += made.passed(event)
        assert out == expected
    assert renderer().passed(ServerEvent(b": hi\n\n", "", b"")) == b""
