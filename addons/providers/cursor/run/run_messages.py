"""The small ``AgentClientMessage``s of a run, in wire form."""

from __future__ import annotations

from typing import Final

from addons.providers.cursor.proto.agent_pb2 import (
    AgentClientMessage,
    CancelAction,
    ConversationAction,
    Empty,
    InteractionResponse,
    KvClientMessage,
)
from addons.providers.cursor.proto.exec_pb2 import (
    ExecClientControlMessage,
    ExecClientHeartbeat,
    ExecClientMessage,
    ExecClientStreamClose,
    ExecClientThrow,
)
from addons.providers.cursor.run.run_outputs import Send

HEARTBEAT: Final = Send(AgentClientMessage(client_heartbeat=Empty()).SerializeToString())
"""``3a 00``."""


def exec_result(message: ExecClientMessage) -> Send:
    return Send(AgentClientMessage(exec_client_message=message).SerializeToString())


def exec_close(exec_id: int) -> Send:
    """Nothing more comes for this exec."""
    return _control(ExecClientControlMessage(stream_close=ExecClientStreamClose(id=exec_id)))


def exec_heartbeat(exec_id: int) -> Send:
    """The exec is still being worked on."""
    return _control(ExecClientControlMessage(heartbeat=ExecClientHeartbeat(id=exec_id)))


def exec_throw(exec_id: int, error: str) -> Send:
    """The exec can't be done at all."""
    return _control(ExecClientControlMessage(throw=ExecClientThrow(id=exec_id, error=error)))


def kv(message: KvClientMessage) -> Send:
    return Send(AgentClientMessage(kv_client_message=message).SerializeToString())


def interaction(message: InteractionResponse) -> Send:
    return Send(AgentClientMessage(interaction_response=message).SerializeToString())


def cancel(reason: str) -> Send:
    """The user wants no more of this run."""
    action = ConversationAction(cancel_action=CancelAction(reason=reason))
    return Send(AgentClientMessage(conversation_action=action).SerializeToString())


def _control(message: ExecClientControlMessage) -> Send:
    return Send(AgentClientMessage(exec_client_control_message=message).SerializeToString())
