"""Protobuf without a schema: which values a message holds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.proto.agent_pb2 import (
    AgentConversationTurnStructure,
    ConversationStateStructure,
    ConversationTokenDetails,
    ConversationTurnStructure,
)
from addons.providers.cursor.telling.wire import fields, references

ID = b"i" * 32


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"\x0a\x02hi", [b"hi"]),
        (b"\x08\x96\x01\x0a\x00", [b""]),
        (b"\x0d1234\x091234567812\x01x", None),
        (b"\x0d1234\x0912345678\x12\x01x", [b"x"]),
        (b"\x0a\x05hi", None),
        (b"\x0a", None),
        (b"\x08", None),
        (b"\x08\xff", None),
        (b"\x02\x01x", None),
        (b"\x0b", None),
        (b"\x0d12", None),
        (b'{"role":"user"}', None),
    ],
)
def test_members_that_are_bytes(data: bytes, found: list[bytes] | None) -> None:
    assert fields(data) == found


def test_values_are_found_at_any_depth_and_beside_anything() -> None:
    turn = ConversationTurnStructure(
        agent_conversation_turn=AgentConversationTurnStructure(user_message=ID, request_id="r")
    )
    inner = turn.SerializeToString()
    state = ConversationStateStructure(
        root_prompt_messages_json=[b"r" * 32],
        token_details=ConversationTokenDetails(used_tokens=7, max_tokens=1 << 31),
        turns=[b"t" * 32],
    )
    data = b"\xa2\x38" + bytes([len(inner)]) + inner + state.SerializeToString()
    assert set(references(data, {ID, b"t" * 32, b"z" * 32})) == {ID, b"t" * 32}


@settings(max_examples=100)
@given(st.binary(max_size=60), st.lists(st.binary(min_size=1, max_size=6), max_size=4))
def test_whatever_the_bytes_are_it_ends(data: bytes, values: list[bytes]) -> None:
    message = data
    for value in values:
        message = b"\x0a" + bytes([len(value)]) + value + message
    found = set(references(message, set(values)))
    if fields(data) is not None:
        assert found >= set(values)
