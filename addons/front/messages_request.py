"""A messages request as a Responses request.

Members are translated in the client's order. What has no counterpart is dropped with a note where
the answer stays right without it, and refused where it would not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from addons.errors import BadRequest
from addons.front import messages_tools
from addons.front.closed_schemas import is_closed
from addons.front.contract import Json, Turn
from addons.front.members import check_members, fault, has_type
from addons.front.messages_answer import AnswerOptions
from addons.front.messages_content import plain_texts
from addons.front.messages_history import History

LEAST_OUTPUT: Final = 16
"""Tokens. The smallest limit that the Responses API takes; clients probe with 1."""

ENCRYPTED: Final = "reasoning.encrypted_content"

BUDGETS: Final = ((4_096, "low"), (16_384, "medium"), (32_768, "high"))
"""Thinking budgets in tokens up to which an effort is meant; above the last, ``xhigh``. Effort is
the only measure that Responses has. 31,999 is the most that Claude Code asks for by itself."""

# Same name and meaning on both sides. Whether the upstream takes them is the provider's affair.
_SAME: Final[dict[str, str]] = {
    "metadata": "object",
    "stream": "boolean",
    "temperature": "number",
    "top_p": "number",
}

_DROPPED: Final[dict[str, str]] = {
    "cache_control": "the upstream decides what it caches",
    "context_management": "the upstream edits no context; the client's whole history is sent",
    "diagnostics": "the upstream gives no such",
    "inference_geo": "the upstream knows no regions",
    "speed": "the upstream knows no speeds",
    "top_k": "Responses has no counterpart",
}

_REFUSED: Final[dict[str, str]] = {
    "container": "the upstream runs no code in containers; leave it out",
    "mcp_servers": "the upstream connects to no servers; offer their tools in `tools`",
}

_BILLING: Final = "x-anthropic-billing-header:"
"""How the line begins that Claude Code puts before its system prompt. It tells Anthropic's
accounting the client's version, and in some releases a checksum of each request, with which no
prompt would ever be found in a cache."""


class MessagesRequest:
    """One request on its way to the neutral form."""

    def __init__(self, body: Json) -> None:
        self._given = body
        self._out: Json = {}
        self._notes: list[str] = []
        self._history: History | None = None

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
        self._history = History(messages, self._notes)
        for name, value in given.items():
            if value is None:
                continue
            if name in _SAME:
                self._out[name] = value
            elif name in _HANDLERS:
                _HANDLERS[name](self, value)
            elif name in _REFUSED:
                if value:
                    raise _unsupported(name, _REFUSED[name])
            else:
                self._drop(name, _DROPPED.get(name, "the messages protocol does not define it"))
        if self._history.changes.defined and given.get("tools") is None:
            self._tools([])
        self._complete_reasoning(self._history.effort)
        self._out["store"] = False  # nothing here can be fetched or continued by an id
        return Turn(model, self._out, bool(given.get("stream")), self._notes)

    def _drop(self, name: str, reason: str) -> None:
        self._notes.append(f"{name}: {reason}; it was dropped.")

    # --- members -----------------------------------------------------------------------------

    def _model(self, value: Any) -> None:
        self._out["model"] = value

    def _messages(self, value: Any) -> None:
        assert self._history is not None
        self._out["input"] = self._history.items

    def _system(self, value: Any) -> None:
        texts = [_without_billing(text) for text in plain_texts(value, "system")]
        text = "\n\n".join(text for text in texts if text)
        if text:
            self._out["instructions"] = text

    def _max_tokens(self, value: Any) -> None:
        _check("max_tokens", value, "integer")
        if value < LEAST_OUTPUT:
            self._notes.append(f"max_tokens: raised to {LEAST_OUTPUT}, the least there is.")
        self._out["max_output_tokens"] = max(value, LEAST_OUTPUT)

    def _stop_sequences(self, value: Any) -> None:
        if not isinstance(value, list):
            raise fault("stop_sequences", "an array of strings", value)
        for index, sequence in enumerate(value):  # applied by the renderer
            if not isinstance(sequence, str) or not sequence:
                raise fault(f"stop_sequences[{index}]", "a non-empty string", sequence)

    def _tools(self, value: Any) -> None:
        assert self._history is not None
        translated = messages_tools.tools(value, self._history.changes, self._notes)
        if translated:
            self._out["tools"] = translated

    def _tool_choice(self, value: Any) -> None:
        self._out["tool_choice"] = messages_tools.tool_choice(value, self._given.get("tools"))
        if messages_tools.one_call_only(value):
            self._out["parallel_tool_calls"] = False

    def _thinking(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise fault("thinking", "an object with a `type`", value)
        check_members(value, {"display": "string"}, "thinking")
        match value.get("type"):
            case "enabled":
                budget = value.get("budget_tokens")
                if not isinstance(budget, int) or isinstance(budget, bool):
                    raise fault("thinking.budget_tokens", "an integer", budget)
                self._reasoning_member().setdefault("effort", _effort_of(budget))
            case "disabled":
                self._reasoning_member().setdefault("effort", "low")
                self._notes.append("thinking disabled: the least that every model has is low.")
            case "adaptive":
                pass  # the model decides, or the effort that is asked for
            case _:
                raise BadRequest(
                    "invalid_value",
                    "`thinking.type` must be `enabled`, `disabled` or `adaptive`.",
                    param="thinking.type",
                )

    def _output_config(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise fault("output_config", "an object", value)
        check_members(value, {"effort": "string"}, "output_config")
        if value.get("effort") is not None:
            self._reasoning_member()["effort"] = value["effort"]
        if value.get("format") is not None:
            self._output_format(value["format"], "output_config.format")
        if value.get("task_budget") is not None:
            self._drop("output_config.task_budget", "the upstream knows no budgets")

    def _older_format(self, value: Any) -> None:
        self._output_format(value, "output_format")

    def _output_format(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise fault(path, "an object", value)
        if value.get("type") != "json_schema":
            raise BadRequest(
                "invalid_value", f"`{path}.type` must be `json_schema`.", param=f"{path}.type"
            )
        check_members(value, {"schema": "object"}, path, required=True)
        schema = value["schema"]
        self._out["text"] = {
            "format": {
                "type": "json_schema",
                "name": "answer",
                "strict": is_closed(schema),
                "schema": schema,
            }
        }

    def _service_tier(self, value: Any) -> None:
        if value not in ("auto", "standard_only"):
            raise BadRequest(
                "invalid_value",
                "`service_tier` must be `auto` or `standard_only`.",
                param="service_tier",
            )
        self._out["service_tier"] = "auto" if value == "auto" else "default"

    def _reasoning_member(self) -> Json:
        member: Json = self._out.setdefault("reasoning", {})
        return member

    def _complete_reasoning(self, latest_effort: str | None) -> None:
        """Who asks for thinking is to see some of it, and gets it back sealed."""
        if latest_effort is not None:
            self._reasoning_member()["effort"] = latest_effort
        options = AnswerOptions.of(self._given)
        if options.thinking == "summarized":
            self._reasoning_member()["summary"] = "auto"
        if options.thinking != "none":
            self._out["include"] = [ENCRYPTED]


def _without_billing(text: str) -> str:
    return text.partition("\n")[2].lstrip("\n") if text.startswith(_BILLING) else text


def _effort_of(budget: int) -> str:
    return next((effort for limit, effort in BUDGETS if budget <= limit), "xhigh")


def _check(name: str, value: Any, wanted: str) -> None:
    if not has_type(value, wanted):
        raise fault(name, f"an {wanted}", value)


def _unsupported(name: str, remedy: str) -> BadRequest:
    return BadRequest("unsupported_value", f"`{name}`: {remedy}.", param=name)


_HANDLERS: Final[dict[str, Callable[[MessagesRequest, Any], None]]] = {
    "max_tokens": MessagesRequest._max_tokens,
    "messages": MessagesRequest._messages,
    "model": MessagesRequest._model,
    "output_config": MessagesRequest._output_config,
    "output_format": MessagesRequest._older_format,
    "service_tier": MessagesRequest._service_tier,
    "stop_sequences": MessagesRequest._stop_sequences,
    "system": MessagesRequest._system,
    "thinking": MessagesRequest._thinking,
    "tool_choice": MessagesRequest._tool_choice,
    "tools": MessagesRequest._tools,
}
