"""Keys of stateless conversations and signatures of threads."""

from __future__ import annotations

from typing import Any

import pytest

from addons.providers.codex import ids
from addons.providers.codex.continuity import content_key, signals, signature

type Json = dict[str, Any]


def user(text: str, **more: Any) -> Json:
    return {"type": "message", "role": "user", "content": text, **more}


def said(text: str) -> Json:
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }


BASE: Json = {"instructions": "Be brief.", "input": [user("hello")]}


def test_the_key_is_stable_over_growing_input() -> None:
    grown = {**BASE, "input": [user("hello"), said("hi"), user("more")]}
    assert content_key(BASE) == content_key(grown)


@pytest.mark.parametrize(
    "same",
    [
        {**BASE, "input": "hello"},
        {**BASE, "input": [{"role": "user", "content": "hello"}]},
        {**BASE, "input": [user("hello", id="msg_1", status="completed")]},
        {
            **BASE,
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_text", "text": "hello"}],
                    "type": "message",
                }
            ],
        },
        {
            **BASE,
            "input": [user([{"type": "input_text", "text": "hello", "cache_control": {}}])],  # type: ignore[arg-type]
        },
        {**BASE, "model": "another", "temperature": 1},
    ],
)
def test_the_way_of_writing_makes_no_difference(same: Json) -> None:
    assert content_key(same) == content_key(BASE)


@pytest.mark.parametrize(
    "other",
    [
        {**BASE, "instructions": "Be long."},
        {"input": BASE["input"]},
        {**BASE, "input": [user("Hello")]},
        {**BASE, "input": [user("x"), *BASE["input"]]},
        {**BASE, "input": [{"type": "compaction", "encrypted_content": "x"}, *BASE["input"]]},
    ],
)
def test_another_beginning_is_another_conversation(other: Json) -> None:
    assert content_key(other) != content_key(BASE)


def test_instructions_cannot_be_crafted_into_the_first_item() -> None:
    # What follows the separator in one must not be able to stand before it in the other.
    whole = '[{"content":[{"text":"hi","type":"input_text"}],"role":"user","type":"message"}]'
    crafted = {"instructions": "a\u0001" + whole, "input": [user("hi")]}
    assert content_key(crafted) != content_key({"instructions": "a", "input": [user("hi")]})
    assert content_key({"instructions": "", "input": [user("hi")]}) != content_key(
        {"instructions": whole, "input": [user("")]}
    )


def test_the_key_is_what_is_written_down() -> None:
    # A conversation must keep its ids when floway is updated.
    canonical = (
        "Be brief.\u0001"
        '[{"content":[{"text":"hello","type":"input_text"}],"role":"user","type":"message"}]'
    )
    assert content_key(BASE) == ids.digest("content", canonical).hex()
    assert ids.derived("content", "local", content_key(BASE) or "") == (
        "019b3094-310c-70d9-91fd-8e97c16cb66c"
    )


def test_a_system_prompt_in_the_input_does_not_merge_conversations() -> None:
    prompt = {"role": "developer", "content": "You are a coding agent."}
    one, two = ({"input": [prompt, user(text)]} for text in ("fix the bug", "write a test"))
    assert content_key(one) != content_key(two)
    assert content_key(one) == content_key({"input": [prompt, user("fix the bug"), said("ok")]})


def test_after_a_compaction_the_key_is_stable_within_the_new_window() -> None:
    compaction = {"type": "compaction", "encrypted_content": "opaque", "id": "cmp_1"}
    one = {**BASE, "input": [compaction, user("go on")]}
    two = {**BASE, "input": [{**compaction, "id": "cmp_2"}, user("go on"), said("ok"), user("!")]}
    assert content_key(one) == content_key(two)
    assert content_key(one) != content_key(BASE)


@pytest.mark.parametrize("empty", [{}, {"input": []}, {"input": ""}, {"input": None}, {"input": 3}])
def test_no_content_gives_no_key(empty: Json) -> None:
    assert content_key({"instructions": "Be brief.", **empty}) is None


def test_odd_content_is_taken_as_it_is() -> None:
    for odd in ([3], [None], [{"role": "user", "content": "\ud800"}], [["x"]]):
        assert content_key({"input": odd}) == content_key({"input": odd})
        signature({"input": odd})
    assert content_key({"instructions": [{"x": 1}], "input": "a"}) != content_key({"input": "a"})


# --- signatures ----------------------------------------------------------------------------------


def test_a_turn_is_the_same_for_its_tool_calls_and_new_for_the_next_message() -> None:
    first = [user("fix it")]
    tool = [
        *first,
        {"type": "function_call", "call_id": "1", "name": "ls", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "a"},
    ]
    following = [*tool, said("done"), user("fix it")]
    turns = [signature({"input": items}).turn for items in (first, tool, following)]
    assert turns[0] == turns[1] != turns[2]


def test_prompt_and_opening_are_apart() -> None:
    base = signature(BASE)
    other_prompt = signature({**BASE, "instructions": "Another."})
    other_opening = signature({**BASE, "input": "another"})
    assert base.prompt == other_opening.prompt != other_prompt.prompt
    assert base.opening == other_prompt.opening != other_opening.opening


def test_a_developer_message_is_part_of_the_prompt() -> None:
    developer = {"role": "developer", "content": "You are an agent."}
    with_prompt = signature({"input": [developer, user("x")]})
    assert with_prompt.prompt
    assert with_prompt.opening == signature({"input": [user("x")]}).opening
    assert not signature({"input": [user("x")]}).prompt


def test_tools_are_seen_in_both_shapes() -> None:
    tool = {"type": "function", "name": "ls"}
    lite = {"type": "additional_tools", "role": "developer", "tools": [tool]}
    assert signature({**BASE, "tools": [tool]}).tools
    assert signature({"input": [lite, user("x")]}).tools
    assert not signature({**BASE, "tools": []}).tools
    # Tools are not prompt: they may grow in a running conversation.
    assert signature({"input": [lite, user("x")]}).prompt == ""


# --- signals -------------------------------------------------------------------------------------


def test_signals_come_in_order_and_unusable_ones_are_left_out() -> None:
    found = list(
        signals(
            {"x-session-id": "ses_1", "session-id": "bad\u0007", "x-session-affinity": " ses_2 "},
            {"prompt_cache_key": "key", "metadata": {}},
            {"session_id": "cm"},
        )
    )
    assert [(each.source, each.value, each.session) for each in found] == [
        ("prompt_cache_key", "key", False),
        ("header x-session-id", "ses_1", True),
        ("header x-session-affinity", "ses_2", True),
        ("client_metadata.session_id", "cm", True),
    ]


def test_no_signals() -> None:
    assert not list(signals({}, {"prompt_cache_key": 3}, {"session_id": None}))
    assert not list(signals({"x-session-id": "x" * 257}, {"prompt_cache_key": " "}, {}))
