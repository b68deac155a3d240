"""Whole chat completions; that they agree with streams is tested in test_answers.py."""

from __future__ import annotations

import time
from typing import Any

import pytest

from addons.errors import ClientError
from addons.front.chat_answer import AnswerOptions, completion

type Event = dict[str, Any]


def answer(*output: Event, stops: tuple[str, ...] = (), **members: Any) -> Event:
    response = {"id": "resp_1", "status": "completed", "output": list(output), **members}
    return completion(response, "m", AnswerOptions(stops=stops))


def message(text: str, *annotations: Event) -> Event:
    part = {"type": "output_text", "text": text, "annotations": list(annotations)}
    return {"type": "message", "content": [part]}


def citation(start: int, end: int) -> Event:
    url = "https://example.org/"
    return {"type": "url_citation", "start_index": start, "end_index": end, "url": url}


def test_the_whole_object() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 5,
    }
    whole = answer(
        message("a"), call, created_at=17.9, model="m-2", usage=usage, service_tier="flex"
    )
    assert whole == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 17,
        "model": "m-2",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "a",
                    "refusal": None,
                    "annotations": [],
                    "tool_calls": [
                        {
                            "id": "c",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "service_tier": "flex",
    }


def test_what_the_upstream_does_not_tell() -> None:
    whole = answer(id=None)
    assert whole["id"].startswith("chatcmpl-")
    assert abs(whole["created"] - time.time()) < 60
    assert whole["model"] == "m"
    assert "usage" not in whole
    assert whole["choices"][0]["message"]["content"] is None


def test_citations_count_from_the_start_of_the_content() -> None:
    given = {"type": "file_citation", "file_id": "f"}
    whole = answer(message("abc", citation(0, 1)), message("def", given, citation(1, 2)))
    shown = whole["choices"][0]["message"]
    assert shown["content"] == "abc\n\ndef"
    found = [entry["url_citation"] for entry in shown["annotations"]]
    assert [shown["content"][c["start_index"] : c["end_index"]] for c in found] == ["a", "e"]
    assert found[0]["title"] == ""


def test_a_citation_of_what_a_stop_sequence_cut_off_is_left_out() -> None:
    whole = answer(message("one END two", citation(0, 3), citation(8, 11)), stops=("END",))
    shown = whole["choices"][0]["message"]
    assert shown["content"] == "one "
    assert [entry["url_citation"]["end_index"] for entry in shown["annotations"]] == [3]


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": "something_new"}, "length"),
        (None, "length"),
    ],
)
def test_incomplete_answers(details: Any, reason: str) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"cut'}
    whole = answer(call, status="incomplete", incomplete_details=details)
    assert whole["choices"][0]["finish_reason"] == reason


def test_a_failed_response_is_raised() -> None:
    with pytest.raises(ClientError, match="broken") as caught:
        answer(status="failed", error={"code": "server_error", "message": "It is broken."})
    assert caught.value.status == 502
