"""Responses events to a chat completions stream. On the hot path: one call per delta."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

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
from addons.front.event_renderer import METHODS, REFUSAL, TEXT, EventRenderer
from addons.front.json_text import compact, quoted
from addons.front.openai_errors import error_object
from addons.front.reading import (
    BREAK,
    TextKey,
    item_key,
    listed,
    part_index,
    response_of,
    truncated,
)


class ChatRenderer(EventRenderer):
    """One answer, rendered for a chat completions client.

    Args:
        model: the name that was asked for.
        options: the form that the caller wants.

    Attributes:
        stopped: a stop sequence was met: the client has its whole answer, and what the upstream
            still sends is of use for the usage only.
    """

    methods: ClassVar[Mapping[str, str]] = {
        **METHODS,
        "response.output_text.annotation.added": "_annotation_added",
        "response.custom_tool_call_input.delta": "_call_delta",
        "response.custom_tool_call_input.done": "_call_done",
    }

    def __init__(self, model: str, options: AnswerOptions) -> None:
        super().__init__()
        self._model = model
        self._options = options
        self._chunks = ChunkWriter(model, include_usage=options.include_usage)
        self._content = Content(options.stops)
        self._cited: dict[tuple[Hashable, int], int] = {}  # annotations of a part given so far
        self._thought: TextKey | None = None  # the reasoning that came last
        self._calls: dict[Hashable, _Call] = {}
        self._complete = False
        self.stopped = False

    # --- the contract of a renderer ----------------------------------------------------------

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

    def _text(self, key: TextKey, text: str) -> bytes:
        if not text or self.stopped:
            return b""
        shown = self._content.add(key[1], text)
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
            self._shown.characters.get((TEXT, item, earlier), 0) for earlier in range(part)
        )
        added = annotation(given, self._content.start_of(item) + before)
        return b"" if added is None else self._chunks.delta(compact({"annotations": [added]}))

    def _refusal(self, key: TextKey, text: str) -> bytes:
        if not text or self.stopped:
            return b""
        return self._chunks.delta(b'{"refusal":' + quoted(text) + b"}")

    # --- reasoning ---------------------------------------------------------------------------

    def _reasoning(self, key: TextKey, text: str) -> bytes:
        if not text or self.stopped or not self._options.show_reasoning:
            return b""
        if key != self._thought:
            if self._thought is not None:
                text = BREAK + text
            self._thought = key
        return self._chunks.delta(b'{"reasoning_content":' + quoted(text) + b"}")

    # --- items and calls ---------------------------------------------------------------------

    def _begun(self, key: Hashable, item: Json) -> bytes:
        return self._announce(key, item)

    def _finished(self, key: Hashable, item: Json) -> bytes:
        match item.get("type"):
            case "message":
                return self._message_done(key, item.get("content"))
            case "reasoning":
                return self._reasoning_rest(key, item)
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
                which = (REFUSAL, key, index)
                out += self._refusal(which, self._shown.rest(which, part.get("refusal")))
                continue
            which = (TEXT, key, index)
            out += self._text(which, self._shown.rest(which, part.get("text")))
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

    def _ended(self, response: Json) -> bytes:
        out = self._chunks.open(response) + self._items_left(response)
        self._complete = True
        if not self.stopped:
            out += self._flush_text()
        if not self.stopped:
            call = "function_call" if self._options.single_function else "tool_calls"
            out += self._chunks.finish(finish_reason(response, call if self._calls else ""))
        counts = usage(response) if self._options.include_usage else None
        return out + self._chunks.usage(counts) if counts is not None else out


@dataclass(slots=True)
class _Call:
    """A call that was announced. ``opening`` is empty for one that the client is not shown."""

    sent: int  # characters of the arguments
    opening: bytes = b""
    closing: bytes = b""
