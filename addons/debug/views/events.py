"""A stream of server-sent events as a list, with what its texts come to. Pure.

Broken and cut streams are shown as far as they go: this is for looking at what went wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from addons.debug.views.sections import columns, cut, joined, section, size
from addons.front.sse import EventStream, EventTooLarge, ServerEvent

SHOWN = 400
"""Events that are listed; of more, the first and last ones."""

TOLD = 60
"""Characters of what an event says."""

type Times = Sequence[tuple[int, float]]
"""Bytes of the stream that had come, and how long after the request, in seconds; rising."""


def shown(stream: bytes, times: Times = ()) -> str:
    """The view of a stream."""
    events, rest = _parsed(stream)
    texts = Texts()
    rows: list[tuple[str, str, str, str]] = []
    place = 0
    for number, event in enumerate(events, 1):
        place += len(event.raw)
        data = _object(event.data)
        if data is not None:
            texts.add(data)
        rows.append((f"#{number}", _moment(times, place), _name(event, data), _told(event, data)))
    lines = columns(rows) if len(rows) <= SHOWN else _middle_left_out(rows)
    if rest:
        lines.append(f"(unfinished: {size(len(rest))} of an event that never ended)")
    count = f"{len(events)} events, {size(len(stream))}"
    return joined([*texts.sections(), section(f"Events: {count}", lines)])


@dataclass(slots=True)
class Texts:
    """What deltas come to: text, reasoning and calls, in the order in which they began."""

    _found: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    usage: Mapping[str, Any] | None = None

    def add(self, data: Mapping[str, Any]) -> None:
        """An event of Responses, chat completions or messages."""
        kind = str(data.get("type", ""))
        if kind.endswith(".delta") and isinstance(data.get("delta"), str):
            self._responses(kind, data)
        elif kind == "response.output_item.added" and isinstance(data.get("item"), dict):
            item = data["item"]
            if isinstance(item.get("name"), str):
                self._names[str(data.get("output_index", ""))] = item["name"]
        elif kind.startswith("content_block_"):
            self._messages(kind, data)
        for choice in _list(data.get("choices")):
            self._chat(choice)
        self._counts(data)

    def sections(self) -> Iterator[str]:
        """One for each text, then the usage."""
        for (title, _), pieces in self._found.items():
            text = "".join(pieces)
            yield section(f"{title} ({len(text)} characters)", text.splitlines() or [""])
        if self.usage is not None:
            yield section("Usage", [json.dumps(self.usage)])

    def _put(self, title: str, key: object, text: object) -> None:
        if isinstance(text, str) and text:
            self._found.setdefault((title, str(key)), []).append(text)

    def _responses(self, kind: str, data: Mapping[str, Any]) -> None:
        index = str(data.get("output_index", ""))
        inner = data.get("content_index", data.get("summary_index", ""))
        title = {
            "response.output_text.delta": "Text",
            "response.refusal.delta": "Refusal",
            "response.reasoning_summary_text.delta": "Reasoning (summary)",
            "response.reasoning_text.delta": "Reasoning",
        }.get(kind)
        if title is None:
            name = self._names.get(index, "")
            title = f"Call {name}".strip() if "call" in kind else kind.removeprefix("response.")
        self._put(title, f"{index}/{inner}", data["delta"])

    def _messages(self, kind: str, data: Mapping[str, Any]) -> None:
        index = str(data.get("index", ""))
        block = data.get("content_block")
        if isinstance(block, dict) and isinstance(block.get("name"), str):
            self._names[index] = block["name"]
        delta = data.get("delta")
        if not isinstance(delta, dict):
            return
        self._put("Text", index, delta.get("text"))
        self._put("Reasoning", index, delta.get("thinking"))
        self._put(f"Call {self._names.get(index, '')}".strip(), index, delta.get("partial_json"))

    def _chat(self, choice: object) -> None:
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(delta, dict):
            return
        self._put("Text", "", delta.get("content"))
        self._put("Reasoning", "", delta.get("reasoning_content"))
        for call in _list(delta.get("tool_calls")):
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                index = str(call.get("index", ""))
                if isinstance(function.get("name"), str):
                    self._names[f"chat {index}"] = function["name"]
                name = self._names.get(f"chat {index}", "")
                self._put(f"Call {name}".strip(), index, function.get("arguments"))

    def _counts(self, data: Mapping[str, Any]) -> None:
        response = data.get("response")
        for holder in (data, response, data.get("message")):
            if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
                self.usage = holder["usage"]


def told(data: Mapping[str, Any]) -> str:
    """An event in a few words."""
    response = data.get("response")
    if isinstance(response, dict):
        error = response.get("error")
        words = [str(response.get("id", "")), str(response.get("status", ""))]
        return " ".join([*words, cut(json.dumps(error)) if error else ""]).strip()
    choices = data.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return _choice(choices[0])
    for member in ("delta", "text", "arguments", "item", "part", "error", "message"):
        if (value := data.get(member)) not in (None, ""):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            return f"{member}: {cut(text, TOLD)}"
    return ""


def _choice(choice: Mapping[str, Any]) -> str:
    """What a chunk of a chat completion brings."""
    brought = choice.get("delta")
    brought = dict(brought) if isinstance(brought, dict) else {}
    if choice.get("finish_reason"):
        brought["finish_reason"] = choice["finish_reason"]
    words = [
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in brought.items()
        if value not in (None, "")
    ]
    return cut(", ".join(words), TOLD)


def _parsed(stream: bytes) -> tuple[list[ServerEvent], bytes]:
    parser = EventStream()
    try:
        events = [*parser.feed(stream), *parser.close()]
    except EventTooLarge:
        return [], stream
    rest = b""
    if events and not events[-1].terminated:
        rest = events.pop().raw
    return events, rest


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _name(event: ServerEvent, data: Mapping[str, Any] | None) -> str:
    if not event.data and not event.event:
        return "(comment)"
    kind = data.get("type") if data is not None else None
    object_ = data.get("object") if data is not None else None
    return event.event or (kind if isinstance(kind, str) else str(object_ or "message"))


def _told(event: ServerEvent, data: Mapping[str, Any] | None) -> str:
    if data is not None:
        return told(data)
    raw = event.data or event.raw.strip()
    return cut(raw.decode("utf-8", "replace"), TOLD)


def _moment(times: Times, place: int) -> str:
    """When the byte before ``place`` had come."""
    for count, seconds in times:
        if count >= place:
            return f"{seconds:7.3f} s"
    return ""


def _middle_left_out(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    half = SHOWN // 2
    lines = columns([*rows[:half], *rows[-half:]])
    return [*lines[:half], f"… {len(rows) - SHOWN} more …", *lines[half:]]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
