"""History told as one text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.sandbox.cursor.flattened import unflattened

CALL = 'ASSISTANT_TOOL_CALL: {"id": "1", "name": "t", "arguments": {"a": "b\\n\\nc"}}'
RESULT = 'TOOL_RESULT: {"id": "1", "name": "t", "content": "done"}'


def test_calls_and_results_are_read() -> None:
    text = f"USER: go\n\n{CALL}\n\n{RESULT}\n\n(Go on.)\n\nCurrent request: Continue with it."
    _, call, result = unflattened(text)
    assert call == {
        "type": "function_call",
        "call_id": "1",
        "name": "t",
        "arguments": '{"a": "b\\n\\nc"}',
    }
    assert result == {"type": "function_call_output", "call_id": "1", "output": "done"}


def test_what_the_user_says_after_results_counts() -> None:
    *_, last = unflattened(f"USER: go\n\n{RESULT}\n\nCurrent request: stop")
    assert last["content"][0]["text"] == "stop"


def test_to_continue_after_no_results_is_a_request() -> None:
    *_, last = unflattened("USER: go\n\nCurrent request: continue")
    assert last["content"][0]["text"] == "continue"


@pytest.mark.parametrize("text", ["", "hello", "USER: hello", "Current request: a\n\nUSER: b"])
def test_other_texts_are_what_they_are(text: str) -> None:
    assert unflattened(text) == []


def test_what_is_no_json_is_still_a_result() -> None:
    text = "TOOL_ERROR: {broken\n\nASSISTANT_TOOL_CALL: 7\n\nCurrent request: x"
    result, call, _ = unflattened(text)
    assert result["output"] == "{broken"
    assert call["call_id"] is None


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=30, deadline=None)
def test_nothing_is_lost_of_the_request(before: str, request: str) -> None:
    text = f"USER: {before}\n\nCurrent request: {request}"
    found = unflattened(text)
    if ": " not in request:
        assert found[-1]["content"][0]["text"] == request
