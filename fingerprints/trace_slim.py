"""Traces reduced to what comparing clients needs: all that was sent, little of what came back.

Of answers stay the status, how they ended, the headers that a client acts on, and the ids that it
sends again later: of responses, of items, of tool calls. A recording of a long session shrinks to
half; nothing that the client sent is touched. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fingerprints.trace import Answer, Exchange, Message, Payload, Trace

KEPT_HEADERS = frozenset(
    {
        "content-encoding",
        "content-type",
        "etag",
        "location",
        "retry-after",
        "x-codex-turn-state",
        "x-models-etag",
    }
)
"""Headers of an answer that a client acts on."""

_KEPT_EVENTS = ("response.created", "response.output_item.done", "response.metadata", "error")
_KEPT_ITEM = ("type", "id", "status", "role", "phase", "call_id", "name", "namespace")
_KEPT_ERROR = ("type", "code", "status", "error", "detail")


def slim(trace: Trace) -> Trace:
    """The trace without what came back and is not needed; slimming again changes nothing."""
    return trace.model_copy(update={"exchanges": tuple(map(_exchange, trace.exchanges))})


def _exchange(exchange: Exchange) -> Exchange:
    update: dict[str, Any] = {"messages": tuple(_messages(exchange.messages))}
    if exchange.answer is not None:
        update["answer"] = _answer(exchange.answer)
    return exchange.model_copy(update=update)


def _answer(answer: Answer) -> Answer:
    keep_body = answer.status >= 400
    return answer.model_copy(
        update={
            "headers": tuple(each for each in answer.headers if each[0].lower() in KEPT_HEADERS),
            "body": answer.body if keep_body else None,
            "events": tuple(_messages(answer.events)),
        }
    )


def _messages(messages: Iterable[Message]) -> Iterable[Message]:
    for message in messages:
        if message.sender == "client":
            yield message
            continue
        data = message.payload.data
        if message.payload.form != "json" or not isinstance(data, dict):
            continue
        if data.get("type") in _KEPT_EVENTS:
            payload = Payload(form="json", length=message.payload.length, data=_event(data))
            yield message.model_copy(update={"payload": payload})


def _event(data: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"type": data["type"]}
    response, item = data.get("response"), data.get("item")
    if isinstance(response, dict):
        kept["response"] = {"id": response.get("id")}
    if isinstance(item, dict):
        kept["item"] = {name: item[name] for name in _KEPT_ITEM if name in item}
    if data["type"] == "response.metadata":
        return data
    if data["type"] == "error":
        kept |= {name: data[name] for name in _KEPT_ERROR if name in data}
    return kept
