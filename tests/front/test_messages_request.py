"""Messages requests in Responses form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.front.contract import Turn
from addons.front.messages import MessagesProtocol

type Json = dict[str, Any]

PROTOCOL = MessagesProtocol()
SAID = [{"role": "user", "content": "Hi"}]
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object"}}
CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def parsed(**members: Any) -> Turn:
    return PROTOCOL.parse({"model": "m", "max_tokens": 100, "messages": SAID, **members})


def body(**members: Any) -> Json:
    return parsed(**members).body


def refused(**members: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parsed(**members)
    return caught.value


def test_a_plain_request() -> None:
    turn = parsed(system="Be brief.", stream=True, temperature=0.5, top_p=1)
    assert turn == Turn(
        model="m",
        stream=True,
        body={
            "model": "m",
            "max_output_tokens": 100,
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hi"}],
                }
            ],
            "instructions": "Be brief.",
            "stream": True,
            "temperature": 0.5,
            "top_p": 1,
            "store": False,
        },
    )


def test_members_keep_the_clients_order() -> None:
    first = list(body(tools=[TOOL], system="s"))
    assert first == ["model", "max_output_tokens", "input", "tools", "instructions", "store"]


# --- system --------------------------------------------------------------------------------------


def test_system_blocks_are_one_text() -> None:
    blocks = [
        {"type": "text", "text": "One.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Two."},
    ]
    assert body(system=blocks)["instructions"] == "One.\n\nTwo."


@pytest.mark.parametrize(
    "system",
    [
        [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=a;"},
            {"type": "text", "text": "Be brief."},
        ],
        [{"type": "text", "text": "x-anthropic-billing-header: cch=b;\n\nBe brief."}],
        "x-anthropic-billing-header: cch=c;\nBe brief.",
    ],
)
def test_what_changes_with_each_request_is_no_part_of_the_prompt(system: Any) -> None:
    assert body(system=system)["instructions"] == "Be brief."


@pytest.mark.parametrize("system", ["", [], [{"type": "text", "text": ""}]])
def test_an_empty_system_prompt_is_none(system: Any) -> None:
    assert "instructions" not in body(system=system)


def test_a_system_prompt_holds_text_only() -> None:
    error = refused(system=[{"type": "image"}])
    assert error.param == "system[0].type"


# --- thinking and effort -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "reasoning", "include"),
    [
        ({}, None, False),
        ({"thinking": {"type": "disabled"}}, {"effort": "low"}, False),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"effort": "low", "summary": "auto"},
            True,
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 10_000}},
            {"effort": "medium", "summary": "auto"},
            True,
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 31_999}},
            {"effort": "high", "summary": "auto"},
            True,
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 60_000}},
            {"effort": "xhigh", "summary": "auto"},
            True,
        ),
        ({"thinking": {"type": "adaptive"}}, {"summary": "auto"}, True),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, None, True),
        (
            {
                "thinking": {"type": "adaptive", "display": "omitted"},
                "output_config": {"effort": "medium"},
            },
            {"effort": "medium"},
            True,
        ),
        (
            {
                "output_config": {"effort": "max"},
                "thinking": {"type": "enabled", "budget_tokens": 1024},
            },
            {"effort": "max", "summary": "auto"},
            True,
        ),
        (
            {
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "output_config": {"effort": "max"},
            },
            {"effort": "max", "summary": "auto"},
            True,
        ),
    ],
)
def test_thinking(members: Json, reasoning: Json | None, include: bool) -> None:
    made = body(**members)
    assert made.get("reasoning") == reasoning
    assert made.get("include") == (["reasoning.encrypted_content"] if include else None)


def test_the_latest_effort_counts() -> None:
    """As Claude Code 2.1.330 says a change of effort, in the middle of a conversation."""
    messages = [
        *SAID,
        {"role": "system", "content": "s", "output_config": {"effort": "low"}},
        {"role": "assistant", "content": "Hello"},
        {"role": "system", "content": "s", "output_config": {"effort": "high"}},
        {"role": "user", "content": "And now?"},
    ]
    made = body(messages=messages, output_config={"effort": "medium"})
    assert made["reasoning"] == {"effort": "high"}


@pytest.mark.parametrize(
    ("thinking", "param"),
    [
        ("on", "thinking"),
        ({"type": "sometimes"}, "thinking.type"),
        ({"type": "enabled"}, "thinking.budget_tokens"),
        ({"type": "enabled", "budget_tokens": True}, "thinking.budget_tokens"),
        ({"type": "adaptive", "display": 1}, "thinking.display"),
    ],
)
def test_a_wrong_thinking(thinking: Any, param: str) -> None:
    assert refused(thinking=thinking).param == param


# --- structured answers --------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [True, False])
def test_a_schema_of_the_answer(nested: bool) -> None:
    form = {"type": "json_schema", "schema": CLOSED}
    made = body(output_config={"format": form}) if nested else body(output_format=form)
    expected = {"type": "json_schema", "name": "answer", "strict": True, "schema": CLOSED}
    assert made["text"] == {"format": expected}


# --- other members -------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "made"), [(1, 16), (0, 16), (16, 16), (128_000, 128_000)])
def test_max_tokens(given: int, made: int) -> None:
    turn = parsed(max_tokens=given)
    assert turn.body["max_output_tokens"] == made
    assert bool(turn.notes) == (given != made)


def test_who_asks_is_passed_on() -> None:
    """The session in it is found by whoever keeps conversations."""
    metadata = {"user_id": '{"session_id":"8a6e6ac1-75b4-4df8-a1d6-4d5f2be7d2a3"}'}
    assert body(metadata=metadata)["metadata"] == metadata


@pytest.mark.parametrize(("given", "made"), [("auto", "auto"), ("standard_only", "default")])
def test_service_tier(given: str, made: str) -> None:
    assert body(service_tier=given)["service_tier"] == made


@pytest.mark.parametrize(
    "members",
    [
        {"top_k": 5},
        {"cache_control": {"type": "ephemeral"}},
        {"context_management": {"edits": []}},
        {"output_config": {"task_budget": {"tokens": 9}}},
        {"something": "new"},
        {"speed": "fast"},
    ],
)
def test_what_the_answer_does_without_is_dropped_and_said(members: Json) -> None:
    turn = parsed(**members)
    assert set(turn.body) == {"model", "max_output_tokens", "input", "store"}
    [note] = turn.notes
    assert next(iter(members)) in note


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
        ({"metadata": "me"}, "metadata"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"stop_sequences": [""]}, "stop_sequences[0]"),
        ({"service_tier": "fast"}, "service_tier"),
        ({"mcp_servers": [{"url": "https://example.org"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"output_config": "high"}, "output_config"),
        ({"output_config": {"effort": 3}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "text"}}}, "output_config.format.type"),
        ({"output_format": {"type": "json_schema"}}, "output_format.schema"),
    ],
)
def test_errors_name_the_member(members: Json, param: str) -> None:
    error = refused(**members)
    assert error.param == param
    assert param.split("[")[0] in error.message


def test_nothing_of_null_members() -> None:
    names = ("system", "tools", "thinking", "metadata", "stop_sequences", "temperature")
    assert body(**dict.fromkeys(names)) == body()


# --- whatever comes ------------------------------------------------------------------------------

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "text", "user", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "content", "role", "source", "name", "input", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        *("messages", "system", "tools", "tool_choice", "thinking", "output_config", "metadata"),
        *("stop_sequences", "max_tokens", "stream", "output_format", "service_tier"),
    ]
)


@given(st.dictionaries(MEMBERS, ANY, max_size=3))
def test_a_request_is_translated_or_refused(members: Json) -> None:
    try:
        turn = parsed(**members)
    except BadRequest as error:
        named = bool(error.param)
    else:
        named = all(isinstance(item, dict) for item in turn.body["input"])
        PROTOCOL.renderer(turn, {"model": "m", **members})
    assert named
