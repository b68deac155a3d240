"""Checkpoints: whose they are, and whether they came back as they were given."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.proto import agent_pb2
from replay.sandbox.cursor.failures import RunFailed
from replay.sandbox.cursor.state import blob_id, checkpoint, opened

ids = st.binary(min_size=32, max_size=32)


def state(roots: list[bytes], used: int = 7) -> agent_pb2.ConversationStateStructure:
    return agent_pb2.ConversationStateStructure(
        root_prompt_messages_json=roots,
        token_details=agent_pb2.ConversationTokenDetails(used_tokens=used, max_tokens=200_000),
    )


@given(roots=st.lists(ids, min_size=1, max_size=5), conversation=st.text(max_size=20))
@settings(max_examples=20, deadline=None)
def test_what_was_given_comes_back(roots: list[bytes], conversation: str) -> None:
    found = opened(checkpoint(state(roots), "kim", conversation), "kim", conversation)
    assert (found.messages, found.verbatim, found.changed) == (len(roots), True, False)
    assert list(found.structure.root_prompt_messages_json) == roots
    assert found.structure.token_details.used_tokens == 7


def test_parsing_and_writing_it_again_shows() -> None:
    raw = checkpoint(state([b"a" * 32]), "kim", "c")
    again = agent_pb2.ConversationStateStructure.FromString(raw).SerializeToString()
    found = opened(again, "kim", "c")
    assert found.continued
    assert not found.verbatim


def test_other_messages_in_it_show() -> None:
    raw = checkpoint(state([b"a" * 32]), "kim", "c")
    structure = agent_pb2.ConversationStateStructure.FromString(raw)
    structure.root_prompt_messages_json.append(b"b" * 32)
    assert opened(structure.SerializeToString(), "kim", "c").changed


@pytest.mark.parametrize(
    ("account", "conversation", "code"),
    [("lea", "c", "not_found"), ("kim", "d", "resource_exhausted")],
)
def test_it_is_of_one_account_and_conversation(account: str, conversation: str, code: str) -> None:
    raw = checkpoint(state([b"a" * 32]), "kim", "c")
    with pytest.raises(RunFailed) as refused:
        opened(raw, account, conversation)
    assert refused.value.failure.code == code


def test_a_state_of_the_client_s_own_is_a_cold_start() -> None:
    found = opened(state([b"a" * 32]).SerializeToString(), "kim", "c")
    assert not found.continued
    assert opened(b"", "kim", "c").structure == agent_pb2.ConversationStateStructure()


@given(st.binary(max_size=60))
@settings(max_examples=50, deadline=None)
def test_anything_else_is_refused_or_cold(raw: bytes) -> None:
    with suppress(RunFailed):
        assert not opened(raw, "kim", "c").continued


def test_a_blob_is_named_by_its_content() -> None:
    assert blob_id(b"").hex().startswith("e3b0c44298fc1c14")
