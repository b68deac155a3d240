"""Messages requests in Responses form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
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


# --- tools ---------------------------------------------------------------------------------------


def names(made: Json) -> list[str]:
    return [tool["name"] for tool in made.get("tools", [])]


def test_tools_of_the_conversation() -> None:
    late = {**TOOL, "name": "g", "defer_loading": True}
    messages: list[Json] = [*SAID]
    assert names(body(messages=messages, tools=[TOOL, late])) == ["f"]
    reference = {"type": "tool_reference", "name": "g"}
    messages += [
        {"role": "system", "content": [{"type": "tool_addition", "tool": reference}]},
        *SAID,
    ]
    assert names(body(messages=messages, tools=[TOOL, late])) == ["f", "g"]
    definition = {"type": "tool_definition", "definition": {**TOOL, "name": "h"}}
    messages += [
        {"role": "system", "content": [{"type": "tool_addition", "tool": definition}]},
        *SAID,
    ]
    assert names(body(messages=messages, tools=[TOOL, late])) == ["f", "g", "h"]
    assert names(body(messages=messages)) == ["h"]
    messages += [{"role": "system", "content": [{"type": "tool_removal", "tool": reference}]}]
    assert names(body(messages=messages, tools=[TOOL, late])) == ["f", "h"]


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

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBO"}
RICH: Json = {
    "model": "m",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "s"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi"},
                {"type": "image", "source": PNG},
                {"type": "document", "title": "t", "source": {"type": "text", "data": "d"}},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text"}]}},
                {"type": "search_result", "title": "t", "source": "s", "content": []},
            ],
        },
        {"role": "system", "content": "s", "output_config": {"effort": "low"}},
        {
            "role": "system",
            "clear_at": "next_user_message",
            "content": [
                {
                    "type": "tool_addition",
                    "tool": {"type": "tool_definition", "definition": {**TOOL, "name": "h"}},
                },
                {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "h"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "So.", "signature": "floway:1:rs_1:3:x"},
                {"type": "redacted_thinking", "data": "floway:1:rs_1::x"},
                {"type": "text", "text": "Well."},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c",
                    "is_error": True,
                    "content": [{"type": "tool_reference", "tool_name": "g"}],
                }
            ],
        },
    ],
    "tools": [
        {**TOOL, "strict": True},
        {**TOOL, "name": "g", "defer_loading": True},
        {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["e.org"]},
    ],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": CLOSED}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["x"],
    "service_tier": "auto",
    "stream": True,
}
RICH["messages"][0]["content"][3]["source"]["content"][0]["text"] = "d"

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", [], [[]], [None], {}, {"type": []}, {"type": "text"}]
)


def places(value: Any) -> list[list[Any]]:
    """The path of every member and entry."""
    if isinstance(value, dict):
        members: list[tuple[Any, Any]] = list(value.items())
    else:
        members = list(enumerate(value)) if isinstance(value, list) else []
    found = []
    for name, member in members:
        found += [[name], *([name, *rest] for rest in places(member))]
    return found


def test_a_rich_request_is_right() -> None:
    turn = PROTOCOL.parse(RICH)
    assert [item["type"] for item in turn.body["input"]] == [
        *("message", "message", "reasoning", "reasoning", "message", "function_call"),
        "function_call_output",
    ]


@settings(max_examples=150)
@given(st.sampled_from(places(RICH)), ODD, st.booleans())
def test_a_request_with_something_odd_is_translated_or_refused(
    place: list[Any], odd: Any, left_out: bool
) -> None:
    given_ = json.loads(json.dumps(RICH))
    inner = given_
    for name in place[:-1]:
        inner = inner[name]
    if left_out:
        del inner[place[-1]]
    else:
        inner[place[-1]] = odd
    try:
        turn = PROTOCOL.parse(given_)
    except BadRequest as error:
        good = bool(error.param) and f"`{error.param}" in error.message
    else:
        good = all(isinstance(item, dict) for item in turn.body["input"])
        PROTOCOL.renderer(turn, given_)
    assert good, place
