"""Responses events: from the items of an answer to the full sequence a real backend sends.

The sequence of types and members follows OpenAI's Responses API and codex-wire.md §4.2. Events
are serialised once, here; a transport only frames the text (SSE or one WebSocket message each).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

type Json = dict[str, Any]

_WORD = re.compile(r"\s*\S+|\s+")


def dumps(value: Any) -> str:
    """Compact JSON text."""
    return orjson.dumps(value).decode()


RESPONSE_ECHO: tuple[tuple[str, Any], ...] = (
    ("instructions", None),
    ("max_output_tokens", None),
    ("max_tool_calls", None),
    ("model", None),
    ("parallel_tool_calls", True),
    ("previous_response_id", None),
    ("prompt_cache_key", None),
    ("reasoning", {"effort": None, "summary": None}),
    ("safety_identifier", None),
    ("service_tier", "auto"),
    ("store", False),
    ("temperature", 1.0),
    ("text", {"format": {"type": "text"}, "verbosity": "medium"}),
    ("tool_choice", "auto"),
    ("tools", []),
    ("top_logprobs", 0),
    ("top_p", 1.0),
    ("truncation", "disabled"),
    ("user", None),
    ("metadata", {}),
)
"""Request members that a response object repeats, with the value for those not sent."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, serialised. ``output``: it is, or follows, the first delta of output."""

    type: str
    data: str
    output: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one answer."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cache_write_tokens: int = 0

    def json(self) -> Json:
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {
                "cached_tokens": self.cached_tokens,
                "cache_write_tokens": self.cache_write_tokens,
            },
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.input_tokens + self.output_tokens,
        }


def new_id(prefix: str) -> str:
    """An id in the backend's style: a prefix and 48 hex digits."""
    return f"{prefix}_{secrets.token_hex(24)}"


def split_words(text: str) -> list[str]:
    """Pieces of a text, one per word, that join to the text again: one delta each."""
    return _WORD.findall(text)


# --- items of an answer --------------------------------------------------------------------------


@dataclass(slots=True)
class MessageItem:
    """Text of the assistant, in deltas."""

    deltas: Sequence[str]
    id: str = field(default_factory=lambda: new_id("msg"))

    @property
    def text(self) -> str:
        return "".join(self.deltas)

    def json(self, *, done: bool) -> Json:
        part = _text_part(self.text)
        return {
            "id": self.id,
            "type": "message",
            "status": "completed" if done else "in_progress",
            "content": [part] if done else [],
            "phase": "final_answer",
            "role": "assistant",
        }


@dataclass(slots=True)
class ReasoningItem:
    """Reasoning: summary parts in deltas, and content that only the backend can read."""

    parts: Sequence[Sequence[str]]
    encrypted_content: str | None
    id: str = field(default_factory=lambda: new_id("rs"))

    def json(self, *, done: bool) -> Json:
        texts = ["".join(part) for part in self.parts] if done else []
        item: Json = {
            "id": self.id,
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text} for text in texts],
        }
        if self.encrypted_content is not None:
            item["encrypted_content"] = self.encrypted_content
        return item


@dataclass(slots=True)
class CallItem:
    """A call of a client's tool: ``function`` with JSON arguments, or ``custom`` with raw input."""

    name: str
    argument_text: str
    custom: bool = False
    namespace: str | None = None
    id: str = ""
    call_id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")

    def __post_init__(self) -> None:
        self.id = self.id or new_id("ctc" if self.custom else "fc")

    def json(self, *, done: bool) -> Json:
        item: Json = {
            "id": self.id,
            "type": "custom_tool_call" if self.custom else "function_call",
            "status": "completed" if done else "in_progress",
        }
        item["input" if self.custom else "arguments"] = self.argument_text if done else ""
        item["call_id"] = self.call_id
        item["name"] = self.name
        if self.namespace:
            item["namespace"] = self.namespace
        return item


@dataclass(slots=True)
class OpaqueItem:
    """An item without deltas, e.g. a compaction or a hosted tool's call."""

    body: Json

    def json(self, *, done: bool) -> Json:
        if "status" in self.body:
            return {**self.body, "status": "completed" if done else "in_progress"}
        return self.body


type Item = MessageItem | ReasoningItem | CallItem | OpaqueItem


def _text_part(text: str) -> Json:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


# --- the response object and its events ----------------------------------------------------------


class ResponseEvents:
    """The events of one response.

    Args:
        body: the request; what a response object repeats is taken from it.
        items: of the answer; none for a prewarm.
        usage: reported at the end.
        response_id: made up when empty.
        failure: ``{"code", "message"}``; the response fails with it instead of giving items.
    """

    def __init__(
        self,
        body: Json,
        items: Sequence[Item],
        usage: Usage,
        *,
        response_id: str = "",
        failure: Json | None = None,
        created: float | None = None,
    ) -> None:
        self.id = response_id or new_id("resp")
        self._items = items
        self._usage = usage
        self._failure = failure
        self._created = int(time.time() if created is None else created)
        echo = {}
        for name, default in RESPONSE_ECHO:
            value = body.get(name)
            echo[name] = default if value is None else value
        # Instructions and tools may be large and stand in three events: serialised only once.
        self._echo = dumps(echo)[1:-1]
        self._number = 0
        self._output = False

    def response(self, status: str) -> Json:
        """The response object as a dict, for callers that asked for no stream."""
        decoded: Json = orjson.loads(self._response(status))
        return decoded

    def output(self) -> list[Json]:
        """The finished items."""
        return [item.json(done=True) for item in self._items]

    def _response(self, status: str) -> str:
        ended = status in ("completed", "failed", "incomplete")
        head: Json = {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "completed_at": self._created if status == "completed" else None,
            "error": self._failure if status == "failed" else None,
            "incomplete_details": None,
        }
        usage = self._usage.json() if ended and status != "failed" else None
        output = self.output() if status == "completed" else []
        tail = dumps({"output": output, "usage": usage})
        return f"{dumps(head)[:-1]},{self._echo},{tail[1:]}"

    def __iter__(self) -> Iterator[Event]:
        yield self._lifecycle("response.created", "in_progress")
        yield self._lifecycle("response.in_progress", "in_progress")
        if self._failure is not None:
            yield self._lifecycle("response.failed", "failed")
            return
        for index, item in enumerate(self._items):
            yield self._event(
                "response.output_item.added", output_index=index, item=item.json(done=False)
            )
            match item:
                case MessageItem():
                    yield from self._message(index, item)
                case ReasoningItem():
                    yield from self._reasoning(index, item)
                case CallItem():
                    yield from self._call(index, item)
            self._output = True
            yield self._event(
                "response.output_item.done", output_index=index, item=item.json(done=True)
            )
        yield self._lifecycle("response.completed", "completed")

    def failed(self, error: Json, number: int) -> Event:
        """A ``response.failed`` with this error and sequence number, instead of the rest."""
        self._failure, self._number = error, number
        return self._lifecycle("response.failed", "failed")

    def _lifecycle(self, kind: str, status: str) -> Event:
        number = self._next()
        text = f'{{"type":"{kind}","sequence_number":{number},"response":{self._response(status)}}}'
        return Event(kind, text, self._output)

    def _next(self) -> int:
        self._number += 1
        return self._number - 1

    def _event(self, kind: str, **members: Any) -> Event:
        body = {"type": kind, "sequence_number": self._next(), **members}
        return Event(kind, dumps(body), self._output)

    def _deltas(self, kind: str, deltas: Sequence[str], place: Json, more: str) -> Iterator[Event]:
        """Delta events; the members that stay the same are serialised once."""
        fixed = dumps(place)[1:-1]
        self._output = True
        for delta in deltas:
            number = self._next()
            text = dumps(delta)
            data = f'{{"type":"{kind}","sequence_number":{number},{fixed},"delta":{text}{more}}}'
            yield Event(kind, data, True)

    def _message(self, index: int, item: MessageItem) -> Iterator[Event]:
        place: Json = {"item_id": item.id, "output_index": index, "content_index": 0}
        yield self._event("response.content_part.added", **place, part=_text_part(""))
        yield from self._deltas("response.output_text.delta", item.deltas, place, ',"logprobs":[]')
        text = item.text
        yield self._event("response.output_text.done", **place, text=text, logprobs=[])
        yield self._event("response.content_part.done", **place, part=_text_part(text))

    def _reasoning(self, index: int, item: ReasoningItem) -> Iterator[Event]:
        for number, deltas in enumerate(item.parts):
            place: Json = {"item_id": item.id, "output_index": index, "summary_index": number}
            empty = {"type": "summary_text", "text": ""}
            yield self._event("response.reasoning_summary_part.added", **place, part=empty)
            yield from self._deltas("response.reasoning_summary_text.delta", deltas, place, "")
            text = "".join(deltas)
            yield self._event("response.reasoning_summary_text.done", **place, text=text)
            part = {"type": "summary_text", "text": text}
            yield self._event("response.reasoning_summary_part.done", **place, part=part)

    def _call(self, index: int, item: CallItem) -> Iterator[Event]:
        place: Json = {"item_id": item.id, "output_index": index}
        kind = "custom_tool_call_input" if item.custom else "function_call_arguments"
        pieces = split_words(item.argument_text)
        yield from self._deltas(f"response.{kind}.delta", pieces, place, "")
        member = "input" if item.custom else "arguments"
        done: Json = {member: item.argument_text}
        if not item.custom:
            done["name"] = item.name
        yield self._event(f"response.{kind}.done", **place, **done)
