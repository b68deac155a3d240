"""A chat completion request as a Responses request.

Members are translated in the client's order. What has no counterpart is dropped with a note where
the answer stays right without it, and refused where it would not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from addons.errors import BadRequest
from addons.front import chat_tools
from addons.front.chat_answer import AnswerOptions
from addons.front.chat_messages import input_items
from addons.front.contract import Json, Turn
from addons.front.members import check_members, fault, has_type

MAX_STOPS: Final = 4
"""Stop sequences in one request, as OpenAI has it."""

# Same name and meaning on both sides. Whether the upstream takes them is the provider's affair.
_SAME: Final[dict[str, str]] = {
    "metadata": "object",
    "moderation": "object",
    "parallel_tool_calls": "boolean",
    "prompt_cache_key": "string",
    "prompt_cache_options": "object",
    "prompt_cache_retention": "string",
    "safety_identifier": "string",
    "service_tier": "string",
    "store": "boolean",
    "stream": "boolean",
    "temperature": "number",
    "top_p": "number",
    "user": "string",
}

# Sampling hints that Responses lacks; an answer without them is still an answer.
_HINTS: Final[dict[str, str]] = {
    "frequency_penalty": "number",
    "logit_bias": "object",
    "prediction": "object",
    "presence_penalty": "number",
    "seed": "integer",
}


class ChatRequest:
    """One request on its way to the neutral form."""

    def __init__(self, body: Json) -> None:
        self._given = body
        self._out: Json = {}
        self._notes: list[str] = []

    def turn(self) -> Turn:
        """Translate.

        Raises:
            BadRequest: names the member and the remedy.
        """
        given = self._given
        model = given.get("model")
        if not isinstance(model, str) or not model:
            raise fault("model", "a model's name as a string (see GET /v1/models)", model)
        messages = given.get("messages")
        if not isinstance(messages, list):
            raise fault("messages", "an array of messages", messages)
        if not messages:
            raise BadRequest(
                "invalid_value", "`messages` is empty; send at least one.", param="messages"
            )
        check_members(given, _SAME)
        for name, value in given.items():
            if value is None:
                continue
            if name in _SAME:
                self._out[name] = value
            elif name in _HANDLERS:
                _HANDLERS[name](self, value)
            else:
                self._drop(name, "chat completions do not define it")
        options = AnswerOptions.of(given)
        if options.single_function:
            self._out["parallel_tool_calls"] = False  # the answer has room for one call
        self._complete_reasoning(options.show_reasoning)
        return Turn(model, self._out, bool(given.get("stream")), self._notes)

    def _drop(self, name: str, reason: str) -> None:
        self._notes.append(f"{name}: {reason}; it was dropped.")

    # --- members -----------------------------------------------------------------------------

    def _model(self, value: Any) -> None:
        self._out["model"] = value

    def _messages(self, value: Any) -> None:
        self._out["input"] = input_items(value, self._notes)

    def _tools(self, value: Any) -> None:
        self._add_tools(chat_tools.tools(value))

    def _functions(self, value: Any) -> None:
        translated = chat_tools.functions(value)
        if self._given.get("tools"):
            self._drop("functions", "`tools` is given as well")
        else:
            self._add_tools(translated)

    def _add_tools(self, tools: list[Json]) -> None:
        if tools:
            self._out["tools"] = [*self._out.get("tools", ()), *tools]

    def _tool_choice(self, value: Any) -> None:
        self._out["tool_choice"] = chat_tools.tool_choice(value)

    def _function_call(self, value: Any) -> None:
        self._out.setdefault("tool_choice", chat_tools.function_choice(value))

    def _web_search(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise fault("web_search_options", "an object", value)
        tool: Json = {"type": "web_search"}
        if value.get("search_context_size") is not None:
            tool["search_context_size"] = value["search_context_size"]
        location = value.get("user_location")
        if isinstance(location, dict):
            inner = location.get("approximate")
            tool["user_location"] = {
                "type": "approximate",
                **(inner if isinstance(inner, dict) else {}),
            }
        self._add_tools([tool])

    def _max_tokens(self, value: Any) -> None:
        _check("max_tokens", value, "integer")
        self._out.setdefault("max_output_tokens", value)

    def _max_completion_tokens(self, value: Any) -> None:
        _check("max_completion_tokens", value, "integer")
        self._out["max_output_tokens"] = value

    def _effort(self, value: Any) -> None:
        _check("reasoning_effort", value, "string")
        self._reasoning_member()["effort"] = value

    def _reasoning(self, value: Any) -> None:
        """``reasoning`` as several gateways take it: ``effort``, ``enabled``, ``exclude``,
        ``summary``, ``max_tokens``."""
        if not isinstance(value, dict):
            raise fault("reasoning", "an object", value)
        wanted = {"effort": "string", "summary": "string", "enabled": "boolean"}
        check_members(value, {**wanted, "exclude": "boolean"}, "reasoning")
        member = self._reasoning_member()
        effort = "none" if value.get("enabled") is False else value.get("effort")
        if effort is not None and self._given.get("reasoning_effort") is None:
            member["effort"] = effort
        if value.get("summary") is not None:
            member["summary"] = value["summary"]
        if value.get("max_tokens") is not None:
            self._drop("reasoning.max_tokens", "effort is the only measure that Responses has")

    def _include_reasoning(self, value: Any) -> None:
        _check("include_reasoning", value, "boolean")  # the renderer's affair

    def _reasoning_member(self) -> Json:
        member: Json = self._out.setdefault("reasoning", {})
        return member

    def _complete_reasoning(self, show: bool) -> None:
        """A caller who asks for reasoning is to see some of it: that is a summary."""
        member = self._out.get("reasoning")
        if member is None:
            return
        if show and member.get("effort") != "none":
            member.setdefault("summary", "auto")
        if not member:
            del self._out["reasoning"]

    def _response_format(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise fault("response_format", "an object", value)
        match value.get("type"):
            case "text" | "json_object" as kind:
                self._text_member()["format"] = {"type": kind}
            case "json_schema":
                given = value.get("json_schema")
                path = "response_format.json_schema"
                if not isinstance(given, dict):
                    raise fault(path, "an object", given)
                check_members(given, {"name": "string", "schema": "object"}, path, required=True)
                check_members(given, {"strict": "boolean", "description": "string"}, path)
                names = ("name", "description", "strict", "schema")
                self._text_member()["format"] = {
                    "type": "json_schema",
                    **{name: given[name] for name in names if given.get(name) is not None},
                }
            case _:
                raise BadRequest(
                    "invalid_value",
                    "`response_format.type` must be `text`, `json_object` or `json_schema`.",
                    param="response_format.type",
                )

    def _verbosity(self, value: Any) -> None:
        _check("verbosity", value, "string")
        self._text_member()["verbosity"] = value

    def _text_member(self) -> Json:
        member: Json = self._out.setdefault("text", {})
        return member

    def _stop(self, value: Any) -> None:
        sequences = [value] if isinstance(value, str) else value
        if not isinstance(sequences, list):
            raise fault("stop", "a string or an array of strings", value)
        for index, sequence in enumerate(sequences):
            if not isinstance(sequence, str) or not sequence:
                raise fault(f"stop[{index}]", "a non-empty string", sequence)
        if len(sequences) > MAX_STOPS:
            raise BadRequest(
                "invalid_value", f"`stop` takes at most {MAX_STOPS} sequences.", param="stop"
            )

    def _stream_options(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise fault("stream_options", "an object", value)
        check_members(value, {"include_usage": "boolean"}, "stream_options")

    def _n(self, value: Any) -> None:
        _check("n", value, "integer")
        if value != 1:
            raise _unsupported("n", "one answer per request is all there is; send n requests")

    def _logprobs(self, value: Any) -> None:
        _check("logprobs", value, "boolean")
        if value:
            raise _unsupported("logprobs", "log probabilities are not available; leave it out")

    def _top_logprobs(self, value: Any) -> None:
        _check("top_logprobs", value, "integer")
        if value:
            raise _unsupported("top_logprobs", "log probabilities are not available; leave it out")

    def _modalities(self, value: Any) -> None:
        if not isinstance(value, list):
            raise fault("modalities", "an array", value)
        if value != ["text"]:
            raise _unsupported("modalities", 'only ["text"] is available')

    def _audio(self, value: Any) -> None:
        raise _unsupported("audio", "answers are text only; leave it out")

    def _hint(self, name: str, value: Any) -> None:
        _check(name, value, _HINTS[name])
        if value:  # 0 and {} say nothing
            self._drop(name, "Responses has no counterpart")


def _check(name: str, value: Any, wanted: str) -> None:
    if not has_type(value, wanted):
        raise fault(name, f"{'an' if wanted[0] in 'aio' else 'a'} {wanted}", value)


def _unsupported(name: str, remedy: str) -> BadRequest:
    return BadRequest("unsupported_value", f"`{name}`: {remedy}.", param=name)


def _hint_handler(name: str) -> Callable[[ChatRequest, Any], None]:
    return lambda request, value: request._hint(name, value)


_HANDLERS: Final[dict[str, Callable[[ChatRequest, Any], None]]] = {
    "audio": ChatRequest._audio,
    "function_call": ChatRequest._function_call,
    "functions": ChatRequest._functions,
    "include_reasoning": ChatRequest._include_reasoning,
    "logprobs": ChatRequest._logprobs,
    "max_completion_tokens": ChatRequest._max_completion_tokens,
    "max_tokens": ChatRequest._max_tokens,
    "messages": ChatRequest._messages,
    "modalities": ChatRequest._modalities,
    "model": ChatRequest._model,
    "n": ChatRequest._n,
    "reasoning": ChatRequest._reasoning,
    "reasoning_effort": ChatRequest._effort,
    "response_format": ChatRequest._response_format,
    "stop": ChatRequest._stop,
    "stream_options": ChatRequest._stream_options,
    "tool_choice": ChatRequest._tool_choice,
    "tools": ChatRequest._tools,
    "top_logprobs": ChatRequest._top_logprobs,
    "verbosity": ChatRequest._verbosity,
    "web_search_options": ChatRequest._web_search,
    **{name: _hint_handler(name) for name in _HINTS},
}
