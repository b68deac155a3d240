"""What renderers of other protocols than Responses have in common. On the hot path: a call per
event."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, Final

from addons.errors import ClientError
from addons.front.contract import Json
from addons.front.openai_errors import response_failure
from addons.front.reading import (
    Shown,
    TextKey,
    item_key,
    listed,
    part_index,
    response_of,
    texts,
)
from addons.front.sse import EventStream, ServerEvent

TEXT, REFUSAL, SUMMARY, THOUGHT = "text", "refusal", "summary", "thought"
"""Kinds of texts, in a :data:`TextKey`."""

METHODS: Final[Mapping[str, str]] = {
    "response.created": "_created",
    "response.output_text.delta": "_text_delta",
    "response.output_text.done": "_text_done",
    "response.refusal.delta": "_refusal_delta",
    "response.refusal.done": "_refusal_done",
    "response.reasoning_summary_text.delta": "_summary_delta",
    "response.reasoning_summary_text.done": "_summary_done",
    "response.reasoning_text.delta": "_thought_delta",
    "response.reasoning_text.done": "_thought_done",
    "response.output_item.added": "_item_added",
    "response.output_item.done": "_item_done",
    "response.function_call_arguments.delta": "_call_delta",
    "response.function_call_arguments.done": "_call_done",
    "response.completed": "_completed",
    "response.incomplete": "_completed",
    "response.failed": "_response_failed",
    "error": "_error_event",
}
"""Event to the method that renders it."""


class EventRenderer(ABC):
    """One answer, rendered event by event for a client that does not speak Responses.

    An answer may come as deltas, as ``*.done`` events without deltas, or as finished items only:
    whatever was not shown yet is shown when its done event comes.
    """

    content_type = "text/event-stream; charset=utf-8"
    passthrough = False
    watched: frozenset[str] = frozenset()

    methods: ClassVar[Mapping[str, str]] = METHODS
    """A protocol that tells more events adds them."""
    _handlers: ClassVar[dict[str, Callable[[Any, Json], bytes]]]

    _calls: Mapping[Hashable, object]
    """The calls that were announced, by their output item."""

    def __init_subclass__(cls) -> None:
        """One table per class: one per answer, of bound methods, would be a cycle as well."""
        cls._handlers = {kind: getattr(cls, name) for kind, name in cls.methods.items()}

    def __init__(self) -> None:
        self._shown = Shown()
        self._items_done = False
        self._over = False

    # --- the contract of a renderer ----------------------------------------------------------

    def event(self, event: Json) -> bytes:
        """See :class:`addons.front.contract.Renderer`."""
        if self._over:
            return b""
        kind = event.get("type")
        handler = self._handlers.get(kind) if type(kind) is str else None
        return b"" if handler is None else handler(self, event)

    def passed(self, event: ServerEvent) -> bytes:
        """The event rendered: the upstream's own bytes are never this protocol."""
        try:
            parsed = json.loads(event.data)
        except (ValueError, RecursionError):  # a comment, or no JSON: nothing to render
            return b""
        return self.event(parsed) if isinstance(parsed, dict) else b""

    def passed_run(self, run: bytes) -> bytes:
        """Each of the events rendered."""
        return b"".join([self.passed(event) for event in EventStream().feed(run)])

    @abstractmethod
    def failed(self, error: ClientError) -> bytes:
        """See :class:`addons.front.contract.Renderer`."""

    # --- what each protocol says in its own way ----------------------------------------------

    @abstractmethod
    def _text(self, key: TextKey, text: str) -> bytes:
        """More of a text; ``""``: there is no more."""

    @abstractmethod
    def _refusal(self, key: TextKey, text: str) -> bytes:
        """More of a refusal, or ``""``."""

    @abstractmethod
    def _reasoning(self, key: TextKey, text: str) -> bytes:
        """More of a reasoning, or ``""``."""

    @abstractmethod
    def _begun(self, key: Hashable, item: Json) -> bytes:
        """An output item begins."""

    @abstractmethod
    def _finished(self, key: Hashable, item: Json) -> bytes:
        """What of a finished item was not shown yet."""

    @abstractmethod
    def _call_delta(self, event: Json) -> bytes:
        """More of a call's arguments."""

    @abstractmethod
    def _call_done(self, event: Json) -> bytes:
        """All of a call's arguments."""

    @abstractmethod
    def _created(self, event: Json) -> bytes:
        """The response begins."""

    @abstractmethod
    def _ended(self, response: Json) -> bytes:
        """The response is complete, or as complete as it will be."""

    # --- texts -------------------------------------------------------------------------------

    def _text_delta(self, event: Json) -> bytes:
        key = (TEXT, item_key(event), part_index(event, "content_index"))
        return self._text(key, self._shown.new(key, event.get("delta")))

    def _text_done(self, event: Json) -> bytes:
        key = (TEXT, item_key(event), part_index(event, "content_index"))
        return self._text(key, self._shown.rest(key, event.get("text")))

    def _refusal_delta(self, event: Json) -> bytes:
        key = (REFUSAL, item_key(event), part_index(event, "content_index"))
        return self._refusal(key, self._shown.new(key, event.get("delta")))

    def _refusal_done(self, event: Json) -> bytes:
        key = (REFUSAL, item_key(event), part_index(event, "content_index"))
        return self._refusal(key, self._shown.rest(key, event.get("refusal")))

    def _summary_delta(self, event: Json) -> bytes:
        key = (SUMMARY, item_key(event), part_index(event, "summary_index"))
        return self._reasoning(key, self._shown.new(key, event.get("delta")))

    def _summary_done(self, event: Json) -> bytes:
        key = (SUMMARY, item_key(event), part_index(event, "summary_index"))
        return self._reasoning(key, self._shown.rest(key, event.get("text")))

    def _thought_delta(self, event: Json) -> bytes:
        key = (THOUGHT, item_key(event), part_index(event, "content_index"))
        return self._reasoning(key, self._shown.new(key, event.get("delta")))

    def _thought_done(self, event: Json) -> bytes:
        key = (THOUGHT, item_key(event), part_index(event, "content_index"))
        return self._reasoning(key, self._shown.rest(key, event.get("text")))

    def _reasoning_rest(self, key: Hashable, item: Json) -> bytes:
        """What of a finished reasoning was not shown yet."""
        out = b""
        for channel, member in ((SUMMARY, "summary"), (THOUGHT, "content")):
            for index, text in enumerate(texts(item.get(member))):
                part = (channel, key, index)
                out += self._reasoning(part, self._shown.rest(part, text))
        return out

    # --- items -------------------------------------------------------------------------------

    def _item_added(self, event: Json) -> bytes:
        item = event.get("item")
        return self._begun(item_key(event), item) if isinstance(item, dict) else b""

    def _item_done(self, event: Json) -> bytes:
        item = event.get("item")
        if not isinstance(item, dict):
            return b""
        self._items_done = True
        return self._finished(item_key(event), item)

    def _items_left(self, response: Json) -> bytes:
        """The items of an answer whose stream had none finished."""
        if self._items_done:
            return b""
        known = [item for _, item, _ in self._shown.characters] + list(self._calls)
        indexed = all(isinstance(item, int) for item in known)
        out = b""
        for index, item in enumerate(listed(response.get("output"))):
            out += self._item_done({"item": item, "output_index": index if indexed else None})
        return out

    # --- the end -----------------------------------------------------------------------------

    def _completed(self, event: Json) -> bytes:
        response = response_of(event)
        if event["type"] == "response.incomplete":
            response = {**response, "status": "incomplete"}
        return self._ended(response)

    def _response_failed(self, event: Json) -> bytes:
        return self.failed(response_failure(response_of(event).get("error")))

    def _error_event(self, event: Json) -> bytes:
        return self.failed(response_failure(event.get("error") or event))
