"""A history as chat messages and turns, all of it in blobs."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.proto.agent_pb2 import (
    AgentConversationTurnStructure,
    ConversationStateStructure,
    ConversationStep,
    ConversationTurnStructure,
    UserMessage,
)
from addons.providers.cursor.telling.blobs import BlobMap
from addons.providers.cursor.telling.pairing import paired
from addons.providers.cursor.telling.reading import read
from addons.providers.cursor.telling.transcript import appended, state, user_message
from tests.providers.cursor.said import PNG, Json, body, called, gave, png, said, user

ITEMS = (
    user("one", png()),
    said("I call."),
    called("c1", "f", x=1, deep={"y": [None, True, 1.5, "ü"]}),
    called("c2", "g"),
    gave("c1", "A"),
    {**gave("c2", "B", png()), "is_error": True},
    said("Done."),
    user("two"),
    said("Yes."),
)


def made(*items: Json, system: str = "Be brief.") -> tuple[ConversationStateStructure, BlobMap]:
    blobs = BlobMap()
    raw = state(system, paired(read(body(*items)).blocks), blobs)
    return ConversationStateStructure.FromString(raw), blobs


def blob(blobs: BlobMap, blob_id: bytes) -> bytes:
    data = blobs.get(blob_id)
    assert data is not None
    return data


def messages(structure: ConversationStateStructure, blobs: BlobMap) -> list[Any]:
    return [json.loads(blob(blobs, each)) for each in structure.root_prompt_messages_json]


def turns(
    structure: ConversationStateStructure, blobs: BlobMap
) -> list[AgentConversationTurnStructure]:
    return [
        ConversationTurnStructure.FromString(blob(blobs, each)).agent_conversation_turn
        for each in structure.turns
    ]


def test_the_prompt_is_a_list_of_chat_messages() -> None:
    url = png()["image_url"]
    picture = {"type": "image", "image": url, "mediaType": "image/png"}
    call = {"type": "tool-call", "toolCallId": "c1", "toolName": "f"}
    result = {"type": "tool-result", "toolCallId": "c1", "toolName": "f", "result": "A"}
    failure = {
        "type": "tool-result",
        "toolCallId": "c2",
        "toolName": "g",
        "result": "B\n[1 pictures of this result follow below.]",
        "isError": True,
    }
    assert messages(*made(*ITEMS)) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "one"}, picture]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I call."},
                {**call, "args": {"x": 1, "deep": {"y": [None, True, 1.5, "ü"]}}},
                {"type": "tool-call", "toolCallId": "c2", "toolName": "g", "args": {}},
            ],
        },
        {"role": "tool", "id": "c1", "content": [result]},
        {"role": "tool", "id": "c2", "content": [failure]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "[Pictures of the result of c2:]"}, picture],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
        {"role": "user", "content": [{"type": "text", "text": "two"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
    ]


def test_the_turns_tell_the_same() -> None:
    structure, blobs = made(*ITEMS)
    first, second = turns(structure, blobs)
    said_first = UserMessage.FromString(blob(blobs, first.user_message))
    assert said_first.text == "one"
    (picture,) = said_first.selected_context.selected_images
    assert blob(blobs, picture.blob_id) == PNG
    steps = [ConversationStep.FromString(blob(blobs, each)) for each in first.steps]
    assert [step.WhichOneof("message") for step in steps] == [
        "assistant_message",
        "tool_call",
        "tool_call",
        "assistant_message",
    ]
    call = steps[1].tool_call.mcp_tool_call
    assert (call.args.tool_name, call.args.tool_call_id) == ("f", "c1")
    assert call.args.args["x"].number_value == 1
    assert call.result.success.content[0].text.text == "A"
    failed = steps[2].tool_call.mcp_tool_call.result.success
    assert failed.is_error
    assert failed.content[1].image.data == PNG
    assert UserMessage.FromString(blob(blobs, second.user_message)).text == "two"
    assert len(second.steps) == 1


def test_without_a_system_prompt_there_is_no_message_for_it() -> None:
    assert [each["role"] for each in messages(*made(user("hi"), system=""))] == ["user"]


def test_the_same_history_is_the_same_bytes() -> None:
    one, two = BlobMap(), BlobMap()
    history = paired(read(body(*ITEMS)).blocks)
    assert state("s", history, one) == state("s", history, two)
    assert dict(one.items()) == dict(two.items())


def test_a_longer_history_begins_with_the_shorter_ones_blobs() -> None:
    short, _ = made(*ITEMS)
    long, _ = made(*ITEMS, user("three"), said("Ja."))
    count = len(short.root_prompt_messages_json)
    assert long.root_prompt_messages_json[:count] == short.root_prompt_messages_json
    assert long.turns[:2] == short.turns


def test_what_is_appended_comes_behind_what_nobody_touches() -> None:
    blobs = BlobMap()
    before = ConversationStateStructure(
        root_prompt_messages_json=[b"r" * 32], turns=[b"t" * 32], pending_tool_calls=["p"]
    ).SerializeToString() + bytes.fromhex("f8ff0301")  # and a member that nobody knows
    after = appended(before, paired(read(body(user("x"), said("y"))).blocks), blobs)
    assert after.startswith(before)
    structure = ConversationStateStructure.FromString(after)
    assert structure.root_prompt_messages_json[0] == b"r" * 32
    assert structure.turns[0] == b"t" * 32
    assert list(structure.pending_tool_calls) == ["p"]
    del structure.root_prompt_messages_json[0]
    assert [each["role"] for each in messages(structure, blobs)] == ["user", "assistant"]


def test_the_message_of_now_carries_its_pictures() -> None:
    block = read(body(user("look", png(), "here"))).current
    assert block is not None
    message = user_message(block.parts)
    assert message.text == "look\n\nhere"
    (picture,) = message.selected_context.selected_images
    assert (picture.data, picture.mime_type) == (PNG, "image/png")
    assert message == user_message(block.parts)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=40)
@given(st.dictionaries(texts, json_values, max_size=3), texts)
def test_every_call_can_be_told(arguments: dict[str, Any], words: str) -> None:
    call = {**called("c", "f"), "arguments": json.dumps(arguments)}
    structure, blobs = made(user(words), call, gave("c", words))
    told = messages(structure, blobs)
    assert told[2]["content"][0]["args"] == arguments
    assert told[3]["content"][0]["result"] == words
    assert len(turns(structure, blobs)[0].steps) == 1


def test_deep_and_broken_arguments_can_be_told_as_well() -> None:
    deep = '{"a":' * 150 + "1" + "}" * 150
    for text in (deep, '{"a": "\\ud800", "\\udfff": 1, "b": 1' + "0" * 400 + "}"):
        call = {**called("c", "f"), "arguments": text}
        structure, blobs = made(user("go"), call, gave("c", "x"))
        (turn,) = turns(structure, blobs)
        step = ConversationStep.FromString(blob(blobs, turn.steps[0]))
        assert "a" in step.tool_call.mcp_tool_call.args.args
