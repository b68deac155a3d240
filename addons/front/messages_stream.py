"""Responses events to a messages stream. On the hot path: one call per delta."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any, Final

from addons.errors import ClientError
from addons.front import messages_errors
from addons.front.contract import Json
from addons.front.event_renderer import REFUSAL, TEXT, EventRenderer
from addons.front.json_text import compact
from addons.front.messages_answer import (
    AnswerOptions,
    citations,
    message,
    message_head,
    stop_reason,
    thinking_block,
    thinking_text,
    tool_use,
    usage,
    web_search,
)
from addons.front.messages_blocks import Block, Blocks
from addons.front.reading import (
    BREAK,
    TextKey,
    item_key,
    listed,
    response_of,
    truncated,
)

PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'

_CALL: Final = "call"


class MessagesRenderer(EventRenderer):
    """One answer, rendered for a client of the messages protocol.

    Args:
        model: the name that was asked for.
        options: the form that the caller wants.
    """

    def __init__(self, model: str, options: AnswerOptions) -> None:
        super().__init__()
        self._model = model
        self._options = options
        self._blocks = Blocks(options.stops)
        self._texts: dict[TextKey, Block] = {}
        self._thinking: dict[Hashable, Block] = {}
        self._last: dict[Hashable, TextKey] = {}  # of each reasoning, the part that came last
        self._calls: dict[Hashable, Block] = {}
        self._refused = False
        self._started = False

    # --- the contract of a renderer ----------------------------------------------------------

    def event(self, event: Json) -> bytes:
        """See :class:`addons.front.contract.Renderer`."""
        out = super().event(event)
        return out if self._started or not out or self._over else self._start({}) + out

    def finish(self) -> bytes:
        """Nothing after a ``message_stop``; an error when the response never came to its end."""
        return self.failed(truncated())

    def failed(self, error: ClientError) -> bytes:
        """An ``error`` event, which SDKs raise, and no ``message_stop`` after it. A client that
        has its whole answer already, up to a stop sequence, is told the end instead."""
        if self._over:
            return b""
        if self._blocks.stopped:
            return (b"" if self._started else self._start({})) + self._end({})
        self._over = True
        return messages_errors.event(error)

    def whole(self, response: Json) -> Json:
        """The ``message`` object.

        Raises:
            ClientError: the response's failure.
        """
        return message(response, self._model, self._options)

    # --- start and end -----------------------------------------------------------------------

    def _created(self, event: Json) -> bytes:
        return b"" if self._started else self._start(response_of(event))

    def _start(self, response: Json) -> bytes:
        self._started = True
        head = message_head(response, self._model)
        return _event("message_start", message=head) + PING

    def _ended(self, response: Json) -> bytes:
        out = b"" if self._started else self._start(response)
        out += self._items_left(response)
        return out + self._blocks.finish() + self._end(response)

    def _end(self, response: Json) -> bytes:
        self._over = True
        stopped = self._blocks.stopped
        reason = stop_reason(
            response, stopped=stopped, refused=self._refused, calls=bool(self._calls)
        )
        delta = {"stop_reason": reason, "stop_sequence": stopped or None}
        return _event("message_delta", delta=delta, usage=usage(response)) + _event("message_stop")

    # --- text --------------------------------------------------------------------------------

    def _refusal(self, key: TextKey, text: str) -> bytes:
        self._refused = self._refused or bool(text)
        return self._text(key, text)

    def _text(self, key: TextKey, text: str) -> bytes:
        if not text:
            return b""
        block = self._texts.get(key)
        if block is None:
            block = self._texts[key] = self._blocks.text(key[1])
        return self._blocks.write(block, text)

    def _message_done(self, item: Hashable, content: Any) -> bytes:
        out = b""
        for index, part in enumerate(listed(content)):
            if not isinstance(part, dict):
                continue
            refused = part.get("type") == "refusal"
            key = (REFUSAL if refused else TEXT, item, index)
            rest = self._shown.rest(key, part.get("refusal" if refused else "text"))
            out += self._refusal(key, rest) if refused else self._text(key, rest)
            block = self._texts.get(key)
            if block is not None and not refused:
                for cited in citations(part):
                    delta = {"type": "citations_delta", "citation": cited}
                    out += self._blocks.write(block, compact(delta))
        return out

    # --- reasoning ---------------------------------------------------------------------------

    def _reasoning(self, key: TextKey, text: str) -> bytes:
        if not text or self._options.thinking != "summarized":
            return b""
        item = key[1]
        block = self._thinking.get(item)
        if block is None:
            block = self._thinking[item] = self._blocks.thinking(item)
        if self._last.setdefault(item, key) != key:
            text = BREAK + text
            self._last[item] = key
        return self._blocks.write(block, text)

    def _reasoning_done(self, key: Hashable, item: Json) -> bytes:
        out = self._reasoning_rest(key, item)
        whole = thinking_block(item, thinking_text(item), self._options.thinking)
        if whole is None:
            return out
        if whole["type"] == "redacted_thinking":
            self._blocks.whole(key, whole)
            return out
        block = self._thinking.get(key) or self._blocks.thinking(key)
        sealed = {"type": "signature_delta", "signature": whole["signature"]}
        return out + self._blocks.write(block, compact(sealed))

    # --- items and calls ---------------------------------------------------------------------

    def _begun(self, key: Hashable, item: Json) -> bytes:
        self._blocks.item(key)
        calls = item.get("type") in ("function_call", "custom_tool_call")
        return self._announce(key, item) if calls else b""

    def _finished(self, key: Hashable, item: Json) -> bytes:
        return self._rest_of(key, item) + self._blocks.close(key)

    def _rest_of(self, key: Hashable, item: Json) -> bytes:
        """What of a finished item was not shown yet."""
        match item.get("type"):
            case "message":
                return self._message_done(key, item.get("content"))
            case "reasoning":
                return self._reasoning_done(key, item)
            case "function_call" | "custom_tool_call":
                return self._announce(key, item) + self._finish_call(key, item)
            case "web_search_call":
                return self._search_done(key, item)
            case _:
                return b""

    def _announce(self, key: Hashable, item: Json) -> bytes:
        """The first event of a call: its id and name."""
        if key in self._calls or self._blocks.stopped:
            return b""
        described = tool_use(item)
        if described is None:
            return b""
        self._calls[key] = self._blocks.call(key, {**described, "input": {}})
        out = self._blocks.advance()
        if item["type"] == "custom_tool_call":
            return out  # its one member is written when all of it is known
        return out + self._call_rest(key, item.get("arguments"))

    def _call_delta(self, event: Json) -> bytes:
        block = self._calls.get(item_key(event))
        if block is None:
            return b""  # without an announcement the finished item tells all
        delta = self._shown.new((_CALL, item_key(event), 0), event.get("delta"))
        return self._blocks.write(block, delta) if delta else b""

    def _call_done(self, event: Json) -> bytes:
        return self._call_rest(item_key(event), event.get("arguments"))

    def _call_rest(self, key: Hashable, arguments: Any) -> bytes:
        block = self._calls.get(key)
        rest = self._shown.rest((_CALL, key, 0), arguments) if block is not None else ""
        return self._blocks.write(block, rest) if block is not None and rest else b""

    def _finish_call(self, key: Hashable, item: Json) -> bytes:
        if item.get("type") == "custom_tool_call":
            described = tool_use(item)
            arguments = json.dumps(described["input"]) if described is not None else ""
            return self._call_rest(key, arguments)
        return self._call_rest(key, item.get("arguments"))

    def _search_done(self, key: Hashable, item: Json) -> bytes:
        out = b""
        for described in web_search(item):
            if described["type"] == "server_tool_use":
                block = self._blocks.call(key, {**described, "input": {}})
                out += self._blocks.write(block, json.dumps(described["input"]))
                block.closed = True
            else:
                self._blocks.whole(key, described)
        return out


def _event(kind: str, **members: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), compact({"type": kind, **members}))
