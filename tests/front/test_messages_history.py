"""Conversations of messages as input items."""

from __future__ import annotations

from typing import Any

import pytest

from addons.errors import BadRequest
from addons.front.messages_history import History
from addons.front.messages_thinking import signature

type Json = dict[str, Any]

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBO"}
CALL = {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": "é", "b": [1, 2.5]}}
ASKED = {"role": "assistant", "content": [CALL]}
SAID = {"role": "user", "content": "Hi"}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def result(content: Any = "done", call: str = "call_1", **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": call, "content": content, **more}


def system(*blocks: Json, **more: Any) -> Json:
    return {"role": "system", "content": list(blocks), **more}


def change(kind: str, name: str | None) -> Json:
    return {"type": kind, "tool": {"type": "tool_reference", "name": name}}


def items(*messages: Any) -> list[Json]:
    return History(list(messages), []).items


def refused(*messages: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        items(*messages)
    return caught.value


def test_texts_and_roles() -> None:
    made = items(
        SAID,
        {"role": "system", "content": [{**text("Be brief."), "cache_control": {}}]},
        {"role": "assistant", "content": [text("Hello"), text(""), text("there")]},
        user(text("a"), text("b")),
    )
    assert [(item["role"], [part["text"] for part in item["content"]]) for item in made] == [
        ("user", ["Hi"]),
        ("system", ["Be brief."]),
        ("assistant", ["Hello", "there"]),
        ("user", ["a", "b"]),
    ]
    assert [item["content"][0]["type"] for item in made] == [
        "input_text",
        "input_text",
        "output_text",
        "input_text",
    ]


def test_a_string_and_its_block_are_the_same() -> None:
    """Claude Code sends a message as blocks first, and as a string later: one prompt."""
    assert items(SAID) == items(user({**text("Hi"), "cache_control": {"type": "ephemeral"}}))


def test_tools_and_their_results() -> None:
    second = {**CALL, "id": "call_2"}
    made = items(
        SAID,
        {"role": "assistant", "content": [text("I look."), CALL, second]},
        user(result(call="call_2"), result(), text("Go on.")),
    )
    assert [item["type"] for item in made] == [
        *("message", "message", "function_call", "function_call"),
        *("function_call_output", "function_call_output", "message"),
    ]
    assert made[2] == {
        "type": "function_call",
        "call_id": "call_1",
        "name": "f",
        "arguments": '{"a":"é","b":[1,2.5]}',
    }
    assert made[4] == {"type": "function_call_output", "call_id": "call_2", "output": "done"}


@pytest.mark.parametrize(
    ("block", "output"),
    [
        (result("ok"), "ok"),
        (result([text("ok")]), "ok"),
        (result(None), ""),
        (result([]), ""),
        (result("no", is_error=True), "The tool failed:\nno"),
        (result("", is_error=True), "The tool failed:\n"),
        (result(None, is_error=True), "The tool failed:"),
        (
            result([text("a"), text("b")]),
            [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
        ),
        (
            result([{"type": "image", "source": PNG}], is_error=True),
            [
                {"type": "input_text", "text": "The tool failed:"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
            ],
        ),
        (
            result([{"type": "tool_reference", "tool_name": "g"}]),
            "The tool g is available now.",
        ),
    ],
)
def test_results(block: Json, output: Any) -> None:
    assert items(SAID, ASKED, user(block))[-1]["output"] == output


def test_tools_that_were_looked_up_are_loaded() -> None:
    found = [{"type": "tool_reference", "tool_name": name} for name in "gh"]
    history = History([SAID, ASKED, user(result(found))], [])
    assert history.changes.loaded == {"g", "h"}


def test_tools_that_come_and_go() -> None:
    """As of Anthropic's beta mid-conversation-tool-changes-2026-07-01."""
    definition = {"name": "d", "input_schema": {}}
    defined = {"type": "tool_definition", "definition": definition}
    notes: list[str] = []
    history = History(
        [
            SAID,
            system(change("tool_addition", "a"), change("tool_addition", "b"), text("New tools.")),
            system(change("tool_removal", "a"), {"type": "tool_addition", "tool": defined}),
            system(change("tool_removal", "c"), change("tool_addition", "c")),
            system({"type": "tool_addition", "tool": {"type": "mcp_tool_reference"}}),
        ],
        notes,
    )
    assert history.changes.loaded == {"b", "c", "d"}
    assert history.changes.removed == {"a"}
    [(path, found)] = history.changes.defined
    assert (path, found) == ("messages[2].content[1].tool.definition", definition)
    assert [item["role"] for item in history.items] == ["user", "system"]
    assert len(notes) == 1


def test_a_system_message_for_one_turn() -> None:
    once = system(text("Now."), clear_at="next_user_message")
    assert [item["role"] for item in items(SAID, once)] == ["user", "system"]
    assert [item["role"] for item in items(SAID, once, SAID)] == ["user", "user"]
    always = system(text("Always."), clear_at="never")
    assert [item["role"] for item in items(SAID, always, SAID)] == ["user", "system", "user"]


def test_a_system_message_that_only_says_the_effort() -> None:
    history = History([SAID, {"role": "system", "output_config": {"effort": "low"}}], [])
    assert (history.effort, len(history.items)) == ("low", 1)


def test_thinking_comes_back_where_it_stood() -> None:
    item = {"id": "rs_1", "summary": [{"text": "So."}], "encrypted_content": "sealed"}
    bare = {"id": "rs_2", "encrypted_content": "sealed too"}
    made = items(
        SAID,
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "So.", "signature": signature(item)},
                text("First."),
                {"type": "redacted_thinking", "data": signature(bare)},
                CALL,
            ],
        },
        user(result()),
    )
    assert [item["type"] for item in made] == [
        *("message", "reasoning", "message", "reasoning", "function_call", "function_call_output"),
    ]
    assert made[1]["summary"] == [{"type": "summary_text", "text": "So."}]
    assert (made[3]["id"], made[3]["summary"]) == ("rs_2", [])


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": "So.", "signature": "EqQBCgIYAg=="},
        {"type": "thinking", "thinking": "So."},
        {"type": "redacted_thinking", "data": "EqQBCgIYAg=="},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    ],
)
def test_what_no_upstream_can_read_is_dropped_and_said_once(block: Json) -> None:
    notes: list[str] = []
    answered = {"role": "assistant", "content": [block, text("Well."), block]}
    made = History([SAID, answered, SAID], notes).items
    assert [item["type"] for item in made] == ["message"] * 3
    assert len(notes) == 1


def test_an_answer_that_was_begun() -> None:
    notes: list[str] = []
    History([SAID, {"role": "assistant", "content": "{"}], notes)
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (["Hi"], "messages[0]"),
        ([{"role": "tool", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([user()], "messages[0].content"),
        ([user(text("a"), {"type": "text"})], "messages[0].content[1].text"),
        ([{"role": "user", "content": ["Hi"]}], "messages[0].content[0]"),
        ([user({"type": "tool_use"})], "messages[0].content[0].type"),
        ([{"role": "system", "content": [{"type": "image"}]}], "messages[0].content[0].type"),
        ([{"role": "assistant", "content": [{}]}], "messages[0].content[0].type"),
        ([{"role": "system"}], "messages[0].content"),
        ([system({"type": "tool_addition"})], "messages[0].content[0].tool"),
        (
            [system(change("tool_removal", ""), change("tool_addition", None))],
            "messages[0].content[1].tool.name",
        ),
        (
            [system({"type": "tool_addition", "tool": {"type": "tool_definition"}})],
            "messages[0].content[0].tool.definition",
        ),
        ([SAID, ASKED], "messages[1].content[0]"),
        ([SAID, ASKED, SAID], "messages[1].content[0]"),
        ([user(result())], "messages[0].content[0].tool_use_id"),
        ([SAID, ASKED, user(result(call="call_9"))], "messages[2].content[0].tool_use_id"),
        ([SAID, ASKED, user(result(), result())], "messages[2].content[1].tool_use_id"),
        ([SAID, ASKED, user(result(5))], "messages[2].content[0].content"),
        (
            [SAID, ASKED, user(result([{"type": "tool_reference"}]))],
            "messages[2].content[0].content[0].tool_name",
        ),
        (
            [{"role": "assistant", "content": [{**CALL, "input": "{}"}]}],
            "messages[0].content[0].input",
        ),
        ([{"role": "assistant", "content": [{**CALL, "id": 1}]}], "messages[0].content[0].id"),
    ],
)
def test_errors_name_the_block(messages: list[Any], param: str) -> None:
    error = refused(*messages)
    assert error.param == param
    assert f"`{param}" in error.message


def test_a_call_id_may_be_used_again() -> None:
    made = items(SAID, ASKED, user(result("one")), ASKED, user(result("two")))
    outputs = [item["output"] for item in made if item["type"] == "function_call_output"]
    assert outputs == ["one", "two"]
