"""Messages of a WebSocket with Responses events: one by one, and folded by response. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from addons.debug.views.events import Texts, told
from addons.debug.views.outline import outline
from addons.debug.views.sections import columns, cut, joined, section, size


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        at: seconds since the connection was opened.
    """

    from_client: bool
    content: bytes
    at: float = 0.0
    text: bool = True


def one(message: Message) -> str:
    """A message by itself."""
    data = read(message)
    if data is None:
        return message.content.decode("utf-8", "replace")
    head = f"{_arrow(message)} {data.get('type', 'message')}, {size(len(message.content))}"
    return joined([section(head, [told(data)] if told(data) else ["…"]), *outline(data)])


def folded(messages: Iterable[Message]) -> str:
    """The whole connection: each response under the request that asked for it."""
    turns: list[_Turn] = [_Turn("before the first request")]
    for message in messages:
        data = read(message)
        kind = str(data.get("type", "")) if data is not None else ""
        if message.from_client and kind == "response.create":
            turns.append(_Turn(_asked(data or {}), message.at))
        turns[-1].add(message, data, kind)
    return joined(turn.shown() for turn in turns if turn.count)


def read(message: Message) -> dict[str, Any] | None:
    """The JSON object of a message; None for any other one."""
    if not message.text:
        return None
    try:
        found = json.loads(message.content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@dataclass(slots=True)
class _Turn:
    """A request and all that came until the next one."""

    title: str
    begin: float = 0.0
    count: int = 0
    bytes: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    first: float | None = None
    last: float = 0.0
    outcome: str = ""
    texts: Texts = field(default_factory=Texts)

    def add(self, message: Message, data: dict[str, Any] | None, kind: str) -> None:
        self.count += 1
        self.bytes += len(message.content)
        self.last = message.at
        name = f"{_arrow(message)} {kind or ('binary' if not message.text else 'other')}"
        self.kinds[name] = self.kinds.get(name, 0) + 1
        if message.from_client or data is None:
            return
        if self.first is None:
            self.first = message.at
        self.texts.add(data)
        if kind in ("response.completed", "response.incomplete", "response.failed", "error"):
            self.outcome = f"{kind.removeprefix('response.')} {told(data)}".strip()

    def shown(self) -> str:
        waited = f", first answer after {self.first - self.begin:.3f} s" if self.first else ""
        took = self.last - self.begin
        facts = [
            f"{self.count} messages, {size(self.bytes)}{waited}, over {took:.3f} s",
            *([f"ended: {self.outcome}"] if self.outcome else []),
            *columns([(name, f"× {count}") for name, count in self.kinds.items()]),
        ]
        inner = joined(self.texts.sections()).splitlines()
        return section(self.title, [*facts, *inner])


def _asked(data: dict[str, Any]) -> str:
    items = data.get("input")
    words = [f"response.create {data.get('model', '')}".strip()]
    if data.get("generate") is False:
        words.append("prewarm")
    if isinstance(items, list):
        words.append(f"{len(items)} items")
    if isinstance(data.get("previous_response_id"), str):
        words.append(f"after {cut(data['previous_response_id'], 40)}")
    return " · ".join(words)


def _arrow(message: Message) -> str:
    return "→" if message.from_client else "←"
