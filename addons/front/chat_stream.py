"""Responses events to a chat completions stream. On the hot path: one call per delta."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from addons.errors import ClientError
from addons.front.chat_answer import (
    AnswerOptions,
    annotation,
    completion,
    finish_reason,
    tool_call,
    usage,
)
from addons.front.chat_chunks import DONE, ChunkWriter
from addons.front.chat_content import Content
from addons.front.contract import Json
from addons.front.json_text import compact, quoted
from addons.front.openai_errors import error_object, response_failure
from addons.front.reading import (
    BREAK,
    Shown,
    TextKey,
    item_key,
    listed,
    part_index,
    response_of,
    texts,
    truncated,
)
from addons.front.sse import EventStream, ServerEvent

_TEXT, _REFUSAL, _SUMMARY, _THOUGHT = "content", "refusal", "summary", "thought"


class ChatRenderer:
    """One answer, rendered for a chat completions client.

    An answer may come as deltas, as ``*.done`` events without deltas, or as finished items only:
    whatever was not shown yet is shown when its done event comes.

    Args:
        model: the name that was asked for.
        options: the form that the caller wants.

    Attributes:
        stopped: a stop sequence was met: the client has its whole answer, and what the upstream
            still sends is of use for the usage only.
    """

    content_type = "text/event-stream; charset=utf-8"
    passthrough = False
    watched: frozenset[str] = frozenset()

    def __init__(self, model: str, options: AnswerOptions) -> None:
        self._model = model
        self._options = options
        self._chunks = ChunkWriter(model, include_usage=options.include_usage)
        self._content = Content(options.stops)
        self._shown = Shown()
        self._cited: dict[tuple[Hashable, int], int] = {}  # annotations of a part given so far
        self._thought: TextKey | None = None  # the reasoning that came last
        self._calls: dict[Hashable, _Call] = {}
        self._items_done = False
        self._complete = False
        self._over = False
        self.stopped = False
        self._handlers: dict[str, Callable[[Json], bytes]] = {
            "response.created": self._created,
            "response.output_text.delta": self._text_delta,
            "response.output_text.done": self._text_done,
            "response.output_text.annotation.added": self._annotation_added,
            "response.refusal.delta": self._refusal_delta,
            "response.refusal.done": self._refusal_done,
            "response.reasoning_summary_text.delta": self._summary_delta,
            "response.reasoning_summary_text.done": self._summary_done,
            "response.reasoning_text.delta": self._thought_delta,
            "response.reasoning_text.done": self._thought_done,
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.function_call_arguments.delta": self._call_delta,
            "response.function_call_arguments.done": self._call_done,
            "response.custom_tool_call_input.delta": self._call_delta,
            "response.custom_tool_call_input.done": self._call_done,
            "response.completed": self._completed,
            "response.incomplete": self._completed,
            "response.failed": self._response_failed,
            "error": self._error_event,
        }

    # --- the contract of a renderer ----------------------------------------------------------

    def event(self, event: Json) -> bytes:
        """See :class:`addons.front.contract.Renderer`."""
        if self._over:
            return b""
        kind = event.get("type")
        handler = self._handlers.get(kind) if type(kind) is str else None
        return b"" if handler is None else handler(event)

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

    def finish(self) -> bytes:
        """``[DONE]``; an error instead when the response never came to its end."""
        if self._over:
            return b""
        if not (self._complete or self.stopped):
            return self.failed(truncated())
        self._over = True
        return DONE

    def failed(self, error: ClientError) -> bytes:
        """An ``error`` event, which SDKs raise, and no ``[DONE]`` after it. A client that has its
        whole answer already is told the end instead."""
        if self._over:
            return b""
        self._over = True
        if self._complete or self.stopped:
            return DONE
        return b"data: " + compact({"error": error_object(error)}) + b"\n\n"

    def whole(self, response: Json) -> Json:
        """The ``chat.completion`` object.

        Raises:
            ClientError: the response's failure.
        """
        return completion(response, self._model, self._options)

    # --- text --------------------------------------------------------------------------------

    def _created(self, event: Json) -> bytes:
        return self._chunks.open(response_of(event))

    def _text_delta(self, event: Json) -> bytes:
        item = item_key(event)
        delta = self._new((_TEXT, item, part_index(event, "content_index")), event.get("delta"))
        return self._text(item, delta) if delta else b""

    def _text_done(self, event: Json) -> bytes:
        item = item_key(event)
        rest = self._rest((_TEXT, item, part_index(event, "content_index")), event.get("text"))
        return self._text(item, rest) if rest else b""

    def _text(self, item: Hashable, text: str) -> bytes:
        shown = self._content.add(item, text)
        out = self._chunks.delta(b'{"content":' + quoted(shown) + b"}") if shown else b""
        if self._content.stopped:
            self.stopped = True
            out += self._chunks.finish("stop")
        return out

    def _flush_text(self) -> bytes:
        held = self._content.flush()
        return self._chunks.delta(b'{"content":' + quoted(held) + b"}") if held else b""

    def _annotation_added(self, event: Json) -> bytes:
        return self._cite(
            item_key(event), part_index(event, "content_index"), event.get("annotation")
        )

    def _cite(self, item: Hashable, part: int, given: Any) -> bytes:
        if self.stopped:
            return b""
        self._cited[item, part] = self._cited.get((item, part), 0) + 1
        before = sum(
            self._shown.characters.get((_TEXT, item, earlier), 0) for earlier in range(part)
        )
        added = annotation(given, self._content.start_of(item) + before)
        return b"" if added is None else self._chunks.delta(compact({"annotations": [added]}))

    def _refusal_delta(self, event: Json) -> bytes:
        key = (_REFUSAL, item_key(event), part_index(event, "content_index"))
        return self._refusal(self._new(key, event.get("delta")))

    def _refusal_done(self, event: Json) -> bytes:
        key = (_REFUSAL, item_key(event), part_index(event, "content_index"))
        return self._refusal(self._rest(key, event.get("refusal")))

    def _refusal(self, text: str) -> bytes:
        return self._chunks.delta(b'{"refusal":' + quoted(text) + b"}") if text else b""

    # --- reasoning ---------------------------------------------------------------------------

    def _summary_delta(self, event: Json) -> bytes:
        key = (_SUMMARY, item_key(event), part_index(event, "summary_index"))
        return self._reasoning(key, self._new(key, event.get("delta")))

    def _summary_done(self, event: Json) -> bytes:
        key = (_SUMMARY, item_key(event), part_index(event, "summary_index"))
        return self._reasoning(key, self._rest(key, event.get("text")))

    def _thought_delta(self, event: Json) -> bytes:
        key = (_THOUGHT, item_key(event), part_index(event, "content_index"))
        return self._reasoning(key, self._new(key, event.get("delta")))

    def _thought_done(self, event: Json) -> bytes:
        key = (_THOUGHT, item_key(event), part_index(event, "content_index"))
        return self._reasoning(key, self._rest(key, event.get("text")))

    def _reasoning(self, key: TextKey, text: str) -> bytes:
        if not text or not self._options.show_reasoning:
            return b""
        if key != self._thought:
            if self._thought is not None:
                text = BREAK + text
            self._thought = key
        return self._chunks.delta(b'{"reasoning_content":' + quoted(text) + b"}")

    # --- what was given already --------------------------------------------------------------

    def _new(self, key: TextKey, delta: Any) -> str:
        """A delta, counted."""
        return "" if self.stopped else self._shown.new(key, delta)

    def _rest(self, key: TextKey, text: Any) -> str:
        """What of a finished text did not come as deltas."""
        return "" if self.stopped else self._shown.rest(key, text)

    # --- items and calls ---------------------------------------------------------------------

    def _item_added(self, event: Json) -> bytes:
        item = event.get("item")
        return self._announce(item_key(event), item) if isinstance(item, dict) else b""

    def _item_done(self, event: Json) -> bytes:
        item = event.get("item")
        if not isinstance(item, dict):
            return b""
        self._items_done = True
        key = item_key(event)
        match item.get("type"):
            case "message":
                return self._message_done(key, item.get("content"))
            case "reasoning":
                out = b""
                for channel, member in ((_SUMMARY, "summary"), (_THOUGHT, "content")):
                    for index, text in enumerate(texts(item.get(member))):
                        part = (channel, key, index)
                        out += self._reasoning(part, self._rest(part, text))
                return out
            case "function_call":
                return self._announce(key, item) + self._call_rest(key, item.get("arguments"))
            case "custom_tool_call":
                return self._announce(key, item) + self._call_rest(key, item.get("input"))
            case _:
                return b""

    def _message_done(self, key: Hashable, content: Any) -> bytes:
        out = b""
        for index, part in enumerate(listed(content)):
            if not isinstance(part, dict):
                continue
            if part.get("type") == "refusal":
                out += self._refusal(self._rest((_REFUSAL, key, index), part.get("refusal")))
                continue
            rest = self._rest((_TEXT, key, index), part.get("text"))
            if rest:
                out += self._text(key, rest)
            for given in listed(part.get("annotations"))[self._cited.get((key, index), 0) :]:
                out += self._cite(key, index, given)
        return out

    def _announce(self, key: Hashable, item: Json) -> bytes:
        """The first chunk of a call: its id and name, and the arguments known so far."""
        if key in self._calls or self.stopped:
            return b""
        described = tool_call(item, functions_only=self._options.single_function)
        if described is None:
            return b""
        index = len(self._calls)
        kind = described["type"]
        inner = described[kind]
        member = "arguments" if kind == "function" else "input"
        call = self._calls[key] = _Call(sent=len(inner[member]))
        if not self._options.single_function:
            call.opening = b'{"tool_calls":[{"index":%d,"%s":{"%s":' % (
                index,
                kind.encode(),
                member.encode(),
            )
            call.closing = b"}}]}"
            delta = {"tool_calls": [{"index": index, **described}]}
        elif index == 0:
            call.opening = b'{"function_call":{"%s":' % member.encode()
            call.closing = b"}}"
            delta = {"function_call": inner}
        else:
            return b""
        return self._flush_text() + self._chunks.delta(compact(delta))

    def _call_delta(self, event: Json) -> bytes:
        call = self._calls.get(item_key(event))
        delta = event.get("delta")
        if call is None or self.stopped or type(delta) is not str or not delta:
            return b""  # without an announcement the finished item tells all
        call.sent += len(delta)
        return self._arguments(call, delta)

    def _call_done(self, event: Json) -> bytes:
        return self._call_rest(item_key(event), event.get("arguments", event.get("input")))

    def _call_rest(self, key: Hashable, arguments: Any) -> bytes:
        call = self._calls.get(key)
        if call is None or self.stopped or type(arguments) is not str:
            return b""
        rest = arguments[call.sent :]
        call.sent += len(rest)
        return self._arguments(call, rest) if rest else b""

    def _arguments(self, call: _Call, text: str) -> bytes:
        if not call.opening:
            return b""
        return self._chunks.delta(call.opening + quoted(text) + call.closing)

    # --- the end -----------------------------------------------------------------------------

    def _completed(self, event: Json) -> bytes:
        response = response_of(event)
        if event["type"] == "response.incomplete":
            response = {**response, "status": "incomplete"}
        out = self._chunks.open(response)
        if not self._items_done:
            out += self._output_items(response.get("output"))
        self._complete = True
        if not self.stopped:
            out += self._flush_text()
        if not self.stopped:
            call = "function_call" if self._options.single_function else "tool_calls"
            out += self._chunks.finish(finish_reason(response, call if self._calls else ""))
        counts = usage(response) if self._options.include_usage else None
        return out + self._chunks.usage(counts) if counts is not None else out

    def _output_items(self, output: Any) -> bytes:
        """The items of an answer whose stream had none."""
        known = [item for _, item, _ in self._shown.characters] + list(self._calls)
        indexed = all(isinstance(item, int) for item in known)
        out = b""
        for index, item in enumerate(listed(output)):
            out += self._item_done({"item": item, "output_index": index if indexed else None})
        return out

    def _response_failed(self, event: Json) -> bytes:
        return self.failed(response_failure(response_of(event).get("error")))

    def _error_event(self, event: Json) -> bytes:
        return self.failed(response_failure(event.get("error") or event))


@dataclass(slots=True)
class _Call:
    """A call that was announced. ``opening`` is empty for one that the client is not shown."""

    sent: int  # characters of the arguments
    opening: bytes = b""
    closing: bytes = b""
