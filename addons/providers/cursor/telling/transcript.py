"""A history as the upstream keeps it: chat messages and turns, each a blob. Pure.

The model's prompt is made from the root prompt messages; the turns are the upstream's bookkeeping
of the same (cursor-protocol.md §4.6). Messages have the form of the Vercel AI SDK.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from addons.front.contract import Json
from addons.providers.cursor.proto.agent_pb2 import (
    AgentConversationTurnStructure,
    AssistantMessage,
    ConversationStateStructure,
    ConversationStep,
    ConversationTurnStructure,
    SelectedContext,
    SelectedImage,
    ToolCall,
    UserMessage,
)
from addons.providers.cursor.proto.mcp_pb2 import (
    McpArgs,
    McpImageContent,
    McpSuccess,
    McpTextContent,
    McpToolCall,
    McpToolResult,
    McpToolResultContentItem,
)
from addons.providers.cursor.run.run_outputs import Image, Part, ToolResult
from addons.providers.cursor.telling.blobs import BlobMap
from addons.providers.cursor.telling.history import (
    Assistant,
    Call,
    Results,
    Step,
    Turn,
    User,
    turns,
)
from addons.providers.cursor.telling.pairing import Paired
from addons.providers.cursor.telling.tools import PROVIDER, full_name
from addons.providers.cursor.telling.values import members


def state(system: str, history: Paired, blobs: BlobMap) -> bytes:
    """A ``ConversationStateStructure`` that holds a history; its blobs are added.

    Raises:
        BlobsFull: there are too many, or one is too large.
    """
    messages = [blobs.put(_json(message)) for message in root_messages(system, history)]
    made = ConversationStateStructure(
        root_prompt_messages_json=messages,
        turns=[blobs.put(_turn(turn, history, blobs)) for turn in turns(history.blocks)],
    )
    return made.SerializeToString(deterministic=True)


def appended(before: bytes, history: Paired, blobs: BlobMap) -> bytes:
    """A state with more messages and turns behind its own.

    Not one byte of it changes: in protobuf, a repeated member goes on wherever it stands.
    """
    return before + state("", history, blobs)


def root_messages(system: str, history: Paired) -> Iterator[Json]:
    """The history as chat messages, the system prompt first."""
    if system:
        yield {"role": "system", "content": system}
    for block in history.blocks:
        match block:
            case User():
                yield {"role": "user", "content": [_part(part) for part in block.parts]}
            case Assistant():
                yield {"role": "assistant", "content": [_step(step) for step in block.steps]}
            case Results():
                yield from _results(block, history.names)


def user_message(
    parts: Sequence[Part], blobs: BlobMap | None = None, *, named: bool = True
) -> UserMessage:
    """The user's words and pictures.

    Its ids depend on its content only, so that the same request is the same bytes.

    Args:
        blobs: takes the pictures; None: they go inside the message.
        named: with an id.
    """
    text = "\n\n".join(part for part in parts if isinstance(part, str))
    pictures = [part for part in parts if isinstance(part, Image)]
    message = UserMessage(text=text)
    if named:
        message.message_id = _uuid(text.encode("utf-8", "surrogatepass"))
    if pictures:
        selected = [_selected(picture, blobs) for picture in pictures]
        message.selected_context.CopyFrom(SelectedContext(selected_images=selected))
    return message


# --- chat messages -------------------------------------------------------------------------------


def _part(part: Part) -> Json:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part.data).decode()
    url = f"data:{part.mime_type};base64,{data}"
    return {"type": "image", "image": url, "mediaType": part.mime_type}


def _step(step: Step) -> Json:
    if isinstance(step, str):
        return {"type": "text", "text": step}
    return {
        "type": "tool-call",
        "toolCallId": step.call_id,
        "toolName": step.name,
        "args": json.loads(step.arguments),
    }


def _results(block: Results, names: dict[str, str]) -> Iterator[Json]:
    """One message each; pictures in one of the user behind them, for a result is a text."""
    pictures: list[Part] = []
    for result in block.results:
        found = [part for part in result.parts if isinstance(part, Image)]
        texts = [part for part in result.parts if isinstance(part, str)]
        if found:
            texts.append(f"[{len(found)} pictures of this result follow below.]")
            pictures += [f"[Pictures of the result of {result.call_id}:]", *found]
        told: Json = {
            "type": "tool-result",
            "toolCallId": result.call_id,
            "toolName": names[result.call_id],
            "result": "\n".join(texts),
        }
        if result.is_error:
            told["isError"] = True
        yield {"role": "tool", "id": result.call_id, "content": [told]}
    if pictures:
        yield {"role": "user", "content": [_part(part) for part in pictures]}


def _json(message: Json) -> bytes:
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


# --- turns ---------------------------------------------------------------------------------------


def _turn(turn: Turn, history: Paired, blobs: BlobMap) -> bytes:
    results = {
        result.call_id: result
        for block in turn.blocks
        if isinstance(block, Results)
        for result in block.results
    }
    steps = [
        blobs.put(_bookkept(step, history, results).SerializeToString(deterministic=True))
        for block in turn.blocks
        if isinstance(block, Assistant)
        for step in block.steps
    ]
    said = user_message(turn.user, blobs).SerializeToString(deterministic=True)
    made = AgentConversationTurnStructure(user_message=blobs.put(said), steps=steps)
    structure = ConversationTurnStructure(agent_conversation_turn=made)
    return structure.SerializeToString(deterministic=True)


def _bookkept(step: Step, history: Paired, results: dict[str, ToolResult]) -> ConversationStep:
    if isinstance(step, str):
        return ConversationStep(assistant_message=AssistantMessage(text=step))
    call = McpToolCall(args=_args(step), result=_result(results[step.call_id]))
    return ConversationStep(tool_call=ToolCall(mcp_tool_call=call, tool_call_id=step.call_id))


def _args(call: Call) -> McpArgs:
    arguments: dict[str, Any] = json.loads(call.arguments)
    return McpArgs(
        name=full_name(call.name),
        args=members(arguments),
        tool_call_id=call.call_id,
        provider_identifier=PROVIDER,
        tool_name=call.name,
    )


def _result(result: ToolResult) -> McpToolResult:
    content = [_content(part) for part in result.parts]
    return McpToolResult(success=McpSuccess(content=content, is_error=result.is_error))


def _content(part: Part) -> McpToolResultContentItem:
    if isinstance(part, str):
        return McpToolResultContentItem(text=McpTextContent(text=part))
    picture = McpImageContent(data=part.data, mime_type=part.mime_type)
    return McpToolResultContentItem(image=picture)


def _selected(picture: Image, blobs: BlobMap | None) -> SelectedImage:
    made = SelectedImage(uuid=_uuid(picture.data), mime_type=picture.mime_type)
    if blobs is None:
        made.data = picture.data
    else:
        made.blob_id = blobs.put(picture.data)
    return made


def _uuid(content: bytes) -> str:
    raw = bytearray(hashlib.sha256(content).digest()[:16])
    raw[6] = (raw[6] & 0x0F) | 0x40
    raw[8] = (raw[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))
