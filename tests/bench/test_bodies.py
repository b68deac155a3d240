from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.front.protocols import get
from replay.bench.bodies import KEY_LENGTH, SMALLEST, Body, chat_bodies, responses_bodies

KEY = b"0199be9c-0000-7000-8000-000000000001"
type Maker = Callable[..., list[Body]]
MAKERS = [responses_bodies, chat_bodies]


@pytest.mark.parametrize("make", MAKERS)
@settings(max_examples=25, deadline=None)
@given(size=st.integers(SMALLEST, 40_000))
def test_any_size_is_exact(make: Maker, size: int):
    (body,) = make(size, "model-x")
    assert len(body) == size
    filled = body.filled(KEY)
    assert len(filled) == size
    document = json.loads(filled)
    assert document["model"] == "model-x"
    assert document["prompt_cache_key"] == KEY.decode()
    assert document["stream"] is True


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_size_gives_the_same_body(make: Maker):
    assert make(8192, "m") == make(8192, "m")


@pytest.mark.parametrize("make", MAKERS)
def test_too_small(make: Maker):
    with pytest.raises(ValueError, match=f"at least {SMALLEST} bytes, got 100"):
        make(100, "m")


def test_wrong_key_length():
    with pytest.raises(ValueError, match=f"{KEY_LENGTH} bytes, got 3"):
        responses_bodies(8192, "m")[0].filled(b"abc")


@pytest.mark.parametrize("size", [8192, 262_144])
def test_floway_reads_both_forms_as_the_same_conversation(size: int):
    """The front modules accept the bodies, and tool calls meet their results."""
    responses = get("responses").parse(json.loads(responses_bodies(size, "m")[0].filled(KEY)))
    chat = get("chat").parse(json.loads(chat_bodies(size, "m")[0].filled(KEY)))
    for turn in (responses, chat):
        assert turn.stream
        calls = [i["call_id"] for i in turn.body["input"] if i.get("type") == "function_call"]
        results = [
            i["call_id"] for i in turn.body["input"] if i.get("type") == "function_call_output"
        ]
        assert calls
        assert calls == results
        assert len(turn.body["tools"]) == 4


@pytest.mark.parametrize("make", MAKERS)
def test_a_conversation_that_grows_repeats_what_it_said(make: Maker):
    """As a prefix cache sees it; the last request has the size."""
    bodies = make(64 * 1024, "m", 5)
    assert len(bodies[-1]) == 64 * 1024
    documents = [json.loads(body.filled(KEY)) for body in bodies]
    name = "messages" if make is chat_bodies else "input"
    said = [document.pop(name) for document in documents]
    assert all(document == documents[0] for document in documents)
    for before, after in itertools.pairwise(said):
        assert after[: len(before)] == before
        assert len(after) == len(before) + 2


@pytest.mark.parametrize("make", MAKERS)
def test_no_more_turns_than_there_are_tool_calls(make: Maker):
    bodies = make(SMALLEST, "m", 50)
    assert len(bodies) == 50
    assert len({len(body) for body in bodies}) <= 3


@pytest.mark.parametrize("make", MAKERS)
def test_two_conversations_part_at_the_first_thing_said(make: Maker):
    other = KEY[:-1] + b"2"
    (body,) = make(8192, "m")
    one, two = (json.loads(body.filled(key)) for key in (KEY, other))
    name = "messages" if make is chat_bodies else "input"
    differ = [a != b for a, b in zip(one[name], two[name], strict=True)]
    assert sum(differ) == 1
    assert differ.index(True) <= 1
