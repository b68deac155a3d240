"""The generated messages: made from the checked-in sources, and true to what is on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.proto import agent_pb2, aiserver_pb2, exec_pb2, generate, mcp_pb2

MODULES = (agent_pb2, aiserver_pb2, exec_pb2, mcp_pb2)


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited member as protobuf writes it, by hand."""

    def varint(value: int) -> bytes:
        out = bytearray()
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes([*out, value])

    return varint(number << 3 | 2) + varint(len(payload)) + payload


def descriptors() -> Iterator[Descriptor]:
    for module in MODULES:
        yield from module.DESCRIPTOR.message_types_by_name.values()


def test_the_checked_in_code_is_what_protoc_makes(tmp_path: Path) -> None:
    if generate.find_spec(generate.COMPILER) is None:
        pytest.skip("grpcio-tools is not installed; it is a dependency for development")
    made = generate.generate(tmp_path)
    there = sorted(generate.FOLDER.glob("*_pb2.py*"))
    assert sorted(file.name for file in made) == [file.name for file in there]
    for file in made:
        kept = generate.ROOT / file.relative_to(tmp_path)
        assert file.read_text() == kept.read_text(), f"run: python -m {generate.__spec__.name}"


def test_files_that_protoc_does_not_take_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "sources", lambda: [generate.FOLDER / "absent.proto"])
    with pytest.raises(generate.GenerationError, match=r"absent\.proto"):
        generate.generate(tmp_path)


def test_a_missing_compiler_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "COMPILER", "no_such_compiler")
    with pytest.raises(generate.GenerationError, match="scripts/environment dev"):
        generate.generate(tmp_path)


@given(st.binary(max_size=200))
@settings(max_examples=30)
def test_a_state_travels_as_it_is(state: bytes) -> None:
    """Also when it is no message at all: nobody parses it on its way."""
    request = agent_pb2.AgentRunRequest(conversation_state=state)
    wire = agent_pb2.AgentClientMessage(run_request=request).SerializeToString()
    assert wire == field(1, field(1, state))
    assert agent_pb2.AgentClientMessage.FromString(wire).run_request.conversation_state == state


def test_the_state_of_a_new_conversation_is_there_though_empty() -> None:
    assert agent_pb2.AgentRunRequest(conversation_state=b"").SerializeToString() == b"\x0a\x00"
    assert not agent_pb2.AgentRunRequest().HasField("conversation_state")


def test_a_checkpoint_is_read_as_bytes_and_known_as_a_state() -> None:
    state = agent_pb2.ConversationStateStructure(
        root_prompt_messages_json=[b"\x01" * 32],
        token_details=agent_pb2.ConversationTokenDetails(used_tokens=7, max_tokens=200_000),
    )
    raw = state.SerializeToString() + field(32, b"goal")
    message = agent_pb2.AgentServerMessage.FromString(field(3, raw))
    assert message.WhichOneof("message") == "conversation_checkpoint_update"
    assert message.conversation_checkpoint_update == raw
    read = agent_pb2.ConversationStateStructure.FromString(raw)
    assert read.token_details.used_tokens == 7


@pytest.mark.parametrize("kind", list(descriptors()), ids=lambda kind: kind.name)
def test_what_is_not_declared_is_kept(kind: Descriptor) -> None:
    """Field 500 is none of anybody's."""
    wire = field(500, b"newer than we")
    message: Message = kind._concrete_class()
    message.ParseFromString(wire)
    assert message.SerializeToString() == wire


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ("3a00", agent_pb2.AgentClientMessage(client_heartbeat=agent_pb2.Empty())),
        (
            "12055a007a0165",
            agent_pb2.AgentClientMessage(
                exec_client_message=exec_pb2.ExecClientMessage(
                    mcp_result=mcp_pb2.McpResult(), exec_id="e"
                )
            ),
        ),
        (
            "0a060a040a026869",
            agent_pb2.AgentServerMessage(
                interaction_update=agent_pb2.InteractionUpdate(
                    text_delta=agent_pb2.TextDeltaUpdate(text="hi")
                )
            ),
        ),
        (
            "0a047202080a",
            agent_pb2.AgentServerMessage(
                interaction_update=agent_pb2.InteractionUpdate(
                    turn_ended=agent_pb2.TurnEndedUpdate(input_tokens=10)
                )
            ),
        ),
        (
            "0a02616212050a03722d311802",
            aiserver_pb2.BidiAppendRequest(
                data="ab",
                request_id=aiserver_pb2.BidiRequestId(request_id="r-1"),
                append_seqno=2,
            ),
        ),
    ],
    ids=["heartbeat", "result", "text", "end of turn", "append"],
)
def test_messages_are_on_the_wire_as_the_facts_say(wire: str, message: Message) -> None:
    assert message.SerializeToString().hex() == wire


def test_the_first_message_of_the_official_client_is_understood() -> None:
    """As it was seen: with member 34, which no table knows."""
    user = field(1, field(1, field(1, b"Say hello.")))  # action, message, text
    run = field(1, b"") + field(2, user) + field(4, b"") + field(5, b"agent-1")
    run += field(9, field(1, b"composer-2")) + field(25, b"r-1") + b"\x90\x02\x00"
    message = agent_pb2.AgentClientMessage.FromString(field(1, run))
    request = message.run_request
    assert request.action.user_message_action.user_message.text == "Say hello."
    assert (request.conversation_id, request.run_id) == ("agent-1", "r-1")
    assert request.requested_model.model_id == "composer-2"
    assert request.HasField("conversation_state")
    assert not request.HasField("model_details")
    assert message.SerializeToString() == field(1, run)


def numbers(kind: Descriptor) -> dict[str, int]:
    return {member.name: member.number for member in kind.fields}


def test_results_answer_requests_by_number() -> None:
    """Equal up to 44, one higher from 45 to 51, and 52 is answered by 55 (facts §3.7)."""
    asked = numbers(exec_pb2.ExecServerMessage.DESCRIPTOR)
    given_ = numbers(exec_pb2.ExecClientMessage.DESCRIPTOR)
    for name, number in asked.items():
        stem = name.removesuffix("_args")
        answer = given_.get(f"{stem}_result", given_.get(stem))
        if stem == name or answer is None or name == "shell_stream_args":
            continue
        expected = 55 if number == 52 else number + (45 <= number <= 51)
        assert answer == expected, name


def test_every_query_has_its_answer() -> None:
    asked = agent_pb2.InteractionQuery.DESCRIPTOR.oneofs_by_name["query"].fields
    answers = agent_pb2.InteractionResponse.DESCRIPTOR.oneofs_by_name["result"].fields
    assert [one.number for one in asked] == [one.number for one in answers] == [*range(2, 15)]


def test_no_message_has_two_oneofs_or_required_members() -> None:
    """Only so may a message be read by ``WhichOneof`` of its one choice."""
    for kind in descriptors():
        choices = [one for one in kind.oneofs if not one.name.startswith("_")]
        assert len(choices) <= 1, kind.name
        assert not any(isinstance(f, FieldDescriptor) and f.is_required for f in kind.fields)
