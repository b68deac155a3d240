"""Shapes: there, back again, and never a byte changed in what was said before."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.errors import BadRequest
from addons.providers.codex import ids
from addons.providers.codex.ids import Mint
from addons.providers.codex.items import normalised
from addons.providers.codex.resolution import resolve
from addons.providers.codex.shape import Moved, bring, moved, prefix_key, restore
from fingerprints.item_forms import item_forms
from fingerprints.library import load
from fingerprints.profile import Shape

type Json = dict[str, Any]

THREAD = "0197c0de-0000-7000-8000-000000000001"
UUID_7 = "0197c0de-1111-7000-8000-000000000003"
UUID_5 = "bddbe8e2-013f-5b6b-8f37-b905f4a9964a"
OTHER_THREAD = "0197c0de-0000-7000-8000-000000000002"

NEW_RELEASE, OLD_RELEASE = load("codex@0.169.0"), load("codex@0.142.0")
LITE, FULL = NEW_RELEASE.shapes["lite"], NEW_RELEASE.shapes["full"]
OLD = OLD_RELEASE.shapes["full"]
FORMS = {
    LITE: item_forms(NEW_RELEASE, "lite"),
    FULL: item_forms(NEW_RELEASE, "full"),
    OLD: item_forms(OLD_RELEASE, "full"),
}
PASSTHROUGH = "internal_chat_message_metadata_passthrough"

TOOL = {"type": "function", "name": "bash", "parameters": {"type": "object"}}
BODY: Json = {
    "model": "m",
    "instructions": "Be brief.",
    "input": "hello",
    "tools": [TOOL],
    "tool_choice": "auto",
}


def shaped(body: Json, shape: Shape, *, thread: str = THREAD, **options: Any) -> Json:
    return bring(body, shape, thread_id=thread, forms=FORMS[shape], **options)


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
    assert list(user) == ["type", "id", "role", "content", PASSTHROUGH]
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
                PASSTHROUGH: {"turn_id": THREAD},
                "x": {"b": 1, "a": 2},
            },
            {
                "type": "message",
                "status": "completed",
                "id": "msg_1",
                "role": "assistant",
                "content": [],
                PASSTHROUGH: {"turn_id": THREAD},
            },
            {
                "type": "function_call",
                "id": "fc_1",
                "name": "x",
                "arguments": "{}",
                "call_id": "c",
                PASSTHROUGH: {"turn_id": THREAD},
            },
            {"type": "unheard_of", "id": "anything", "role": "system"},
            {"type": "compaction_trigger"},
        ],
    }
    for shape in (LITE, FULL):
        assert json.dumps(shaped(body, shape)) == json.dumps(body)


# --- items ---------------------------------------------------------------------------------------


def item(value: Any, *, shape: Shape = LITE, thread: str = THREAD) -> Json:
    return normalised([value], thread_id=thread, forms=FORMS[shape])[0]


def test_system_becomes_developer_everywhere() -> None:
    found = shaped(
        {"input": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}, OLD
    )
    assert [each["role"] for each in found["input"]] == ["user", "developer"]


def test_an_official_caller_s_own_message_with_the_instructions() -> None:
    """0.169.0 behind a provider of the user's own: without metadata, told by its id alone."""
    text = [{"type": "input_text", "text": "Be brief."}]
    own = {"type": "message", "id": f"msg_{UUID_5}", "role": "developer", "content": text}
    found = shaped({"input": [own, own]}, FULL)["input"]
    made = shaped({"instructions": "Be brief.", "input": "hello"}, FULL)["input"][0]
    assert found[0] == {**made, "id": own["id"]}
    assert list(found[0]) == list(made)
    assert ids.version(found[1]["id"].removeprefix("msg_")) == 7
    assert found[1][PASSTHROUGH] != found[0][PASSTHROUGH]
    lite = shaped({"input": [own]}, LITE)["input"][0]
    assert ids.version(lite["id"].removeprefix("msg_")) == 7, "there, it has another form"


def test_where_that_message_has_no_id_none_is_taken_for_it() -> None:
    """0.150.1 goes on over a WebSocket with a developer message of its own."""
    release = load("codex@0.150.1")
    text = [{"type": "input_text", "text": "Be brief."}]
    own = {"type": "message", "id": f"msg_{UUID_7}", "role": "developer", "content": text}
    options = {"thread_id": THREAD, "forms": item_forms(release, "lite")}
    found = bring({"input": [own]}, release.shapes["lite"], **options)["input"]
    assert found[0]["id"] == own["id"]


def test_an_assistants_text_is_output() -> None:
    found = item({"role": "assistant", "content": "done"})
    assert found["content"] == [{"type": "output_text", "text": "done"}]


@pytest.mark.parametrize(
    ("given", "prefix", "kept"),
    [
        ({"type": "message", "id": "msg_1", "role": "assistant"}, "msg_", True),
        ({"type": "message", "id": f"msg_{UUID_7}", "role": "user"}, "msg_", True),
        ({"type": "message", "id": f"msg_{UUID_5}", "role": "user"}, "msg_", False),
        ({"type": "message", "id": "msg_1", "role": "user"}, "msg_", False),
        ({"type": "message", "id": "ses_1", "role": "user"}, "msg_", False),
        ({"type": "message", "id": "rs_1", "role": "user"}, "msg_", False),
        ({"type": "message", "id": "msg_", "role": "user"}, "msg_", False),
        ({"type": "message", "id": "msg_" + "x" * 61, "role": "user"}, "msg_", False),
        ({"type": "message", "id": "msg_\n", "role": "user"}, "msg_", False),
        ({"type": "message", "id": 3, "role": "user"}, "msg_", False),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, "rs_", True),
        ({"type": "function_call", "id": "call_1", "call_id": "call_1"}, "fc_", False),
    ],
)
def test_ids_without_the_prefix_of_their_type_are_replaced(
    given: Json, prefix: str, kept: bool
) -> None:
    found = item(given)
    assert (found["id"] == given["id"]) is kept
    if not kept:
        assert ids.official(found["id"].removeprefix(prefix))
    # The older release sends no ids at all.
    assert item(given, shape=OLD) == {k: v for k, v in given.items() if k != "id"}


def test_items_of_other_types_are_as_they_came() -> None:
    given = {"type": "image_generation_call", "id": "ig_1", "status": "x"}
    assert item(given) == item(given, shape=OLD) == given


def test_members_stand_in_the_order_of_the_release() -> None:
    call = {"call_id": "c", "more": 1, "arguments": "{}", "name": "x", "type": "function_call"}
    assert list(item(call, shape=OLD)) == ["type", "name", "arguments", "call_id", "more"]
    found = item(call)
    assert list(found) == ["type", "id", "name", "arguments", "call_id", PASSTHROUGH, "more"]


# --- metadata of items ---------------------------------------------------------------------------


def metadata(given: Sequence[Any], shape: Shape = LITE) -> list[Json]:
    found = normalised(list(given), thread_id=THREAD, forms=FORMS[shape])
    return [each.get(PASSTHROUGH, {}) for each in found]


USER = {"role": "user", "content": "a"}
CALL = {"type": "function_call", "name": "x", "arguments": "{}", "call_id": "c"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "ok"}
SAID = {"role": "assistant", "content": "b"}


def test_each_kind_of_item_has_the_metadata_of_the_release() -> None:
    """Members as recorded from 0.169.0: see ``items`` of its profile."""
    user, call, output, said = metadata([USER, CALL, OUTPUT, SAID])
    members = ["turn_id", "create_time", "content_item_kinds", "content_item_metadata"]
    assert list(user) == members
    assert user["content_item_kinds"] == ["user.text"]
    assert user["content_item_metadata"] == [{"provenance": {"type": "user"}}]
    assert list(call) == ["turn_id"]
    assert list(output) == ["turn_id", "create_time"]
    assert list(said) == ["turn_id", "content_item_kinds"]
    assert said["content_item_kinds"] == ["unknown"]
    assert list(metadata([USER], FULL)[0]) == members[:3]
    assert metadata([USER, CALL], OLD) == [{}, {}]


def test_each_part_of_a_message_has_a_kind() -> None:
    parts = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_file", "file_id": "f"},
    ]
    (found,) = metadata([{"role": "user", "content": parts}])
    assert found["content_item_kinds"] == ["user.text", "user.image", "unknown"]
    assert len(found["content_item_metadata"]) == 3


def test_a_run_of_user_messages_begins_a_turn() -> None:
    system = {"role": "system", "content": "s"}
    turns = [each["turn_id"] for each in metadata([system, USER, USER, CALL, OUTPUT, USER, SAID])]
    assert turns[0] == turns[1] == turns[2] == turns[3] == turns[4]
    assert turns[5] == turns[6] != turns[0]
    assert all(ids.official(turn) for turn in turns)


def test_the_requests_own_turn_is_that_of_its_last_items() -> None:
    body = {"input": [USER, SAID, {"role": "user", "content": "more"}]}
    found = resolve([], body, websocket=False, principal="p", now=1.8e9, mint=Mint())
    made = normalised(body["input"], thread_id=found.thread_id, forms=FORMS[LITE])
    assert made[-1][PASSTHROUGH]["turn_id"] == found.turn_id != made[0][PASSTHROUGH]["turn_id"]


def test_what_continues_a_response_is_of_the_requests_turn() -> None:
    body = {"input": [USER], "previous_response_id": "resp_1"}
    found = shaped(body, LITE, turn_id=OTHER_THREAD)["input"]
    assert found[0][PASSTHROUGH]["turn_id"] == OTHER_THREAD


def test_the_time_of_an_item_is_in_its_id_and_not_before_its_thread() -> None:
    found = item(USER)
    made_at = found[PASSTHROUGH]["create_time"]
    assert int(made_at * 1000) == int(ids.minted_at(found["id"].removeprefix("msg_")) * 1000)
    assert 0 <= made_at - ids.minted_at(THREAD) < 0.3


def test_derived_ids_belong_to_thread_item_and_number() -> None:
    said = {"role": "user", "content": "yes"}
    items = normalised(
        [said, {"role": "user", "content": "no"}, said], thread_id=THREAD, forms=FORMS[LITE]
    )
    assert len({each["id"] for each in items}) == 3
    again = normalised([said], thread_id=THREAD, forms=FORMS[LITE])
    assert again[0]["id"] == items[0]["id"]
    elsewhere = normalised([said], thread_id=OTHER_THREAD, forms=FORMS[LITE])
    assert elsewhere[0]["id"] != items[0]["id"]


def test_an_id_that_comes_and_goes_makes_no_difference() -> None:
    plain = item({"role": "user", "content": "x"})
    foreign = item({"role": "user", "content": "x", "id": "item-7", "status": "x"})
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
    assert item({"role": "user", "content": "\ud800"})["id"]
    assert item({"role": "user", "content": [10**30]})["id"]


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
    sent |= {"safety_identifier": None, "user": None, "previous_response_id": None}
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
    sent_with_one = [each for each in found if each["type"] not in ("compaction", "unheard_of")]
    assert len(known) == len(sent_with_one)
