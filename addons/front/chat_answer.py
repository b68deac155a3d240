"""A finished Responses object as a ``chat.completion``, and the parts that streams share."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from addons.front.contract import Json
from addons.front.openai_errors import response_failure
from addons.front.reading import BREAK, count, incomplete_reason, listed, model_name, texts
from addons.front.stop_sequences import StopFilter


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What a chat request says about the form of its answer. The neutral form has none of it.

    Attributes:
        include_usage: end a stream with a chunk that holds the usage.
        stops: stop sequences, applied to the text of each message.
        show_reasoning: give reasoning (summaries or text) as ``reasoning_content``.
        single_function: the caller uses the older ``functions``: the first call is given as
            ``function_call``.
    """

    include_usage: bool = False
    stops: tuple[str, ...] = ()
    show_reasoning: bool = True
    single_function: bool = False

    @classmethod
    def of(cls, request: Json) -> AnswerOptions:
        """The options of a request that was parsed without an error."""
        stream_options = request.get("stream_options") or {}
        stop = request.get("stop") or ()
        reasoning = request.get("reasoning") or {}
        return cls(
            include_usage=bool(stream_options.get("include_usage")),
            stops=(stop,) if isinstance(stop, str) else tuple(stop),
            show_reasoning=request.get("include_reasoning") is not False
            and not reasoning.get("exclude"),
            single_function=bool(request.get("functions")) and not request.get("tools"),
        )


def completion_id(response: Json) -> str:
    """``chatcmpl-`` and the response's own id, so that both can be found in an upstream's log."""
    given = response.get("id")
    if isinstance(given, str) and given:
        return f"chatcmpl-{given.removeprefix('resp_')}"
    return f"chatcmpl-{secrets.token_hex(16)}"


def created_at(response: Json) -> int:
    """Unix seconds; the upstream's where it tells."""
    created = response.get("created_at")
    return int(created) if isinstance(created, int | float) and created > 0 else int(time.time())


def finish_reason(response: Json, call: str = "") -> str:
    """Why the answer ended, in chat words.

    Args:
        call: ``tool_calls`` or ``function_call`` when the answer holds one.
    """
    reason = incomplete_reason(response)
    if not reason:
        return call or "stop"
    return "content_filter" if reason == "content_filter" else "length"


def usage(response: Json) -> Json | None:
    """The ``usage`` member, None where the upstream told nothing."""
    given = response.get("usage")
    if not isinstance(given, dict):
        return None
    prompt = count(given, "input_tokens")
    completion = count(given, "output_tokens")
    inputs = given.get("input_tokens_details")
    outputs = given.get("output_tokens_details")
    prompt_details = {"cached_tokens": count(inputs, "cached_tokens")}
    if isinstance(inputs, dict) and "cache_write_tokens" in inputs:
        prompt_details["cache_write_tokens"] = count(inputs, "cache_write_tokens")
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": count(given, "total_tokens") or prompt + completion,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": count(outputs, "reasoning_tokens")},
    }


def annotation(given: Any, offset: int) -> Json | None:
    """A URL citation in chat form; None for other kinds, which chat completions do not have.

    Args:
        offset: characters of the answer before the text that the citation counts from.
    """
    if not isinstance(given, dict) or given.get("type") != "url_citation":
        return None
    url = given.get("url")
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": offset + count(given, "start_index"),
            "end_index": offset + count(given, "end_index"),
            "title": str(given.get("title") or ""),
            "url": url if isinstance(url, str) else "",
        },
    }


def tool_call(item: Json, *, functions_only: bool = False) -> Json | None:
    """A call item as a member of ``tool_calls``; None for other items and for an incomplete one."""
    call_id, name = item.get("call_id"), item.get("name")
    if not isinstance(call_id, str) or not isinstance(name, str):
        return None
    if item.get("type") == "function_call":
        function = {"name": name, "arguments": str(item.get("arguments") or "")}
        return {"id": call_id, "type": "function", "function": function}
    if item.get("type") == "custom_tool_call" and not functions_only:
        custom = {"name": name, "input": str(item.get("input") or "")}
        return {"id": call_id, "type": "custom", "custom": custom}
    return None


def completion(response: Json, model: str, options: AnswerOptions) -> Json:
    """The ``chat.completion`` object of a finished response.

    Args:
        model: the name that was asked for.

    Raises:
        ClientError: the response's failure.
    """
    if response.get("status") == "failed":
        raise response_failure(response.get("error"))
    parts = _Parts(options)
    for item in listed(response.get("output")):
        if isinstance(item, dict) and not parts.stopped:
            parts.add(item)
    message: Json = {
        "role": "assistant",
        "content": parts.content,
        "refusal": "".join(parts.refusals) or None,
    }
    if parts.reasonings and options.show_reasoning:
        message["reasoning_content"] = BREAK.join(parts.reasonings)
    message["annotations"] = parts.annotations
    call = ""
    if parts.calls and options.single_function:
        call = "function_call"
        message[call] = parts.calls[0].get("function")
    elif parts.calls:
        call = "tool_calls"
        message[call] = parts.calls
    reason = "stop" if parts.stopped else finish_reason(response, call)
    answer: Json = {
        "id": completion_id(response),
        "object": "chat.completion",
        "created": created_at(response),
        "model": model_name(response, model),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
    }
    counts = usage(response)
    if counts is not None:
        answer["usage"] = counts
    if isinstance(response.get("service_tier"), str):
        answer["service_tier"] = response["service_tier"]
    return answer


class _Parts:
    """The output items of one response, sorted into what a chat message holds."""

    def __init__(self, options: AnswerOptions) -> None:
        self._options = options
        self._texts: list[str] = []
        self._said = 0
        self.refusals: list[str] = []
        self.reasonings: list[str] = []
        self.calls: list[Json] = []
        self.annotations: list[Json] = []
        self.stopped = False

    @property
    def content(self) -> str | None:
        return "".join(self._texts) if self._texts else None

    def add(self, item: Json) -> None:
        match item.get("type"):
            case "message":
                self._message(item)
            case "reasoning":
                for member in ("summary", "content"):
                    self.reasonings += [text for text in texts(item.get(member)) if text]
            case _:
                call = tool_call(item, functions_only=self._options.single_function)
                if call is not None:
                    self.calls.append(call)

    def _message(self, item: Json) -> None:
        stop = StopFilter(self._options.stops) if self._options.stops else None
        text = ""
        length = 0  # of the parts, what the stop filter holds back included
        annotations: list[Json] = []
        for part in listed(item.get("content")):
            if not isinstance(part, dict):
                continue
            if part.get("type") == "refusal":
                self.refusals.append(str(part.get("refusal") or ""))
            elif isinstance(part.get("text"), str):
                for given in listed(part.get("annotations")):
                    translated = annotation(given, length)
                    if translated is not None:
                        annotations.append(translated)
                length += len(part["text"])
                text += part["text"] if stop is None else stop.feed(part["text"])
                if stop is not None and stop.hit:
                    self.stopped = True
                    break
        if stop is not None:
            text += stop.flush()
        if not text:
            return
        start = self._said + len(BREAK) if self._texts else 0
        for translated in annotations:
            citation = translated["url_citation"]
            if citation["end_index"] <= len(text):
                citation["start_index"] += start
                citation["end_index"] += start
                self.annotations.append(translated)
        if self._texts:
            self._texts.append(BREAK)
        self._texts.append(text)
        self._said = start + len(text)
