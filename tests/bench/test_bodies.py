from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.front.protocols import get
from replay.bench.bodies import KEY_LENGTH, SMALLEST, Body, chat_body, responses_body

KEY = b"0199be9c-0000-7000-8000-000000000001"
MAKERS = [responses_body, chat_body]


@pytest.mark.parametrize("make", MAKERS)
@settings(max_examples=25, deadline=None)
@given(size=st.integers(SMALLEST, 40_000))
def test_any_size_is_exact(make: Callable[[int, str], Body], size: int):
    body = make(size, "model-x")
    assert len(body) == size
    filled = body.filled(KEY)
    assert len(filled) == size
    document = json.loads(filled)
    assert document["model"] == "model-x"
    assert document["prompt_cache_key"] == KEY.decode()
    assert document["stream"] is True


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_size_gives_the_same_body(make: Callable[[int, str], Body]):
    assert make(8192, "m") == make(8192, "m")


@pytest.mark.parametrize("make", MAKERS)
def test_too_small(make: Callable[[int, str], Body]):
    with pytest.raises(ValueError, match=f"at least {SMALLEST} bytes, got 100"):
        make(100, "m")


def test_wrong_key_length():
    with pytest.raises(ValueError, match=f"{KEY_LENGTH} bytes, got 3"):
        responses_body(8192, "m").filled(b"abc")


@pytest.mark.parametrize("size", [8192, 262_144])
def test_floway_reads_both_forms_as_the_same_conversation(size: int):
    """The front modules accept the bodies, and tool calls meet their results."""
    responses = get("responses").parse(json.loads(responses_body(size, "m").filled(KEY)))
    chat = get("chat").parse(json.loads(chat_body(size, "m").filled(KEY)))
    for turn in (responses, chat):
        assert turn.stream
        calls = [i["call_id"] for i in turn.body["input"] if i.get("type") == "function_call"]
        results = [
            i["call_id"] for i in turn.body["input"] if i.get("type") == "function_call_output"
        ]
        assert calls
        assert calls == results
        assert len(turn.body["tools"]) == 4
