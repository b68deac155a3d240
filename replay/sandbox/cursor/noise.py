"""What the service says besides the answer, and what newer ones may say: nobody needs any of it."""

from __future__ import annotations

from collections.abc import Iterator

from addons.providers.cursor.proto import agent_pb2, exec_pb2

DIRECTIVE = "[[noise]]"

_TTFT = bytes.fromhex("420909000000000000f03f")
"""A message with member 8 alone, ``ttft_breakdown``: outside the oneof, and not in our schema."""
_NEWER_UPDATE = bytes.fromhex("0a04ba1f0178")
"""An update with member 503 alone."""
_NEWER_MESSAGE = bytes.fromhex("c21f00")
"""A message with member 504 alone."""


def payloads(said: agent_pb2.UserMessage) -> Iterator[bytes]:
    """Serialised ``AgentServerMessage``."""
    yield _TTFT
    for update in _updates(said):
        yield agent_pb2.AgentServerMessage(interaction_update=update).SerializeToString()
    # An abort of what was never asked for.
    abort = exec_pb2.ExecServerControlMessage(abort=exec_pb2.ExecServerAbort(id=4_000_000))
    yield agent_pb2.AgentServerMessage(exec_server_control_message=abort).SerializeToString()
    yield _NEWER_UPDATE
    yield _NEWER_MESSAGE
    yield b""


def _updates(said: agent_pb2.UserMessage) -> Iterator[agent_pb2.InteractionUpdate]:
    update = agent_pb2.InteractionUpdate
    yield update(user_message_appended=agent_pb2.UserMessageAppendedUpdate(user_message=said))
    yield update(routed_model=agent_pb2.RoutedModelUpdate(display_name="Composer 2"))
    yield update(heartbeat=agent_pb2.Empty())
    yield update(summary_started=agent_pb2.Empty())
    yield update(summary=agent_pb2.SummaryUpdate(summary="The user has said hello."))
    yield update(summary_completed=agent_pb2.SummaryCompletedUpdate())
    # A tool of the service's own: it is shown, and nobody has to carry it out.
    shown = agent_pb2.ToolCall(tool_call_id="server-side")
    partial = agent_pb2.PartialToolCallUpdate(call_id="server-side", tool_call=shown)
    yield update(partial_tool_call=partial)
    started = agent_pb2.ToolCallStartedUpdate(call_id="server-side", tool_call=shown)
    yield update(tool_call_started=started)
    yield update(tool_call_delta=agent_pb2.ToolCallDeltaUpdate(call_id="server-side"))
    completed = agent_pb2.ToolCallCompletedUpdate(call_id="server-side", tool_call=shown)
    yield update(tool_call_completed=completed)
    yield update()
