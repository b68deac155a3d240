from __future__ import annotations

import gzip
import json

from hypothesis import given
from hypothesis import strategies as st

from addons.debug.views.lens import Look
from addons.providers.cursor.lens import ConnectLens
from addons.providers.cursor.lens_text import fields_of
from addons.providers.cursor.proto import agent_pb2, aiserver_pb2
from addons.providers.cursor.wire.connect import COMPRESSED, END_STREAM, frame
from addons.providers.cursor.wire.endpoint import APPEND, RUN

STREAM = [("content-type", "application/connect+proto")]
CLIENT = Look(RUN, STREAM)
SERVER = Look(RUN, STREAM, is_request=False)


def request() -> agent_pb2.AgentClientMessage:
    message = agent_pb2.AgentClientMessage()
    message.run_request.conversation_id = "agent-1"
    message.run_request.action.user_message_action.user_message.text = "Hello"
    state = agent_pb2.ConversationStateStructure(root_prompt_messages_json=[b"\x01" * 32])
    message.run_request.conversation_state = state.SerializeToString()
    return message


def answer(text: str) -> bytes:
    message = agent_pb2.AgentServerMessage()
    message.interaction_update.text_delta.text = text
    return message.SerializeToString()


def test_named_fields_and_blobs() -> None:
    payload = request().SerializeToString() + b"\x9a\x06\x03abc"
    text = ConnectLens().shown(CLIENT, frame(payload))
    assert text.startswith("── #1 run_request, ")
    assert 'conversation_id: "agent-1"' in text
    assert 'text: "Hello"' in text
    assert "blob 0101" in text
    assert '#99: "abc"' in text  # a field that is not known here


def test_an_answer_compressed_and_its_end() -> None:
    error = {"error": {"code": "resource_exhausted", "message": "No more"}}
    stream = frame(gzip.compress(answer("Hi")), COMPRESSED)
    stream += frame(json.dumps(error).encode(), END_STREAM)
    text = ConnectLens().shown(SERVER, stream)
    assert 'text: "Hi"' in text
    assert "resource_exhausted: No more" in text
    assert "ended well" in ConnectLens().shown(SERVER, frame(b"{}", END_STREAM))


def test_a_cut_stream_is_shown_as_far_as_it_goes() -> None:
    whole = frame(answer("one")) + frame(answer("two"))
    text = ConnectLens().shown(SERVER, whole[:-2])
    assert 'text: "one"' in text
    assert "#2 unfinished" in text
    assert "not such a message" in ConnectLens().shown(SERVER, frame(b"\xff\xff\xff"))
    assert "broken" in ConnectLens().shown(SERVER, frame(b"no gzip", COMPRESSED))


def test_a_bare_message() -> None:
    message = aiserver_pb2.BidiAppendRequest(append_seqno=7)
    look = Look(APPEND, [("content-type", "application/proto")])
    assert "append_seqno: 7" in ConnectLens().shown(look, message.SerializeToString())


def test_it_fits_the_agent_service_only() -> None:
    lens = ConnectLens()
    assert lens.fits(CLIENT, b"x")
    assert not lens.fits(Look("/other", STREAM), b"x")
    assert not lens.fits(Look(RUN, [("content-type", "application/json")]), b"x")


def test_json_inside_bytes_is_opened() -> None:
    state = agent_pb2.ConversationStateStructure()
    state.root_prompt_messages_json.append(b'{"role": "user"}')
    assert fields_of(state) == {"root_prompt_messages_json": [{"role": "user"}]}


@given(st.binary(max_size=120), st.booleans())
def test_nothing_breaks_it(noise: bytes, client: bool) -> None:
    ConnectLens().shown(CLIENT if client else SERVER, noise)
    ConnectLens().shown(SERVER, frame(noise))
    ConnectLens().shown(Look(APPEND, [("content-type", "application/proto")]), noise)
