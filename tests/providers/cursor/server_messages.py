"""Messages of a server, as a run receives them; and what a run says, taken apart again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.struct_pb2 import Struct

from addons.providers.cursor.proto.agent_pb2 import (
    AgentClientMessage,
    AgentRunRequest,
    AgentServerMessage,
    ConversationStateStructure,
    ConversationTokenDetails,
    Empty,
    GetBlobArgs,
    InteractionUpdate,
    KvServerMessage,
    PartialToolCallUpdate,
    SetBlobArgs,
    StepCompletedUpdate,
    TextDeltaUpdate,
    ThinkingCompletedUpdate,
    ThinkingDeltaUpdate,
    TokenDeltaUpdate,
    ToolCall,
    ToolCallStartedUpdate,
    TurnEndedUpdate,
)
from addons.providers.cursor.proto.exec_pb2 import (
    ExecServerAbort,
    ExecServerControlMessage,
    ExecServerMessage,
)
from addons.providers.cursor.proto.mcp_pb2 import McpArgs, McpToolCall
from addons.providers.cursor.run.run_outputs import Output, Send

RUN_REQUEST = AgentClientMessage(
    run_request=AgentRunRequest(conversation_state=b"")
).SerializeToString()


def update(message: InteractionUpdate) -> bytes:
    return AgentServerMessage(interaction_update=message).SerializeToString()


def text(piece: str, *, notice: bool = False) -> bytes:
    return update(
        InteractionUpdate(text_delta=TextDeltaUpdate(text=piece, is_server_notice=notice))
    )


def thinking(piece: str) -> bytes:
    return update(InteractionUpdate(thinking_delta=ThinkingDeltaUpdate(text=piece)))


def thinking_done() -> bytes:
    return update(
        InteractionUpdate(thinking_completed=ThinkingCompletedUpdate(thinking_duration_ms=5))
    )


def tokens(count: int) -> bytes:
    return update(InteractionUpdate(token_delta=TokenDeltaUpdate(tokens=count)))


def heartbeat() -> bytes:
    return update(InteractionUpdate(heartbeat=Empty()))


def step_completed() -> bytes:
    return update(InteractionUpdate(step_completed=StepCompletedUpdate(step_id=1)))


def turn_ended(**counts: int) -> bytes:
    return update(InteractionUpdate(turn_ended=TurnEndedUpdate(**counts)))


def announced(call_id: str) -> bytes:
    """The server shows that a call is being made; it will ask for it."""
    shown = ToolCall(mcp_tool_call=McpToolCall())
    return update(
        InteractionUpdate(tool_call_started=ToolCallStartedUpdate(call_id=call_id, tool_call=shown))
    )


def announced_in_part(call_id: str) -> bytes:
    shown = ToolCall(mcp_tool_call=McpToolCall())
    return update(
        InteractionUpdate(partial_tool_call=PartialToolCallUpdate(call_id=call_id, tool_call=shown))
    )


def call(
    number: int,
    name: str = "read",
    args: dict[str, Any] | None = None,
    call_id: str = "",
    **more: str,
) -> bytes:
    """The server asks for a call of a client's tool."""
    fields = Struct()
    fields.update(args or {})
    made = McpArgs(name=name, tool_name=name, tool_call_id=call_id, **more)
    for key, value in fields.fields.items():
        made.args[key].CopyFrom(value)
    return execute(ExecServerMessage(id=number, exec_id=f"exec-{number}", mcp_args=made))


def execute(message: ExecServerMessage) -> bytes:
    return AgentServerMessage(exec_server_message=message).SerializeToString()


def abort(number: int) -> bytes:
    control = ExecServerControlMessage(abort=ExecServerAbort(id=number))
    return AgentServerMessage(exec_server_control_message=control).SerializeToString()


def get_blob(number: int, blob_id: bytes) -> bytes:
    request = KvServerMessage(id=number, get_blob_args=GetBlobArgs(blob_id=blob_id))
    return AgentServerMessage(kv_server_message=request).SerializeToString()


def set_blob(number: int, blob_id: bytes, data: bytes) -> bytes:
    args = SetBlobArgs(blob_id=blob_id, blob_data=data)
    request = KvServerMessage(id=number, set_blob_args=args)
    return AgentServerMessage(kv_server_message=request).SerializeToString()


def state(used_tokens: int = 0) -> bytes:
    details = ConversationTokenDetails(used_tokens=used_tokens, max_tokens=200_000)
    return ConversationStateStructure(turns=[b"t" * 32], token_details=details).SerializeToString()


def checkpoint(given: bytes) -> bytes:
    return AgentServerMessage(conversation_checkpoint_update=given).SerializeToString()


# --- what a run says -----------------------------------------------------------------------------


def said(outputs: Iterable[Output]) -> list[AgentClientMessage]:
    """The messages among the outputs, parsed."""
    return [
        AgentClientMessage.FromString(output.payload)
        for output in outputs
        if isinstance(output, Send)
    ]


def kinds(outputs: Iterable[Output]) -> list[str | None]:
    """Their kinds."""
    return [message.WhichOneof("message") for message in said(outputs)]
