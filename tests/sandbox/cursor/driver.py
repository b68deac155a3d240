"""A client of the agent that keeps what it is given: blobs, checkpoints, text, tool calls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value

from addons.providers.cursor.proto import agent_pb2, exec_pb2, mcp_pb2
from tests.sandbox.cursor.wire import Wire, error_of

Client = agent_pb2.AgentClientMessage
type Answers = Callable[[mcp_pb2.McpArgs], mcp_pb2.McpResult | None]
"""What a tool says; None: nothing, for ever."""


def tool(name: str, schema: Mapping[str, Any] | None = None) -> mcp_pb2.McpToolDefinition:
    value = schema or {"type": "object", "properties": {"city": {"type": "string"}}}
    return mcp_pb2.McpToolDefinition(
        name=f"mcp-{name}",
        tool_name=name,
        description=f"The tool {name}",
        provider_identifier="tests",
        input_schema=ParseDict(value, Value()),
    )


def text_result(text: str, *, is_error: bool = False) -> mcp_pb2.McpResult:
    part = mcp_pb2.McpToolResultContentItem(text=mcp_pb2.McpTextContent(text=text))
    return mcp_pb2.McpResult(success=mcp_pb2.McpSuccess(content=[part], is_error=is_error))


def arguments(call: mcp_pb2.McpArgs) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(call).get("args", {})
    return found


def as_told(call: mcp_pb2.McpArgs) -> mcp_pb2.McpResult:
    return text_result(f"{call.tool_name} of {arguments(call).get('city')}")


@dataclass
class Turn:
    """What came of one run."""

    text: str = ""
    thinking: str = ""
    calls: list[mcp_pb2.McpArgs] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    checkpoints: list[bytes] = field(default_factory=list)
    execs: list[str] = field(default_factory=list)
    usage: agent_pb2.TurnEndedUpdate | None = None
    end: dict[str, Any] | None = None
    """Error of the stream's end; empty: it ended well; None: it has no end."""

    @property
    def code(self) -> str:
        return (self.end or {}).get("code", "")


@dataclass
class Keeper:
    """One conversation of a client.

    Attributes:
        blobs: what the client keeps; shared with nobody.
        checkpoint: the last one of a turn that ended well.
        tools_in: where tools are given: ``request``, ``context`` or ``both``.
        echo: exec ids are repeated.
        lose: blobs are answered as if they were not there.
    """

    conversation: str = "conversation-1"
    model: str = "composer-2"
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    checkpoint: bytes = b""
    tools: Sequence[mcp_pb2.McpToolDefinition] = ()
    tools_in: str = "both"
    answers: Answers = as_told
    echo: bool = True
    lose: bool = False
    refuse: Callable[[exec_pb2.ExecServerMessage], list[Client]] | None = None

    def keep(self, data: bytes) -> bytes:
        """Store a blob of the client's own."""
        identity = hashlib.sha256(data).digest()
        self.blobs[identity] = data
        return identity

    def request(self, said: str | None, **more: Any) -> Client:
        """The run request; ``said`` None resumes."""
        if said is None:
            action = agent_pb2.ConversationAction(resume_action=agent_pb2.ResumeAction())
        else:
            user = agent_pb2.UserMessage(text=said, message_id="m", **more.pop("user", {}))
            act = agent_pb2.UserMessageAction(user_message=user)
            action = agent_pb2.ConversationAction(user_message_action=act)
        given = self.tools if self.tools_in != "context" else ()
        fields: dict[str, Any] = {
            "conversation_state": self.checkpoint,
            "action": action,
            "conversation_id": self.conversation,
            "requested_model": agent_pb2.RequestedModel(model_id=self.model),
            "mcp_tools": mcp_pb2.McpTools(mcp_tools=given),
            "run_id": "run-1",
            **more,
        }
        return Client(run_request=agent_pb2.AgentRunRequest(**fields))

    async def turn(self, wire: Wire, said: str | None = "hello", **more: Any) -> Turn:
        """Play a whole turn and keep its checkpoint."""
        await wire.send(self.request(said, **more))
        turn = await self.follow(wire)
        if turn.end == {} and turn.checkpoints:
            self.checkpoint = turn.checkpoints[-1]
        return turn

    async def follow(self, wire: Wire) -> Turn:
        """Answer everything until the stream ends."""
        turn = Turn()
        async for end, payload in wire.receive():
            if end:
                turn.end = error_of(payload)
                continue
            message = agent_pb2.AgentServerMessage.FromString(payload)
            for answer in self._answers(turn, message):
                await wire.send(answer)
        return turn

    def _answers(self, turn: Turn, message: agent_pb2.AgentServerMessage) -> list[Client]:
        match message.WhichOneof("message"):
            case "interaction_update":
                _see(turn, message.interaction_update)
            case "conversation_checkpoint_update":
                turn.checkpoints.append(message.conversation_checkpoint_update)
                turn.kinds.append("checkpoint")
            case "kv_server_message":
                return [Client(kv_client_message=self._blob(message.kv_server_message))]
            case "exec_server_message":
                return self._carry_out(turn, message.exec_server_message)
            case "interaction_query":
                query = message.interaction_query
                response = agent_pb2.InteractionResponse(
                    id=query.id,
                    web_search_request_response=agent_pb2.Approval(
                        rejected=exec_pb2.Refusal(reason="no")
                    ),
                )
                return [Client(interaction_response=response)]
        return []

    def _blob(self, asked: agent_pb2.KvServerMessage) -> agent_pb2.KvClientMessage:
        answer = agent_pb2.KvClientMessage(id=asked.id)
        if asked.WhichOneof("message") == "set_blob_args":
            self.blobs[asked.set_blob_args.blob_id] = asked.set_blob_args.blob_data
            answer.set_blob_result.SetInParent()
            return answer
        answer.get_blob_result.SetInParent()
        data = self.blobs.get(asked.get_blob_args.blob_id)
        if data is not None and not self.lose:
            answer.get_blob_result.blob_data = data
        return answer

    def _carry_out(self, turn: Turn, asked: exec_pb2.ExecServerMessage) -> list[Client]:
        kind = asked.WhichOneof("message") or ""
        turn.execs.append(kind)
        answer = exec_pb2.ExecClientMessage(id=asked.id)
        if self.echo:
            answer.exec_id = asked.exec_id
        if kind == "request_context_args":
            context = exec_pb2.RequestContext(
                tools=self.tools if self.tools_in != "request" else ()
            )
            success = exec_pb2.RequestContextSuccess(request_context=context)
            answer.request_context_result.success.CopyFrom(success)
        elif kind == "mcp_args":
            turn.calls.append(asked.mcp_args)
            result = self.answers(asked.mcp_args)
            if result is None:
                return []
            answer.mcp_result.CopyFrom(result)
        elif self.refuse is not None:
            return self.refuse(asked)
        return [Client(exec_client_message=answer)]


def _see(turn: Turn, update: agent_pb2.InteractionUpdate) -> None:
    kind = update.WhichOneof("message") or ""
    turn.kinds.append(kind)
    if kind == "text_delta":
        turn.text += update.text_delta.text
    elif kind == "thinking_delta":
        turn.thinking += update.thinking_delta.text
    elif kind == "turn_ended":
        turn.usage = update.turn_ended
