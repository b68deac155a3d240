"""The scripted model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from replay.sandbox.agent import Answer, BadSchema, answer
from replay.sandbox.events import CallItem, Item, MessageItem, OpaqueItem, ReasoningItem
from replay.sandbox.tokens import unseal

ACCOUNT = "11111111-1111-4111-8111-111111111111"
SHELL = {"type": "function", "name": "shell", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "apply_patch", "description": "", "format": {"type": "text"}}


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def ask(*items: Any, **members: Any) -> Answer:
    body = {"model": "gpt-5.5", "input": list(items), **members}
    return answer(body, account_id=ACCOUNT)


def text(item: Item) -> str:
    assert isinstance(item, MessageItem)
    return item.text


def call(item: Item) -> CallItem:
    assert isinstance(item, CallItem)
    return item


def test_repeats_what_was_said_and_names_what_it_saw() -> None:
    said = text(ask(user("hello there"), tools=[SHELL]).items[0])
    assert "hello there" in said
    assert "1 input items, 1 tools" in said
    assert "gpt-5.5" in said


def test_same_request_same_words() -> None:
    one, other = (ask(user("[[think]] x"), reasoning={"effort": "high"}) for _ in range(2))
    assert [text(item) for item in (one.items[-1], other.items[-1])] == [text(one.items[-1])] * 2
    assert one.reasoning_tokens == other.reasoning_tokens == 1024


@pytest.mark.parametrize(
    ("tool", "name", "arguments"),
    [
        ({"type": "function", "name": "exec_command"}, "exec_command", {"cmd": "ls -l"}),
        ({"type": "function", "name": "shell_command"}, "shell_command", {"command": "ls -l"}),
        (SHELL, "shell", {"command": ["bash", "-lc", "ls -l"]}),
    ],
)
def test_a_command_goes_to_the_shell_that_is_offered(
    tool: dict[str, Any], name: str, arguments: dict[str, Any]
) -> None:
    [item] = ask(user("[[run ls -l]]"), tools=[PATCH, tool]).items
    assert (call(item).name, json.loads(call(item).argument_text)) == (name, arguments)


def test_a_command_runs_inside_a_script_where_only_scripts_are_offered() -> None:
    code = {"type": "custom", "name": "exec", "description": "tools: `exec_command`, `wait`"}
    [item] = ask(user("[[run ls -l]]"), tools=[code]).items
    assert call(item).argument_text == 'text(await tools.exec_command({"cmd": "ls -l"}))'


def test_a_command_without_any_shell_is_explained() -> None:
    [item] = ask(user("[[run ls -l]]"), tools=[PATCH]).items
    assert "No tool named" in text(item)


def test_parallel_calls_then_a_second_round_then_the_outputs() -> None:
    prompt = user(
        '[[call shell {"command": ["ls"]}]] [[call apply_patch *** Begin]] [[then]]'
        "[[call shell {}]]"
    )
    tools = [SHELL, PATCH]
    first = ask(prompt, tools=tools).items
    assert [call(item).name for item in first] == ["shell", "apply_patch"]
    assert json.loads(call(first[0]).argument_text) == {"command": ["ls"]}
    assert call(first[1]).custom
    assert call(first[1]).argument_text == "*** Begin"

    history = [prompt, *(item.json(done=True) for item in first)]
    history.append(
        {"type": "function_call_output", "call_id": call(first[0]).call_id, "output": "a.txt"}
    )
    history.append(
        {
            "type": "custom_tool_call_output",
            "call_id": call(first[1]).call_id,
            "output": [{"type": "input_text", "text": "patched"}],
        }
    )
    second = ask(*history, tools=tools).items
    assert [call(item).name for item in second] == ["shell"]

    history.append(second[0].json(done=True))
    history.append(
        {"type": "function_call_output", "call_id": call(second[0]).call_id, "output": "done"}
    )
    said = text(ask(*history, tools=tools).items[0])
    assert "shell gave: a.txt" in said
    assert "apply_patch gave: patched" in said
    assert "shell gave: done" in said


def test_a_new_prompt_starts_over() -> None:
    history = [
        user("[[call shell {}]]"),
        {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "old"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        user("[[call shell {}]]"),
    ]
    assert call(ask(*history, tools=[SHELL]).items[0]).name == "shell"


def test_tools_in_namespaces_and_in_the_input() -> None:
    lite = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [{"type": "namespace", "name": "functions", "tools": [SHELL, PATCH]}],
    }
    item = call(ask(lite, user("[[call functions.shell {}]]")).items[0])
    assert (item.name, item.namespace) == ("shell", "functions")


def test_a_tool_inside_code_mode_is_called_through_it() -> None:
    code = {"type": "custom", "name": "exec", "description": "### `exec_command`\nRuns it."}
    item = call(ask(user('[[call exec_command {"cmd": "ls"}]]'), tools=[code]).items[0])
    assert item.name == "exec"
    assert item.argument_text == 'text(await tools.exec_command({"cmd": "ls"}))'


def test_a_tool_that_is_not_offered_is_named() -> None:
    said = text(ask(user("[[call nothing {}]]"), tools=[SHELL]).items[0])
    assert said == "No tool named nothing is offered. Offered are: shell."


def test_without_tools_calls_are_not_made() -> None:
    assert "You said: title" in text(ask(user("title [[call shell {}]]")).items[0])


@pytest.mark.parametrize(("count", "deltas"), [(0, 0), (1, 1), (200, 200)])
def test_say(count: int, deltas: int) -> None:
    item = ask(user(f"[[say {count}]]")).items[0]
    assert isinstance(item, MessageItem)
    assert len(item.deltas) == deltas


def test_text_pace_and_tokens() -> None:
    said = ask(user('[[text "exactly"]] [[pace 5]] [[tokens 9]]'))
    assert text(said.items[0]) == "exactly"
    assert (said.pace, said.input_tokens) == (0.005, 9)


def test_structured_output_fits_its_schema() -> None:
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string"}, "sure": {"type": "boolean"}},
        "required": ["answer", "sure"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "name": "x", "schema": schema, "strict": True}
    value = json.loads(text(ask(user("why"), text={"format": form}).items[0]))
    assert value == {"answer": "why", "sure": True}
    assert json.loads(text(ask(user("why"), text={"format": {"type": "json_object"}}).items[0]))
    with pytest.raises(BadSchema, match="unknown type"):
        ask(user("why"), text={"format": {**form, "schema": {"type": "thing"}}})


def test_reasoning_is_sealed_for_the_account() -> None:
    include = ["reasoning.encrypted_content"]
    items = ask(user("x"), reasoning={"effort": "high", "summary": "auto"}, include=include).items
    item = items[0]
    assert isinstance(item, ReasoningItem)
    assert item.encrypted_content is not None
    assert unseal(ACCOUNT, item.encrypted_content)["purpose"] == "reasoning"
    assert len(item.parts[0]) > 1
    plain = ask(user("x"), reasoning={"effort": "low"}, include=include).items
    assert [type(item) for item in plain] == [MessageItem]


def test_compaction_gives_one_item_and_its_content_is_read_again() -> None:
    items = ask(user("long story"), {"type": "compaction_trigger"}).items
    assert len(items) == 1
    item = items[0]
    assert isinstance(item, OpaqueItem)
    assert item.body["type"] == "compaction"
    assert unseal(ACCOUNT, item.body["encrypted_content"])["last"] == "long story"
    assert "after a compaction of 2 items" in text(ask(item.body, user("go on")).items[0])


def test_text_input_is_one_user_message() -> None:
    said = answer({"model": "m", "input": "plain"}, account_id=ACCOUNT)
    assert "You said: plain" in text(said.items[0])
