"""``POST /v1/chat/completions``: the scripted model's answer as a completion or as chunks."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import orjson

from replay.record.gateway.responses import Given, scripted
from replay.sandbox.agent import Answer
from replay.sandbox.events import CallItem, MessageItem

type Json = dict[str, Any]

_USAGE = {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020}


def answer(body: Json) -> Given:
    """
    Raises:
        LookupError, TypeError: a member that is needed is missing or is something else.
    """
    said = scripted(_as_responses(body))
    head = {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "created": int(time.time()),
        "model": body["model"],
    }
    if body.get("stream") is not True:
        return Given(200, _completion(head, said))
    options = body.get("stream_options") or {}
    return Given(200, events=_chunks(head, said, usage=options.get("include_usage") is True))


def _as_responses(body: Json) -> Json:
    """As much of the request as the scripted model looks at, as a Responses request."""
    request: Json = {"model": body["model"], "input": list(_items(body["messages"]))}
    tools = [tool["function"] for tool in body.get("tools") or () if tool.get("function")]
    request["tools"] = [{"type": "function", **tool} for tool in tools]
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        request["text"] = {"format": {"type": "json_schema", **form["json_schema"]}}
    return request


def _items(messages: list[Json]) -> Iterator[Json]:
    for message in messages:
        if message["role"] == "tool":
            call_id, output = message["tool_call_id"], message["content"]
            yield {"type": "function_call_output", "call_id": call_id, "output": output}
            continue
        if message.get("content"):
            yield {"type": "message", "role": message["role"], "content": message["content"]}
        for call in message.get("tool_calls") or ():
            yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _calls(said: Answer) -> list[Json]:
    return [
        {
            "id": item.call_id,
            "type": "function",
            "function": {"name": item.name, "arguments": item.argument_text},
        }
        for item in said.items
        if isinstance(item, CallItem)
    ]


def _deltas(said: Answer) -> list[str]:
    return [delta for item in said.items if isinstance(item, MessageItem) for delta in item.deltas]


def _completion(head: Json, said: Answer) -> Json:
    calls = _calls(said)
    message: Json = {"role": "assistant", "content": "".join(_deltas(said)) or None}
    if calls:
        message["tool_calls"] = calls
    reason = "tool_calls" if calls else "stop"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": _USAGE}


def _chunks(head: Json, said: Answer, *, usage: bool) -> Iterator[bytes]:
    def chunk(delta: Json, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _event({**head, "object": "chat.completion.chunk", "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    for delta in _deltas(said):
        yield chunk({"content": delta})
    calls = _calls(said)
    for index, call in enumerate(calls):
        yield chunk({"tool_calls": [{"index": index, **call}]})
    yield chunk({}, "tool_calls" if calls else "stop")
    if usage:
        yield _event({**head, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    yield b"data: [DONE]\n\n"


def _event(value: Json) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
