from __future__ import annotations

import gzip
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.providers.cursor.failures.errors import ConnectError, Cut, FrameTooLarge
from addons.providers.cursor.official.observe import RunObserver, Seen, appended_to, request_id
from addons.providers.cursor.proto import agent_pb2 as agent
from addons.providers.cursor.proto import exec_pb2, mcp_pb2
from addons.providers.cursor.proto.aiserver_pb2 import BidiAppendRequest, BidiRequestId
from addons.providers.cursor.wire.connect import COMPRESSED, END_STREAM, frame

HEADERS = [(b"content-type", b"application/connect+proto")]

REQUEST = agent.AgentClientMessage(
    run_request=agent.AgentRunRequest(
        conversation_state=b"\x0a\x00",
        conversation_id="agent-1",
        requested_model=agent.RequestedModel(model_id="composer-2"),
        run_id="run-1",
    )
).SerializeToString()
UNKNOWN = b"\x92\x03\x02hi"  # field 50
TEXT = agent.AgentServerMessage(
    interaction_update=agent.InteractionUpdate(text_delta=agent.TextDeltaUpdate(text="secret"))
).SerializeToString()
TOKENS = agent.AgentServerMessage(
    interaction_update=agent.InteractionUpdate(token_delta=agent.TokenDeltaUpdate(tokens=5))
).SerializeToString()
CALL = agent.AgentServerMessage(
    exec_server_message=exec_pb2.ExecServerMessage(
        id=3, mcp_args=mcp_pb2.McpArgs(name="p-grep", tool_name="grep")
    )
).SerializeToString()
CHECKPOINT = agent.AgentServerMessage(conversation_checkpoint_update=b"state").SerializeToString()
ENDED = agent.AgentServerMessage(
    interaction_update=agent.InteractionUpdate(turn_ended=agent.TurnEndedUpdate(output_tokens=9))
).SerializeToString()
RUN = [TEXT, TOKENS, CALL, CHECKPOINT, ENDED]
ANSWER = b"".join(map(frame, RUN)) + frame(b"{}", END_STREAM)


def begun() -> RunObserver:
    observer = RunObserver(limit=10_000)
    observer.head(200, HEADERS)
    return observer


def test_a_whole_run() -> None:
    observer = begun()
    assert observer.client_bytes(frame(REQUEST) + frame(b"\x3a\x00")) == [
        Seen(True, "run_request", len(REQUEST), "composer-2"),
        Seen(True, "client_heartbeat", 2),
    ]
    assert [(each.kind, each.note) for each in observer.server_bytes(ANSWER)] == [
        ("interaction_update.text_delta", ""),
        ("interaction_update.token_delta", ""),
        ("exec_server_message.mcp_args", "grep"),
        ("conversation_checkpoint_update", ""),
        ("interaction_update.turn_ended", ""),
    ]
    assert (observer.conversation_id, observer.run_id, observer.model) == (
        "agent-1",
        "run-1",
        "composer-2",
    )
    assert observer.continued
    assert observer.sent == len(REQUEST) + 2
    assert (observer.checkpoint, observer.checkpoints) == (b"state", 1)
    assert (observer.tokens, observer.produced, observer.turn_ended) == (9, True, True)
    assert observer.finished
    assert observer.error is None


def test_the_same_run_in_many_requests() -> None:
    observer = begun()
    for number, payload in enumerate((REQUEST, b"\x3a\x00")):
        body = BidiAppendRequest(
            data=payload.hex() if number else "",
            data_binary=b"" if number else payload,
            request_id=BidiRequestId(request_id="r"),
            append_seqno=number,
        ).SerializeToString()
        assert appended_to(body) == "r"
        assert len(observer.appended(body)) == 1
    assert observer.model == "composer-2"
    assert request_id(frame(BidiRequestId(request_id="r").SerializeToString())) == "r"


@pytest.mark.parametrize("body", [b"", b"\xff", b"\x0a\x02zz", b"\x00\x00\x00\x00\x01\xff"])
def test_what_joins_no_requests(body: bytes) -> None:
    assert request_id(body) == ""
    assert appended_to(body) == ""
    RunObserver().appended(body)


def test_no_text_of_the_conversation_is_kept() -> None:
    observer = begun()
    seen = observer.server_bytes(frame(TEXT))
    assert "secret" not in repr(seen) + repr(vars(observer))


def test_what_is_not_known_is_named_by_its_number() -> None:
    observer = begun()
    assert observer.server_bytes(frame(UNKNOWN) + frame(b"")) == [
        Seen(False, "#50", 5),
        Seen(False, "empty", 0),
    ]
    assert observer.client_bytes(frame(UNKNOWN)) == [Seen(True, "#50", 5)]
    assert observer.client_bytes(frame(b"\xff\xff")) == [Seen(True, "unreadable", 2)]
    assert observer.blind is None


def test_compressed_messages_are_opened() -> None:
    observer = begun()
    assert observer.server_bytes(frame(gzip.compress(TEXT), COMPRESSED))[0].size == len(TEXT)


def test_an_error_of_the_account_is_found() -> None:
    observer = begun()
    observer.server_bytes(
        frame(TEXT) + frame(b'{"error":{"code":"resource_exhausted"}}', END_STREAM)
    )
    assert isinstance(observer.error, ConnectError)
    assert observer.produced
    observer = RunObserver()
    observer.head(401, [])
    observer.server_bytes(b'{"code":"unauthenticated"}')
    assert observer.error is None
    observer.close()
    assert isinstance(observer.error, ConnectError)
    assert observer.error.code == "unauthenticated"


def test_an_error_after_the_turn_counts_a_torn_stream_does_not() -> None:
    observer = begun()
    observer.server_bytes(frame(ENDED))
    observer.close()
    assert observer.error is None
    assert observer.finished
    observer = begun()
    observer.server_bytes(frame(ENDED) + frame(b'{"error":{"code":"internal"}}', END_STREAM))
    assert isinstance(observer.error, ConnectError)
    observer = begun()
    observer.server_bytes(frame(TEXT))
    observer.close()
    assert isinstance(observer.error, Cut)


def test_a_message_over_the_limit_makes_it_blind_and_nothing_else() -> None:
    observer = begun()
    assert len(observer.client_bytes(frame(REQUEST) + frame(b"x" * 10_001))) == 1
    assert isinstance(observer.blind, FrameTooLarge)
    assert observer.client_bytes(frame(REQUEST)) == []
    assert len(observer.server_bytes(frame(TEXT))) == 1


@given(st.lists(st.integers(0, len(ANSWER)), max_size=8))
@settings(max_examples=40)
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    whole, cut = begun(), begun()
    places = sorted({0, *cuts, len(ANSWER)})
    seen = [each for a, b in pairwise(places) for each in cut.server_bytes(ANSWER[a:b])]
    assert seen == whole.server_bytes(ANSWER)
    assert cut.checkpoint == whole.checkpoint


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=8), st.booleans())
@settings(max_examples=80)
def test_any_bytes_disturb_nobody(pieces: list[tuple[bool, bytes]], framed: bool) -> None:
    observer = begun()
    for from_client, data in pieces:
        data = frame(data) if framed else data
        observer.client_bytes(data) if from_client else observer.server_bytes(data)
        observer.appended(data)
    observer.close()
    assert observer.finished
