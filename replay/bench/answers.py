"""What the bench's upstream answers, and how a client's copy of it is checked.

The events follow codex-wire.md §4.2; every text delta carries a numbered word, so that a lost,
doubled or reordered one is seen whatever protocol the answer has been translated to.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

FRAME_EVENTS = 8
"""Events of an answer besides its text deltas."""

HEADERS = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
    ("x-request-id", "00000000-0000-4000-8000-00000000be9c"),
    ("x-models-etag", '"bench"'),
    ("x-codex-plan-type", "plus"),
    ("x-codex-primary-used-percent", "12.5"),
    ("x-codex-primary-window-minutes", "300"),
    ("x-codex-secondary-used-percent", "3.0"),
    ("x-codex-secondary-window-minutes", "10080"),
)
"""Headers of a streamed answer (codex-wire.md §4.1)."""

REFUSAL_HEADERS = (("content-type", "application/json"), ("retry-after", "0"))
REFUSAL = json.dumps(
    {
        "error": {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "plus",
            "resets_in_seconds": 0,
        }
    }
).encode()
"""A 429 that asks for no wait, so that the refused account is asked again by the next request."""

_DELTA_WORD = re.compile(rb'"(?:delta|content)":\s?"(w\d{4}) ')


def event_count(deltas: int) -> int:
    return deltas + FRAME_EVENTS


def events(deltas: int, model: str) -> list[bytes]:
    """The events of one answer as SSE bytes, one entry per event."""
    words = [word.decode() + " " for word in expected_words(deltas)]
    text = "".join(words)
    item = {"id": "msg_bench", "type": "message", "role": "assistant"}
    part = {"type": "output_text", "annotations": [], "logprobs": []}
    place = {"item_id": "msg_bench", "output_index": 0, "content_index": 0}
    done = {**item, "status": "completed", "content": [{**part, "text": text}]}
    response: dict[str, Any] = {
        "id": "resp_bench",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "in_progress",
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "store": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }
    usage = {
        "input_tokens": 2048,
        "input_tokens_details": {"cached_tokens": 1920},
        "output_tokens": deltas,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2048 + deltas,
    }
    finished = {**response, "status": "completed", "output": [done], "usage": usage}
    members: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": response}),
        ("response.in_progress", {"response": response}),
        (
            "response.output_item.added",
            {"output_index": 0, "item": {**item, "status": "in_progress", "content": []}},
        ),
        ("response.content_part.added", {**place, "part": {**part, "text": ""}}),
        *(
            ("response.output_text.delta", {**place, "delta": word, "obfuscation": "xxxxxxxxxx"})
            for word in words
        ),
        ("response.output_text.done", {**place, "text": text}),
        ("response.content_part.done", {**place, "part": {**part, "text": text}}),
        ("response.output_item.done", {"output_index": 0, "item": done}),
        ("response.completed", {"response": finished}),
    ]
    return [
        _sse({"type": name, "sequence_number": number, **rest})
        for number, (name, rest) in enumerate(members)
    ]


def expected_words(deltas: int) -> list[bytes]:
    """The words that the deltas carry, in order."""
    return [b"w%04d" % number for number in range(deltas)]


@dataclass(frozen=True, slots=True)
class Check:
    """What an answer must be, in the protocol (``responses`` or ``chat``) of the client."""

    words: tuple[bytes, ...]
    protocol: str

    def fault(self, status: int, body: bytes | bytearray) -> str | None:
        """Why the answer is wrong; None when it is complete and right."""
        if status != 200:
            return f"status {status}: {bytes(body[:200])!r}"
        if not body.endswith(b"\n\n"):
            return f"the stream ends in mid-event: {bytes(body[-60:])!r}"
        last = body[body.rfind(b"\n\n", 0, len(body) - 2) + 1 :].strip()
        if self.protocol == "chat":
            whole = last == b"data: [DONE]"
        else:
            whole = b'"response.completed"' in last
        if not whole:
            return f"no terminal event; the last one is {bytes(last[:80])!r}"
        found = _DELTA_WORD.findall(body)
        if tuple(found) != self.words:
            return f"text differs: {len(found)} deltas in place of {len(self.words)}"
        return None


def _sse(event: dict[str, Any]) -> bytes:
    data = json.dumps(event, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {data}\n\n".encode()
