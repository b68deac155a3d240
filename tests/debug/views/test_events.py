from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from addons.debug.views.events import SHOWN, shown


def stream(*events: dict[str, Any]) -> bytes:
    lines = [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events]
    return "".join(lines).encode()


RESPONSES = stream(
    {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel"},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "lo"},
    {"type": "response.output_item.added", "output_index": 1, "item": {"name": "bash"}},
    {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"a":'},
    {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "1}"},
    {
        "type": "response.completed",
        "response": {"id": "resp_1", "status": "completed", "usage": {"input_tokens": 7}},
    },
)


def test_texts_and_calls_are_put_together() -> None:
    text = shown(RESPONSES)
    assert "Text (5 characters)\n  Hello\n" in text
    assert 'Call bash (7 characters)\n  {"a":1}\n' in text
    assert 'Usage\n  {"input_tokens": 7}' in text
    assert "#7  " in text
    assert "resp_1 completed" in text


def test_times_where_they_are_known() -> None:
    text = shown(RESPONSES, [(120, 0.25), (len(RESPONSES), 1.5)])
    assert "0.250 s" in text
    assert "1.500 s" in text


def test_chat_and_messages() -> None:
    chat = b"".join(
        b"data: "
        + json.dumps({"object": "chat.completion.chunk", "choices": [each]}).encode()
        + b"\n\n"
        for each in (
            {"delta": {"content": "Hi"}},
            {"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}},
            {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}},
        )
    )
    text = shown(chat + b"data: [DONE]\n\n")
    assert "Text (2 characters)\n  Hi\n" in text
    assert "Call f (2 characters)\n  {}\n" in text
    messages = stream(
        {"type": "content_block_start", "index": 1, "content_block": {"name": "read"}},
        {"type": "content_block_delta", "index": 0, "delta": {"thinking": "hm"}},
        {"type": "content_block_delta", "index": 1, "delta": {"partial_json": "{}"}},
    )
    text = shown(messages)
    assert "Reasoning (2 characters)\n  hm\n" in text
    assert "Call read (2 characters)\n  {}\n" in text


def test_a_cut_stream_says_so() -> None:
    assert "unfinished" in shown(RESPONSES[:-20])
    assert "(comment)" in shown(b": ping\n\n")


def test_the_middle_of_many_events_is_left_out() -> None:
    text = shown(b"data: {}\n\n" * (SHOWN + 10))
    assert "… 10 more …" in text
    assert len(text.splitlines()) < SHOWN + 10


@given(st.binary(max_size=300), st.integers(0, 400))
def test_nothing_breaks_it(noise: bytes, place: int) -> None:
    shown(noise)
    shown(RESPONSES[:place] + noise)
