"""Messages of a run as JSON, for people and tests who look at what the sandbox received."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from addons.providers.cursor.proto import agent_pb2

type Json = dict[str, Any]


def client_message(data: bytes) -> Json:
    """An ``AgentClientMessage``; its conversation state is shown, not its bytes."""
    message = agent_pb2.AgentClientMessage()
    shown = _shown(message, data)
    if message.WhichOneof("message") == "run_request":
        raw = message.run_request.conversation_state
        state = _shown(agent_pb2.ConversationStateStructure(), raw)
        shown["run_request"]["conversation_state"] = state
    return shown


def server_message(data: bytes) -> Json:
    """An ``AgentServerMessage``, as :func:`client_message`."""
    message = agent_pb2.AgentServerMessage()
    shown = _shown(message, data)
    if message.WhichOneof("message") == "conversation_checkpoint_update":
        raw = message.conversation_checkpoint_update
        state = _shown(agent_pb2.ConversationStateStructure(), raw)
        shown["conversation_checkpoint_update"] = state
    return shown


def _shown(message: Message, data: bytes) -> Json:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        return {"malformed": str(error)}
    found: Json = MessageToDict(message, preserving_proto_field_name=True)
    return found
