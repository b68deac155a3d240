"""A conversation as the agent service keeps it, and as the scripted model reads it. Pure.

The prompt is made of chat messages in JSON (cursor-protocol.md §4.6)::

    {"role": "user", "content": "…" | [{"type": "text", "text": "…"}, …]}
    {"role": "assistant", "content": [{"type": "tool-call", "toolCallId", "toolName", "args"}, …]}
    {"role": "tool", "content": [{"type": "tool-result", "toolCallId", "toolName", "result"}, …]}

The model (:mod:`replay.sandbox.agent`) reads input items of OpenAI's Responses API.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict

from addons.providers.cursor.proto import agent_pb2, mcp_pb2
from replay.sandbox.cursor.flattened import unflattened

type Json = dict[str, Any]


class BadMessage(ValueError):
    """A blob of the prompt is no chat message."""


def parsed(blob: bytes) -> Json:
    """A chat message.

    Raises:
        BadMessage: see there.
    """
    try:
        message = json.loads(blob)
    except (ValueError, RecursionError) as error:
        raise BadMessage("it is not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise BadMessage("it has no role")
    return message


def serialised(message: Json) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def items(messages: Iterable[Json]) -> list[Json]:
    """The input items of a prompt."""
    return [item for message in messages for item in _items(message)]


def _items(message: Json) -> Iterator[Json]:
    role, content = message["role"], message.get("content")
    parts: list[Any] = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts: list[str] = []
    others: list[Json] = []
    for part in parts:
        if not isinstance(part, dict):
            continue
        match part.get("type"):
            case "text" if isinstance(part.get("text"), str):
                texts.append(part["text"])
            case "image":
                texts.append(f"[image {part.get('mimeType') or part.get('mediaType') or ''}]")
            case "tool-call":
                arguments = part.get("args", part.get("input"))
                others.append(
                    {
                        "type": "function_call",
                        "call_id": part.get("toolCallId"),
                        "name": part.get("toolName"),
                        "arguments": json.dumps(arguments, ensure_ascii=False),
                    }
                )
            case "tool-result":
                result = part.get("result", part.get("output"))
                output = {"call_id": part.get("toolCallId"), "output": result_text(result)}
                others.append({"type": "function_call_output", **output})
    if texts:
        kind = "output_text" if role == "assistant" else "input_text"
        text = {"type": kind, "text": "\n".join(texts)}
        yield {"type": "message", "role": role, "content": [text]}
    yield from others


def result_text(result: object) -> str:
    """A tool's result, in any of the forms that it has in a chat message."""
    if isinstance(result, str):
        return result
    if isinstance(result, dict) and "value" in result:
        return result_text(result["value"])
    if isinstance(result, list):
        texts = [part.get("text") for part in result if isinstance(part, dict)]
        if texts and all(isinstance(text, str) for text in texts):
            return "\n".join(map(str, texts))
    return json.dumps(result, ensure_ascii=False)


def unanswered(messages: list[Json]) -> list[Json]:
    """Calls behind the last user message that have no result."""
    calls: dict[str, Json] = {}
    for item in items(messages):
        match item["type"]:
            case "function_call":
                calls[str(item["call_id"])] = {**item, "call_id": str(item["call_id"])}
            case "function_call_output":
                calls.pop(str(item["call_id"]), None)
            case _ if item.get("role") == "user":
                calls.clear()
    return list(calls.values())


def current(items_: list[Json]) -> list[Json]:
    """The same items, with the last user message taken apart where it tells a whole history."""
    for position in range(len(items_) - 1, -1, -1):
        item = items_[position]
        if item["type"] == "message" and item.get("role") == "user":
            told = unflattened(item["content"][0]["text"])
            return [*items_[:position], *told, *items_[position + 1 :]] if told else items_
    return items_


# --- what is added to it ---


def user_message(message: agent_pb2.UserMessage) -> Json:
    """The chat message of what the user said, images included."""
    parts: list[Json] = [{"type": "text", "text": message.text}]
    images = message.selected_context.selected_images
    parts += [{"type": "image", "mimeType": image.mime_type} for image in images]
    return {"role": "user", "content": parts}


def assistant_message(texts: list[str], calls: Iterable[mcp_pb2.McpArgs]) -> Json:
    parts: list[Json] = [{"type": "text", "text": text} for text in texts if text]
    parts += [
        {
            "type": "tool-call",
            "toolCallId": call.tool_call_id,
            "toolName": call.tool_name or call.name,
            "args": arguments(call),
        }
        for call in calls
    ]
    return {"role": "assistant", "content": parts}


def tool_message(call: mcp_pb2.McpArgs, result: mcp_pb2.McpResult) -> Json:
    part = {
        "type": "tool-result",
        "toolCallId": call.tool_call_id,
        "toolName": call.tool_name or call.name,
        "result": outcome(result),
    }
    return {"role": "tool", "content": [part]}


def arguments(call: mcp_pb2.McpArgs) -> Json:
    """The arguments of a call, by name: a map has no order.

    Numbers are doubles on the wire; whole ones are whole again.
    """
    told = MessageToDict(call).get("args", {})
    return {name: _whole(told[name]) for name in sorted(told)}


def _whole(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _whole(member) for name, member in value.items()}
        case list():
            return [_whole(member) for member in value]
        case _:
            return value


def outcome(result: mcp_pb2.McpResult) -> str:
    """A tool's answer as text."""
    kind = result.WhichOneof("result")
    if kind == "success":
        texts = [_content(part) for part in result.success.content]
        text = "\n".join(texts)
        return f"error: {text}" if result.success.is_error else text
    if kind is None:
        return "(an empty result)"
    return f"{kind}: {json.dumps(MessageToDict(getattr(result, kind)), ensure_ascii=False)}"


def _content(part: mcp_pb2.McpToolResultContentItem) -> str:
    if part.WhichOneof("content") == "image":
        return f"[image {part.image.mime_type}, {len(part.image.data)} bytes]"
    return part.text.text


# --- tools ---


def offered(tools: Iterable[mcp_pb2.McpToolDefinition]) -> list[Json]:
    """The tools as the model reads them."""
    return [
        {
            "type": "function",
            "name": tool.tool_name or tool.name,
            "description": tool.description,
            "parameters": schema(tool),
        }
        for tool in tools
    ]


def schema(tool: mcp_pb2.McpToolDefinition) -> object:
    """The JSON schema of a tool's arguments, wherever it stands."""
    if tool.HasField("input_schema"):
        return MessageToDict(tool.input_schema)
    try:
        return json.loads(tool.input_schema_json or "{}")
    except ValueError:
        return {}


def combines(schema_: object) -> bool:
    """Whether a schema has ``oneOf``, ``anyOf`` or ``allOf``: the service fails on them (§4.3)."""
    if isinstance(schema_, Mapping):
        return bool({"oneOf", "anyOf", "allOf"} & schema_.keys()) or any(
            combines(value) for value in schema_.values()
        )
    return isinstance(schema_, list) and any(combines(value) for value in schema_)
