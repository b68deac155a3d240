"""Chat completion requests to the neutral form; messages and tools have tests of their own."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.front.chat import ChatProtocol
from addons.front.contract import Turn

USER = {"role": "user", "content": "hi"}


def parse(**members: Any) -> Turn:
    body = {"model": "m", "messages": [USER], **members}
    before = copy.deepcopy(body)
    turn = ChatProtocol().parse(body)
    assert body == before, "the client's own body is shared; it must not be changed"
    return turn


def refused(**members: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse(**members)
    return caught.value


# --- options -------------------------------------------------------------------------------------


def test_members_of_the_same_name_pass_in_the_clients_order() -> None:
    given = {
        "temperature": 0.2,
        "model": "m",
        "prompt_cache_key": "k",
        "messages": [USER],
        "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "implicit"},
        "safety_identifier": "s",
        "service_tier": "flex",
        "metadata": {"a": "b"},
        "store": True,
        "user": "u",
        "top_p": 1,
        "stream": True,
        "moderation": None,
    }
    turn = ChatProtocol().parse(given)
    wanted = ["input" if name == "messages" else name for name in given if given[name] is not None]
    assert list(turn.body) == wanted
    assert all(turn.body[name] == given[name] for name in wanted if name != "input")
    assert (turn.model, turn.stream, turn.notes) == ("m", True, [])


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"max_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_output_tokens": 6}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_output_tokens": 6}),
        ({"max_completion_tokens": 6, "max_tokens": 5}, {"max_output_tokens": 6}),
        ({"reasoning_effort": "high"}, {"reasoning": {"effort": "high", "summary": "auto"}}),
        ({"reasoning_effort": "none"}, {"reasoning": {"effort": "none"}}),
        ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low", "summary": "auto"}}),
        ({"reasoning": {"enabled": False}}, {"reasoning": {"effort": "none"}}),
        ({"reasoning": {"enabled": True}}, {"reasoning": {"summary": "auto"}}),
        ({"reasoning": {"exclude": True}}, {}),
        ({"reasoning": {"effort": "low", "exclude": True}}, {"reasoning": {"effort": "low"}}),
        ({"reasoning": {"summary": "detailed"}}, {"reasoning": {"summary": "detailed"}}),
        (
            {"reasoning": {"effort": "low"}, "reasoning_effort": "high"},
            {"reasoning": {"effort": "high", "summary": "auto"}},
        ),
        (
            {"reasoning_effort": "high", "include_reasoning": False},
            {"reasoning": {"effort": "high"}},
        ),
        ({"response_format": {"type": "text"}}, {"text": {"format": {"type": "text"}}}),
        (
            {"verbosity": "low", "response_format": {"type": "json_object"}},
            {"text": {"verbosity": "low", "format": {"type": "json_object"}}},
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"schema": {"type": "object"}, "name": "n", "strict": True},
                }
            },
            {
                "text": {
                    "format": {
                        "type": "json_schema",
                        "name": "n",
                        "strict": True,
                        "schema": {"type": "object"},
                    }
                }
            },
        ),
        ({"tools": []}, {}),
        ({"n": 1, "logprobs": False, "top_logprobs": 0, "modalities": ["text"]}, {}),
        ({"stop": ["a"], "stream_options": {"include_usage": True}}, {}),
        (
            {
                "web_search_options": {
                    "search_context_size": "low",
                    "user_location": {"type": "approximate", "approximate": {"city": "Bonn"}},
                }
            },
            {
                "tools": [
                    {
                        "type": "web_search",
                        "search_context_size": "low",
                        "user_location": {"type": "approximate", "city": "Bonn"},
                    }
                ]
            },
        ),
    ],
)
def test_translated_members(members: dict[str, Any], wanted: dict[str, Any]) -> None:
    body = dict(parse(**members).body)
    del body["model"], body["input"]
    assert body == wanted


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": True}, "temperature"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_completion_tokens": 5.5}, "max_completion_tokens"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"seed": "x"}, "seed"),
        ({"stop": 5}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": ["a", 5]}, "stop[1]"),
        ({"stop": list("abcde")}, "stop"),
        ({"stream_options": True}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"reasoning": "high"}, "reasoning"),
        ({"reasoning": {"effort": 1}}, "reasoning.effort"),
        ({"reasoning_effort": {}}, "reasoning_effort"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema",
        ),
        ({"verbosity": 1}, "verbosity"),
        ({"web_search_options": []}, "web_search_options"),
        ({"metadata": []}, "metadata"),
    ],
)
def test_bad_members_are_named(members: dict[str, Any], param: str) -> None:
    error = refused(**members)
    assert error.param == param
    assert f"`{param}`" in error.message


# --- anything ---

TEXT = st.text(max_size=8)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        *("messages", "tools", "tool_choice", "functions", "function_call", "stop", "reasoning"),
        *("response_format", "n", "stream_options", "max_tokens", "modalities", "logprobs"),
        *("web_search_options", "stream", "verbosity"),
    ]
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "tool", "function", "system", "x"]),
        "type": st.sampled_from(["function", "custom", "allowed_tools", "json_schema", "text"]),
        **dict.fromkeys(("content", "tool_calls", "function_call", "name", "refusal"), JSON),
        **dict.fromkeys(("function", "custom", "allowed_tools", "json_schema", "file"), JSON),
    },
)


@settings(max_examples=120)
@given(st.dictionaries(NAMES, JSON | SHAPED | st.lists(SHAPED, max_size=3), max_size=5))
def test_any_members_give_a_turn_or_a_named_error(members: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [USER], **members}
    try:
        turn = ChatProtocol().parse(body)
    except BadRequest as error:
        assert error.param  # noqa: PT017 (either way is fine)
    else:
        json.dumps(turn.body)
        ChatProtocol().renderer(turn, body)
