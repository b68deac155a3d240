"""The output items of an answer, and the events that build each. Pure."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from typing import Any

from addons.front.contract import Json
from addons.providers.cursor.run.run_outputs import ToolCall


def digest(text: str) -> str:
    """48 hex digits, as in the ids that clients know."""
    return hashlib.sha256(text.encode()).hexdigest()[:48]


class OutputItem(ABC):
    """An output item that is being written."""

    prefix: str

    def __init__(self, seed: str, index: int) -> None:
        self.id = f"{self.prefix}_{digest(f'{seed}/{index}')}"
        self.index = index

    @abstractmethod
    def json(self, *, done: bool) -> Json:
        """As it is when it is announced, or finished."""

    @abstractmethod
    def opening(self) -> list[Json]:
        """Events after its announcement."""

    @abstractmethod
    def closing(self) -> list[Json]:
        """Events before its end."""

    def place(self, **more: int) -> Json:
        return {"item_id": self.id, "output_index": self.index, **more}


class TextItem(OutputItem):
    """An item whose content is one text that comes in pieces.

    Attributes:
        part, text: names of their events, without verb.
        counter: the member that counts the parts, of which there is one.
    """

    part: str
    text: str
    counter: str

    def __init__(self, seed: str, index: int) -> None:
        super().__init__(seed, index)
        self._pieces: list[str] = []

    @abstractmethod
    def content(self, text: str) -> Json:
        """The part."""

    @property
    def extra(self) -> Json:
        """Members of the text's own events."""
        return {}

    def delta(self, piece: str) -> Json:
        self._pieces.append(piece)
        return {
            "type": f"response.{self.text}.delta",
            **self.place(**{self.counter: 0}),
            "delta": piece,
            **self.extra,
        }

    def opening(self) -> list[Json]:
        place = self.place(**{self.counter: 0})
        return [{"type": f"response.{self.part}.added", **place, "part": self.content("")}]

    def closing(self) -> list[Json]:
        place = self.place(**{self.counter: 0})
        whole = "".join(self._pieces)
        return [
            {"type": f"response.{self.text}.done", **place, "text": whole, **self.extra},
            {"type": f"response.{self.part}.done", **place, "part": self.content(whole)},
        ]

    def parts(self, *, done: bool) -> list[Json]:
        return [self.content("".join(self._pieces))] if done else []


class MessageItem(TextItem):
    prefix, part, text, counter = "msg", "content_part", "output_text", "content_index"

    @property
    def extra(self) -> Json:
        return {"logprobs": []}

    def content(self, text: str) -> Json:
        return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}

    def json(self, *, done: bool) -> Json:
        return {
            "id": self.id,
            "type": "message",
            "status": "completed" if done else "in_progress",
            "content": self.parts(done=done),
            "role": "assistant",
        }


class ReasoningItem(TextItem):
    prefix, part, text = "rs", "reasoning_summary_part", "reasoning_summary_text"
    counter = "summary_index"

    def content(self, text: str) -> Json:
        return {"type": "summary_text", "text": text}

    def json(self, *, done: bool) -> Json:
        return {"id": self.id, "type": "reasoning", "summary": self.parts(done=done)}


class CallItem(OutputItem):
    """A call, whole at once."""

    prefix, kind, member, events = "fc", "function_call", "arguments", "function_call_arguments"

    def __init__(self, seed: str, index: int, call: ToolCall) -> None:
        super().__init__(seed, index)
        self._call = call

    @property
    def argument(self) -> str:
        return self._call.arguments

    def json(self, *, done: bool) -> Json:
        return {
            "id": self.id,
            "type": self.kind,
            "status": "completed" if done else "in_progress",
            self.member: self.argument if done else "",
            "call_id": self._call.call_id,
            "name": self._call.name,
        }

    @property
    def extra(self) -> Json:
        """Members of the event that the arguments are whole."""
        return {"name": self._call.name}

    def opening(self) -> list[Json]:
        kind, whole = f"response.{self.events}", {self.member: self.argument, **self.extra}
        return [
            {"type": f"{kind}.delta", **self.place(), "delta": self.argument},
            {"type": f"{kind}.done", **self.place(), **whole},
        ]

    def closing(self) -> list[Json]:
        return []


class FreeformCallItem(CallItem):
    """A call of a custom tool, whose only argument is a text."""

    prefix, kind, member, events = "ctc", "custom_tool_call", "input", "custom_tool_call_input"

    @property
    def extra(self) -> Json:
        return {}

    @property
    def argument(self) -> str:
        given: Any = json.loads(self._call.arguments)
        text = given.get("input")
        return text if isinstance(text, str) else self._call.arguments
