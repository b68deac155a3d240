"""Shapes: there, back again, and never a byte changed in what was said before."""

from __future__ import annotations

import copy
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.providers.codex import ids
from addons.providers.codex.items import PREFIXES, normalised
from addons.providers.codex.shape import Moved, bring, moved, prefix_key, restore
from fingerprints.profile import Shape

type Json = dict[str, Any]

THREAD = "0197c0de-0000-7000-8000-000000000001"
OTHER_THREAD = "0197c0de-0000-7000-8000-000000000002"

LITE = Shape(instructions="developer_message", tools="additional_tools")
FULL = Shape(instructions="developer_message", tools="member")
OLD = Shape(instructions="member", tools="member")

TOOL = {"type": "function", "name": "bash", "parameters": {"type": "object"}}
BODY: Json = {
    "model": "m",
    "instructions": "Be brief.",
    "input": "hello",
    "tools": [TOOL],
    "tool_choice": "auto",
}


def shaped(body: Json, shape: Shape, *, thread: str = THREAD, **options: Any) -> Json:
    options = {"item_ids": shape is not OLD} | options
    return bring(body, shape, thread_id=thread, **options)


# --- the three recorded shapes -------------------------------------------------------------------


def test_lite() -> None:
    found = shaped(BODY, LITE)
    assert list(found) == ["model", "input", "tool_choice"]
    tools, instructions, user = found["input"]
    assert list(tools) == ["type", "id", "role", "tools"]
    assert (tools["type"], tools["role"]) == ("additional_tools", "developer")
    assert tools["tools"] == [
        {"type": "namespace", "name": "functions", "description": "", "tools": [TOOL]}
    ]
    assert list(instructions)[:4] == ["type", "id", "role", "content"]
    assert instructions["role"] == "developer"
    assert instructions["content"] == [{"type": "input_text", "text": "Be brief."}]
    assert list(user) == ["type", "id", "role", "content"]
    assert user["content"] == [{"type": "input_text", "text": "hello"}]
    for item, prefix in ((tools, "at_"), (instructions, "msg_"), (user, "msg_")):
        assert item["id"].startswith(prefix)
        assert ids.official(item["id"].removeprefix(prefix))


def test_full_of_0_169() -> None:
    found = shaped(BODY, FULL)
    assert list(found) == ["model", "input", "tools", "tool_choice"]
    assert found["tools"] == [TOOL]
    first = found["input"][0]
    assert (first["role"], first["content"][0]["text"]) == ("developer", "Be brief.")
    assert uuid.UUID(first["id"].removeprefix("msg_")).version == 5


def test_old_full_of_0_142() -> None:
    found = shaped(BODY, OLD)
    assert found == {
        **BODY,
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "hello"}],
            }
        ],
    }


def test_nothing_to_move() -> None:
    for shape in (LITE, FULL):
        assert shaped({"model": "m", "input": []}, shape)["input"] == []
        empty = shaped({"model": "m", "input": [], "instructions": "", "tools": []}, LITE)
        assert empty == {"model": "m", "input": []}
    assert shaped({"instructions": None, "input": []}, OLD)["instructions"] == ""


def test_namespaces_and_hosted_tools_stand_beside_the_functions() -> None:
    namespace = {"type": "namespace", "name": "clock", "description": "x", "tools": []}
    search = {"type": "web_search"}
    custom = {"type": "custom", "name": "patch"}
    found = shaped({**BODY, "tools": [namespace, TOOL, search, custom]}, LITE)
    entries = found["input"][0]["tools"]
    assert [entry["type"] for entry in entries] == ["namespace", "namespace", "web_search"]
    assert entries[0]["tools"] == [TOOL, custom]
    assert entries[1] == namespace


def test_an_official_body_is_not_touched() -> None:
    at, msg = f"at_{THREAD}", f"msg_{THREAD}"
    body = {
        "model": "m",
        "input": [
            {"type": "additional_tools", "id": at, "role": "developer", "tools": []},
            {
                "type": "message",
                "id": msg,
                "role": "developer",
                "content": [],
                "x": {"b": 1, "a": 2},
            },
            {
                "type": "message",
                "status": "completed",
                "id": "msg_1",
                "role": "assistant",
                "content": [],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "x", "arguments": "{}"},
            {"type": "unheard_of", "id": "anything", "role": "system"},
            {"type": "compaction_trigger"},
        ],
    }
    for shape in (LITE, FULL):
        assert json.dumps(shaped(body, shape)) == json.dumps(body)


# --- items ---------------------------------------------------------------------------------------


def item(value: Any, *, item_ids: bool = False, thread: str = THREAD) -> Json:
    return normalised([value], thread_id=thread, item_ids=item_ids)[0]


def test_system_becomes_developer_everywhere() -> None:
    found = shaped(
        {"input": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}, OLD
    )
    assert [each["role"] for each in found["input"]] == ["user", "developer"]


def test_an_assistants_text_is_output() -> None:
    found = item({"role": "assistant", "content": "done"})
    assert found["content"] == [{"type": "output_text", "text": "done"}]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"type": "message", "id": "msg_1", "role": "user", "content": []}, True),
        ({"type": "message", "id": "ses_1", "role": "user", "content": []}, False),
        ({"type": "message", "id": "rs_1", "role": "user", "content": []}, False),
        ({"type": "message", "id": "msg_", "role": "user", "content": []}, False),
        ({"type": "message", "id": "msg_" + "x" * 61, "role": "user", "content": []}, False),
        ({"type": "message", "id": "msg_\n", "role": "user", "content": []}, False),
        ({"type": "message", "id": 3, "role": "user", "content": []}, False),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, True),
        ({"type": "function_call", "id": "call_1", "call_id": "call_1"}, False),
        ({"type": "image_generation_call", "id": "ig_1"}, True),
    ],
)
def test_ids_without_the_prefix_of_their_type_are_dropped(given: Json, kept: bool) -> None:
    assert (item(given) == given) is kept
    assert ("id" in item(given)) is kept
    replaced = item(given, item_ids=True)
    assert (replaced["id"] == given["id"]) is kept
    if not kept:
        prefix = PREFIXES[given["type"]]
        assert ids.official(replaced["id"].removeprefix(prefix))


def test_derived_ids_belong_to_thread_item_and_number() -> None:
    said = {"role": "user", "content": "yes"}
    items = normalised(
        [said, {"role": "user", "content": "no"}, said], thread_id=THREAD, item_ids=True
    )
    assert len({each["id"] for each in items}) == 3
    again = normalised([said], thread_id=THREAD, item_ids=True)
    assert again[0]["id"] == items[0]["id"]
    elsewhere = normalised([said], thread_id=OTHER_THREAD, item_ids=True)
    assert elsewhere[0]["id"] != items[0]["id"]


def test_an_id_that_comes_and_goes_makes_no_difference() -> None:
    plain = item({"role": "user", "content": "x"}, item_ids=True)
    foreign = item({"role": "user", "content": "x", "id": "item-7", "status": "x"}, item_ids=True)
    assert plain["id"] == foreign["id"]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"input": 3}, "input"),
        ({"input": {"role": "user"}}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [], "tools": {}}, "tools"),
        ({"input": [], "instructions": ["x"]}, "instructions"),
    ],
)
def test_what_cannot_be_sent_is_named(given: Json, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        shaped(given, LITE)
    assert caught.value.param == param


def test_odd_texts_have_ids_too() -> None:
    assert item({"role": "user", "content": "\ud800"}, item_ids=True)["id"]
    assert item({"role": "user", "content": [10**30]}, item_ids=True)["id"]


# --- continuation over WebSocket -----------------------------------------------------------------


def test_a_continued_message_does_not_repeat_what_is_in_the_input() -> None:
    key = prefix_key(BODY)
    more = {**BODY, "input": [{"role": "user", "content": "more"}], "previous_response_id": "r"}
    assert len(shaped(more, LITE, previous=key)["input"]) == 1
    assert len(shaped(more, LITE)["input"]) == 3
    changed = {**more, "instructions": "Be long."}
    assert len(shaped(changed, LITE, previous=key)["input"]) == 3
    assert prefix_key({"input": "x"}) == ""


# --- the way back --------------------------------------------------------------------------------


def test_the_caller_sees_its_own_values() -> None:
    caller = {
        **BODY,
        "parallel_tool_calls": True,
        "store": True,
        "reasoning": {"effort": "low"},
        "prompt_cache_key": "ses_1",
        "metadata": {"a": "b"},
    }
    sent = shaped(caller, LITE) | {
        "parallel_tool_calls": False,
        "store": False,
        "reasoning": {"effort": "low", "context": "all_turns"},
        "prompt_cache_key": THREAD,
    }
    del sent["metadata"]
    response = {
        "id": "resp_1",
        "instructions": None,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "store": False,
        "reasoning": {"effort": "low", "summary": None, "context": "all_turns"},
        "prompt_cache_key": THREAD,
        "metadata": {},
        "temperature": 1.0,
    }
    assert restore(response, moved(caller, sent))
    assert response == {
        "id": "resp_1",
        "instructions": "Be brief.",
        "tools": [TOOL],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "store": True,
        "reasoning": {"effort": "low", "summary": None},
        "prompt_cache_key": "ses_1",
        "metadata": {"a": "b"},
        "temperature": 1.0,
    }


def test_a_caller_that_did_not_choose_is_told_the_truth_about_storing() -> None:
    response = {"store": False, "prompt_cache_key": THREAD}
    restore(response, moved(BODY, {**BODY, "store": False, "prompt_cache_key": THREAD}))
    assert response == {"store": False, "prompt_cache_key": None}


def test_a_callers_own_context_comes_back() -> None:
    caller = {"reasoning": {"context": "current_turn"}}
    response = {"reasoning": {"context": "all_turns"}}
    assert restore(response, moved(caller, {"reasoning": {"context": "all_turns"}}))
    assert response == caller


def test_an_explicit_null_is_no_choice() -> None:
    caller = {"tools": None, "metadata": None, "parallel_tool_calls": None}
    sent = {"tools": [], "metadata": {"x": "y"}, "parallel_tool_calls": False}
    response = dict(sent)
    restore(response, moved(caller, sent))
    assert response == {"tools": [], "metadata": {}, "parallel_tool_calls": True}


def test_nothing_moved_changes_nothing() -> None:
    sent = {**BODY, "parallel_tool_calls": True, "prompt_cache_key": None, "metadata": {}}
    sent |= {"safety_identifier": None, "user": None}
    nothing = moved(BODY, sent)
    assert nothing == Moved({})
    response: Json = {"tools": [], "reasoning": {"context": "all_turns"}}
    assert not restore(response, nothing)


def test_members_that_the_upstream_did_not_give_are_not_invented() -> None:
    response: Json = {"id": "resp_1", "reasoning": None}
    assert not restore(response, moved(BODY, shaped(BODY, LITE)))
    assert response == {"id": "resp_1", "reasoning": None}


# --- properties ----------------------------------------------------------------------------------

texts = st.text(max_size=6)
messages = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system", "developer"]),
        "content": texts
        | st.lists(st.builds(lambda text: {"type": "input_text", "text": text}, texts)),
    },
    optional={"type": st.just("message"), "id": st.sampled_from(["msg_1", "bad", "rs_1"])},
)
calls = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["function_call", "function_call_output", "reasoning", "unheard_of"]
        ),
        "call_id": texts,
    },
    optional={"id": st.sampled_from(["fc_1", "rs_1", "bad"])},
)
conversations = st.lists(messages | calls, max_size=6)
bodies = st.fixed_dictionaries(
    {"model": st.just("m")},
    optional={"instructions": texts, "tools": st.lists(st.just(TOOL), max_size=2)},
)
shapes = st.sampled_from([LITE, FULL, OLD])


@given(bodies, conversations, conversations, shapes)
def test_a_later_turn_begins_with_the_earlier_one_byte_for_byte(
    body: Json, before: list[Json], added: list[Json], shape: Shape
) -> None:
    first = shaped({**body, "input": before}, shape)["input"]
    later = shaped({**body, "input": copy.deepcopy(before) + added}, shape)["input"]
    assert json.dumps(later[: len(first)]) == json.dumps(first)
    assert len(later) == len(first) + len(added)


@given(bodies, conversations, shapes)
def test_what_is_shaped_stays_as_it_is(body: Json, items: list[Json], shape: Shape) -> None:
    once = shaped({**body, "input": items}, shape)
    assert json.dumps(shaped(once, shape)) == json.dumps(once)


@given(bodies, conversations, shapes)
def test_the_callers_body_is_never_changed(body: Json, items: list[Json], shape: Shape) -> None:
    given_body = {**body, "input": items}
    before = json.dumps(given_body)
    shaped(given_body, shape)
    assert json.dumps(given_body) == before


@given(bodies, conversations, shapes)
def test_nothing_that_was_said_is_lost(body: Json, items: list[Json], shape: Shape) -> None:
    text = json.dumps(shaped({**body, "input": items}, shape))
    for wanted in [body.get("instructions") or "", *(str(i.get("content")) for i in items)]:
        if isinstance(wanted, str) and not wanted.startswith("["):
            assert json.dumps(wanted)[1:-1] in text or wanted == "None"


@given(bodies, conversations)
def test_ids_are_unique_where_the_caller_gave_none(body: Json, items: list[Json]) -> None:
    for each in items:
        each.pop("id", None)
    found = shaped({**body, "input": items}, LITE)["input"]
    known = [each["id"] for each in found if "id" in each]
    assert len(known) == len(set(known))
    assert len(known) == sum(each["type"] in PREFIXES for each in found)
