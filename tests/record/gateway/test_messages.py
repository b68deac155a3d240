"""Anthropic's messages of the made-up gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.record.gateway import messages

BASH = {"name": "Bash", "input_schema": {"type": "object", "properties": {}}}
ASK = 'Go. [[call Bash {"command": "ls"}]]'
REMINDER = {"type": "text", "text": "<system-reminder>Mind it.</system-reminder>"}


def body(*content: Any, **members: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": each} for each in content]
    return {"model": "m", "max_tokens": 9, "messages": said, **members}


def events(request: dict[str, Any]) -> list[dict[str, Any]]:
    given_ = messages.answer({**request, "stream": True}).events
    assert given_ is not None
    found = []
    for piece in given_:
        name, data = piece.decode().rstrip("\n").split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert found[-1]["type"] == name.removeprefix("event: ")
    return found


@given(st.text(max_size=50))
def test_a_stream_says_the_same(prompt: str) -> None:
    whole = messages.answer(body(prompt)).body
    streamed = events(body(prompt))
    assert [streamed[0]["type"], streamed[-1]["type"]] == ["message_start", "message_stop"]
    assert streamed[0]["message"]["content"] == []
    deltas = [each["delta"]["text"] for each in streamed if each["type"] == "content_block_delta"]
    assert deltas == [block["text"] for block in whole["content"]]
    assert whole["stop_reason"] == "end_turn"


def test_a_tool_is_used_and_its_result_quoted() -> None:
    request = body([REMINDER, {"type": "text", "text": ASK}], tools=[BASH])
    whole = messages.answer(request).body
    [used] = whole["content"]
    assert (whole["stop_reason"], used["type"], used["name"]) == ("tool_use", "tool_use", "Bash")
    assert used["input"] == {"command": "ls"}
    streamed = events(request)
    [start] = [each for each in streamed if each["type"] == "content_block_start"]
    assert start["content_block"]["input"] == {}
    [delta] = [each["delta"] for each in streamed if each["type"] == "content_block_delta"]
    assert json.loads(delta["partial_json"]) == used["input"]
    [end] = [each["delta"] for each in streamed if each["type"] == "message_delta"]
    assert end["stop_reason"] == "tool_use"

    result = {"type": "tool_result", "tool_use_id": used["id"], "content": "notes.txt"}
    then = [
        *request["messages"],
        {"role": "assistant", "content": [used]},
        {"role": "user", "content": [result, REMINDER]},
    ]
    answered = messages.answer({**request, "messages": then}).body
    assert answered["stop_reason"] == "end_turn"
    assert "notes.txt" in answered["content"][0]["text"]


def test_reminders_are_not_what_was_said() -> None:
    [block] = messages.answer(body([REMINDER, {"type": "text", "text": "hi"}])).body["content"]
    assert "You said: hi\n" in block["text"]
    [block] = messages.answer(body([REMINDER])).body["content"]
    assert "Mind it." in block["text"]


def test_hosted_tools_are_no_functions() -> None:
    request = body(ASK, tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert messages.answer(request).body["stop_reason"] == "end_turn"


def test_tokens_are_counted() -> None:
    few, many = (messages.count(body("x" * size)).body["input_tokens"] for size in (4, 4000))
    assert 0 < few < many


@pytest.mark.parametrize("broken", [{"model": "m"}, {"messages": []}])
def test_what_is_needed_is_missed(broken: dict[str, Any]) -> None:
    with pytest.raises(LookupError):
        messages.answer(broken)
