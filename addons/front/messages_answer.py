"""A finished Responses object as an Anthropic ``message``, and the parts that streams share."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final, Literal

from addons.front.contract import Json
from addons.front.messages_thinking import signature
from addons.front.openai_errors import response_failure
from addons.front.reading import BREAK, count, incomplete_reason, listed, texts
from addons.front.stop_sequences import StopFilter

type Thinking = Literal["none", "omitted", "summarized"]

INVALID: Final = "INVALID_JSON"
"""Only member of a tool's input that is no JSON object, as a model may write one: the key that
Anthropic's documentation proposes for it."""

_NO_NAME = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What a messages request says about the form of its answer. The neutral form has none of it.

    Attributes:
        stops: stop sequences, applied to each text block.
        thinking: how reasoning is shown: not at all, where nobody asked for it and a first block
            of text is expected; as a block with a signature only; or with its text.
    """

    stops: tuple[str, ...] = ()
    thinking: Thinking = "none"

    @classmethod
    def of(cls, request: Json) -> AnswerOptions:
        """The options of a request that was parsed without an error."""
        given = request.get("thinking") or {}
        shown: Thinking = "none"
        if given.get("type") in ("enabled", "adaptive"):
            shown = "omitted" if given.get("display") == "omitted" else "summarized"
        return cls(stops=tuple(request.get("stop_sequences") or ()), thinking=shown)


def message(response: Json, model: str, options: AnswerOptions) -> Json:
    """The ``message`` object of a finished response.

    Args:
        model: the name that was asked for.

    Raises:
        ClientError: the response's failure.
    """
    if response.get("status") == "failed":
        raise response_failure(response.get("error"))
    content = _Content(options)
    for item in listed(response.get("output")):
        if isinstance(item, dict) and not content.stopped:
            content.add(item)
    return {
        **message_head(response, model),
        "content": content.blocks,
        "stop_reason": stop_reason(
            response, stopped=content.stopped, refused=content.refused, calls=content.calls
        ),
        "stop_sequence": content.stopped or None,
        "usage": usage(response),
    }


def message_head(response: Json, model: str) -> Json:
    """The members that a message has from its start.

    The id is the response's own, so that both can be found in an upstream's log. The model is the
    one that was asked for, whichever has answered: Claude Code sends no thinking back that bears
    another name than it asks for, and reasoning would be lost (seen with 2.1.197 and 2.1.330).
    """
    given = response.get("id")
    known = isinstance(given, str) and given
    name = str(given).removeprefix("resp_") if known else secrets.token_hex(16)
    return {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage({}),
    }


def usage(response: Json) -> Json:
    """Token counts in Anthropic's way: the three kinds of input exclude each other.

    Zeros where the upstream told nothing, as at the start of a stream: clients take what stands
    at its end for the sum, so an estimate here would be one too many.
    """
    given = response.get("usage")
    inputs = given.get("input_tokens_details") if isinstance(given, dict) else None
    outputs = given.get("output_tokens_details") if isinstance(given, dict) else None
    read, written = count(inputs, "cached_tokens"), count(inputs, "cache_write_tokens")
    counts: Json = {
        "input_tokens": max(0, count(given, "input_tokens") - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": count(given, "output_tokens"),
    }
    if isinstance(outputs, dict) and "reasoning_tokens" in outputs:
        thinking = count(outputs, "reasoning_tokens")
        counts["output_tokens_details"] = {"thinking_tokens": thinking}
    return counts


def stop_reason(response: Json, *, stopped: str, refused: bool, calls: bool) -> str:
    """Why the answer ended, in Anthropic's words.

    Args:
        stopped: the stop sequence that was met, if any.
        refused: the model declined in so many words.
        calls: the answer holds a call of one of the client's tools.
    """
    if stopped:
        return "stop_sequence"
    reason = incomplete_reason(response)
    if reason:
        return "refusal" if reason == "content_filter" else "max_tokens"
    if refused:
        return "refusal"
    return "tool_use" if calls else "end_turn"


# --- blocks --------------------------------------------------------------------------------------


def thinking_text(item: Json) -> str:
    """All that a finished reasoning item shows of itself."""
    shown = [*texts(item.get("summary")), *texts(item.get("content"))]
    return BREAK.join(text for text in shown if text)


def thinking_block(item: Json, text: str, thinking: Thinking) -> Json | None:
    """The block of a finished reasoning item; None where there is nothing to show or to keep."""
    if thinking == "none":
        return None
    sealed = bool(item.get("encrypted_content"))
    if text and thinking == "summarized":
        return {"type": "thinking", "thinking": text, "signature": signature(item)}
    if not sealed:
        return None
    if thinking == "omitted":
        return {"type": "thinking", "thinking": "", "signature": signature(item)}
    return {"type": "redacted_thinking", "data": signature(item)}


def tool_use(item: Json) -> Json | None:
    """A call item as a block; None for other items and for an incomplete one.

    A free-form call, of a tool that no client of this protocol can offer, has its text as the
    member ``input``.
    """
    call_id, name = item.get("call_id"), item.get("name")
    if not isinstance(call_id, str) or not isinstance(name, str):
        return None
    if item.get("type") == "function_call":
        given = tool_input(str(item.get("arguments") or ""))
    elif item.get("type") == "custom_tool_call":
        given = {"input": str(item.get("input") or "")}
    else:
        return None
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def tool_input(arguments: str) -> Json:
    """A call's arguments as the object that a block wants."""
    try:
        parsed = json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        parsed = None
    return parsed if isinstance(parsed, dict) else {INVALID: arguments}


def web_search(item: Json) -> list[Json]:
    """A search that the upstream made, as the two blocks of one; none for a page that it opened.

    Anthropic's ``encrypted_content`` of a result has no counterpart and is empty.
    """
    action = item.get("action")
    if not isinstance(action, dict) or action.get("type") != "search":
        return []
    name = f"srvtoolu_{_NO_NAME.sub('', str(item.get('id') or ''))}"
    query = action.get("query")
    sources = [each for each in listed(action.get("sources")) if isinstance(each, dict)]
    results = [
        {
            "type": "web_search_result",
            "url": source["url"],
            "title": str(source.get("title") or source["url"]),
            "encrypted_content": "",
            "page_age": None,
        }
        for source in sources
        if isinstance(source.get("url"), str)
    ]
    return [
        {
            "type": "server_tool_use",
            "id": name,
            "name": "web_search",
            "input": {"query": query if isinstance(query, str) else ""},
        },
        {"type": "web_search_tool_result", "tool_use_id": name, "content": results},
    ]


def citations(part: Json) -> list[Json]:
    """The URL citations of a text part; other kinds have no counterpart."""
    text = part.get("text")
    found = []
    for given in listed(part.get("annotations")):
        if not isinstance(given, dict) or given.get("type") != "url_citation":
            continue
        url = given.get("url")
        start, end = count(given, "start_index"), count(given, "end_index")
        cited = text[start:end] if isinstance(text, str) and 0 <= start <= end else ""
        found.append(
            {
                "type": "web_search_result_location",
                "url": url if isinstance(url, str) else "",
                "title": str(given.get("title") or ""),
                "encrypted_index": "",
                "cited_text": cited,
            }
        )
    return found


class _Content:
    """The output items of one response as content blocks."""

    def __init__(self, options: AnswerOptions) -> None:
        self._options = options
        self.blocks: list[Json] = []
        self.stopped = ""
        self.refused = False
        self.calls = False

    def add(self, item: Json) -> None:
        match item.get("type"):
            case "message":
                for part in listed(item.get("content")):
                    if isinstance(part, dict) and not self.stopped:
                        self._part(part)
            case "reasoning":
                block = thinking_block(item, thinking_text(item), self._options.thinking)
                if block is not None:
                    self.blocks.append(block)
            case "web_search_call":
                self.blocks += web_search(item)
            case _:
                call = tool_use(item)
                if call is not None:
                    self.calls = True
                    self.blocks.append(call)

    def _part(self, part: Json) -> None:
        if part.get("type") == "refusal":
            given: Any = part.get("refusal")
            self.refused = self.refused or bool(given)
        else:
            given = part.get("text")
        if not isinstance(given, str):
            return
        text = given
        if self._options.stops:
            stop = StopFilter(self._options.stops)
            text = stop.feed(given)
            text += stop.flush()
            self.stopped = stop.found
        if not text:
            return
        block: Json = {"type": "text", "text": text}
        if not self.stopped and (cited := citations(part)):
            block["citations"] = cited
        self.blocks.append(block)
