"""``POST /v1/messages`` and ``…/count_tokens``, as Anthropic's API has them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import orjson

from replay.record.gateway.responses import Given, scripted
from replay.sandbox.events import CallItem, MessageItem

type Json = dict[str, Any]

_REMINDER = "<system-reminder>"
"""How a text begins that Claude Code puts beside what its user has typed."""
_USAGE = {"input_tokens": 1000, "output_tokens": 20}


def count(body: Json) -> Given:
    """``/v1/messages/count_tokens``; about four characters to a token."""
    return Given(200, {"input_tokens": len(json.dumps(body)) // 4})


def answer(body: Json) -> Given:
    """
    Raises:
        LookupError, TypeError: a member that is needed is missing or is something else.
    """
    request = {"model": body["model"], "input": list(_items(body["messages"]))}
    request["tools"] = [
        {"type": "function", "name": tool["name"], "parameters": tool["input_schema"]}
        for tool in body.get("tools") or ()
        if "input_schema" in tool
    ]
    items = scripted(request).items
    blocks = [_block(item) for item in items if isinstance(item, MessageItem | CallItem)]
    calls = any(block["type"] == "tool_use" for block in blocks)
    head: Json = {
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _USAGE,
    }
    reason = "tool_use" if calls else "end_turn"
    if body.get("stream") is not True:
        return Given(200, {**head, "content": blocks, "stop_reason": reason})
    return Given(200, events=_events(head, blocks, reason))


def _items(messages: list[Json]) -> Iterator[Json]:
    """The conversation as items of a Responses request."""
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        every = [block["text"] for block in blocks if block["type"] == "text"]
        texts = [text for text in every if not text.startswith(_REMINDER)] or every
        results = [block for block in blocks if block["type"] == "tool_result"]
        for block in results:
            yield {
                "type": "function_call_output",
                "call_id": block["tool_use_id"],
                "output": block.get("content") or "",
            }
        if texts and not results:  # what stands beside a tool's result is a reminder
            yield {"type": "message", "role": message["role"], "content": "\n".join(texts)}
        for block in blocks:
            if block["type"] == "tool_use":
                arguments = json.dumps(block["input"])
                call = {"call_id": block["id"], "name": block["name"], "arguments": arguments}
                yield {"type": "function_call", **call}


def _block(item: MessageItem | CallItem) -> Json:
    if isinstance(item, MessageItem):
        return {"type": "text", "text": item.text}
    call_id = f"toolu_{secrets.token_hex(12)}"
    return {
        "type": "tool_use",
        "id": call_id,
        "name": item.name,
        "input": json.loads(item.argument_text),
    }


def _events(head: Json, blocks: list[Json], reason: str) -> Iterator[bytes]:
    yield _event("message_start", message=head)
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            empty: Json = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield _event("content_block_start", index=index, content_block=empty)
        yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    end = {"stop_reason": reason, "stop_sequence": None}
    yield _event("message_delta", delta=end, usage={"output_tokens": _USAGE["output_tokens"]})
    yield _event("message_stop")


def _event(kind: str, **members: Any) -> bytes:
    data = orjson.dumps({"type": kind, **members})
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
