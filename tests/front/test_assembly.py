"""The response object of callers that want no stream."""

from __future__ import annotations

from typing import Any

import pytest

from addons.errors import ClientError
from addons.front.assembly import Assembly


def event(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **members}


def assemble(*events: dict[str, Any]) -> dict[str, Any]:
    assembly = Assembly()
    for one in events:
        assert not assembly.finished
        assembly.feed(one)
    return assembly.response()


def message(text: str, **members: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "content": content, **members}


def test_items_fill_an_empty_output_in_their_order() -> None:
    response = assemble(
        event("created", response={"id": "resp_1", "status": "in_progress", "output": []}),
        event("output_item.done", output_index=2, item=message("third")),
        event("output_item.done", output_index=0, item={"type": "reasoning", "summary": []}),
        event("output_item.done", output_index=1, item=message("second")),
        event("completed", response={"id": "resp_1", "status": "completed", "output": []}),
    )
    assert response["id"] == "resp_1"
    assert [item["type"] for item in response["output"]] == ["reasoning", "message", "message"]
    assert response["output"][1] == message("second")


def test_an_output_that_is_there_is_kept() -> None:
    final = {"id": "resp_1", "status": "completed", "output": [message("the final word")]}
    done = event("output_item.done", output_index=0, item=message("draft"))
    assert assemble(done, event("completed", response=final)) == final


def test_items_without_index_keep_the_order_of_their_announcement() -> None:
    first, second = message("one", id="msg_1"), message("two", id="msg_2")
    response = assemble(
        event("output_item.added", item={**first, "content": []}),
        event("output_item.added", item={**second, "content": []}),
        event("output_item.done", item=second),
        event("output_item.done", item=first),
        event("output_item.done", item=message("three")),
        event("completed", response={}),
    )
    assert response["output"] == [first, second, message("three")]
    assert response["status"] == "completed"


def test_an_item_cut_by_the_token_limit_is_told_as_far_as_it_came() -> None:
    added = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress"}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
    response = assemble(
        event("output_item.added", output_index=0, item={"type": "reasoning", "summary": []}),
        event("reasoning_summary_text.delta", output_index=0, summary_index=1, delta="then"),
        event("reasoning_summary_text.delta", output_index=0, summary_index=0, delta="first"),
        event("output_item.added", output_index=1, item={**added, "content": []}),
        event("output_text.delta", output_index=1, content_index=0, delta="Hel"),
        event("output_text.delta", output_index=1, content_index=0, delta="lo"),
        event("output_text.done", output_index=1, content_index=1, text="whole"),
        event("refusal.delta", output_index=1, content_index=2, delta="no"),
        event("output_item.added", output_index=2, item=call),
        event("function_call_arguments.delta", output_index=2, delta='{"a'),
        event(
            "incomplete",
            response={"incomplete_details": {"reason": "max_output_tokens"}, "output": []},
        ),
    )
    assert response["status"] == "incomplete"
    assert response["output"] == [
        {
            "type": "reasoning",
            "summary": [
                {"type": "summary_text", "text": "first"},
                {"type": "summary_text", "text": "then"},
            ],
        },
        {
            **added,
            "status": "incomplete",
            "content": [
                {"type": "output_text", "text": "Hello", "annotations": []},
                {"type": "output_text", "text": "whole", "annotations": []},
                {"type": "refusal", "refusal": "no"},
            ],
        },
        {**call, "arguments": '{"a'},
    ]


def test_a_failed_response_is_given_as_it_is() -> None:
    failed = {"id": "resp_1", "status": "failed", "error": {"code": "x", "message": "y"}}
    assert assemble(event("failed", response=dict(failed)))["error"] == failed["error"]


@pytest.mark.parametrize("nested", [True, False])
def test_an_error_event_is_raised(nested: bool) -> None:
    details = {"code": "rate_limit_exceeded", "message": "Slow down.", "param": None}
    failure = {"type": "error", "error": details} if nested else {"type": "error", **details}
    with pytest.raises(ClientError, match="Slow down") as caught:
        assemble(failure)
    assert (caught.value.status, caught.value.code) == (429, "rate_limit_exceeded")


def test_a_stream_without_an_end_is_an_error() -> None:
    with pytest.raises(ClientError, match="ended the stream before") as caught:
        assemble(event("output_item.done", output_index=0, item=message("so far so good")))
    assert (caught.value.status, caught.value.code) == (502, "upstream_truncated")


def test_what_comes_after_the_end_changes_nothing() -> None:
    assembly = Assembly()
    assembly.feed(event("completed", response={"id": "resp_1", "output": [message("a")]}))
    assembly.feed(event("failed", response={"id": "resp_2"}))
    assert assembly.response()["id"] == "resp_1"
