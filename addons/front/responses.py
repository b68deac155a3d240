"""The OpenAI Responses protocol: already the neutral form, so requests are checked, not changed.

One thing is made uniform: ``input`` given as a string becomes the list with one user message that
it stands for.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from addons.errors import BadRequest, ClientError
from addons.front import openai_errors
from addons.front.contract import Json, Renderer, Turn
from addons.front.earlier import Items
from addons.front.members import JSON_TYPES, check_members, fault
from addons.front.sse import ServerEvent, encode

CONTENT_TYPE: Final = "text/event-stream; charset=utf-8"

_MEMBERS: Final[dict[str, str]] = {
    "background": "boolean",
    "include": "array",
    "instructions": "string",
    "max_output_tokens": "integer",
    "max_tool_calls": "integer",
    "metadata": "object",
    "parallel_tool_calls": "boolean",
    "previous_response_id": "string",
    "prompt": "object",
    "prompt_cache_key": "string",
    "prompt_cache_retention": "string",
    "reasoning": "object",
    "safety_identifier": "string",
    "service_tier": "string",
    "store": "boolean",
    "stream": "boolean",
    "stream_options": "object",
    "temperature": "number",
    "text": "object",
    "tools": "array",
    "top_logprobs": "integer",
    "top_p": "number",
    "truncation": "string",
    "user": "string",
}

# Members without which an item of this type means nothing; other types are passed as they are.
_ITEM_MEMBERS: Final[dict[str, dict[str, str]]] = {
    "function_call": {"call_id": "string", "name": "string", "arguments": "string"},
    "function_call_output": {"call_id": "string", "output": "string or array"},
    "custom_tool_call": {"call_id": "string", "name": "string", "input": "string"},
    "custom_tool_call_output": {"call_id": "string", "output": "string or array"},
    "item_reference": {"id": "string"},
}
_PART_MEMBERS: Final[dict[str, dict[str, str]]] = {
    "input_text": {"text": "string"},
    "output_text": {"text": "string"},
    "refusal": {"refusal": "string"},
}
_ROLES: Final = ("user", "assistant", "system", "developer")

_SOUND: Final = {
    kind: tuple((name, JSON_TYPES[wanted]) for name, wanted in members.items())
    for kind, members in _ITEM_MEMBERS.items()
}
_SOUND_PARTS: Final = {kind: next(iter(members)) for kind, members in _PART_MEMBERS.items()}


class ResponsesProtocol:
    """Clients that speak Responses."""

    name = "responses"

    def parse(self, body: Json) -> Turn:
        """See :class:`addons.front.contract.ClientProtocol`.

        Members that are unknown here are kept: the upstream judges them.
        """
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise fault("model", "a model's name as a string (see GET /v1/models)", model)
        check_members(body, _MEMBERS)
        if body.get("background"):
            raise BadRequest(
                "unsupported_value",
                "background responses are not available here: there is no place to fetch them "
                "from. Leave `background` out and use `stream`.",
                param="background",
            )
        for index, tool in enumerate(body.get("tools") or ()):
            _check_typed(tool, f"tools[{index}]")
        choice = body.get("tool_choice")
        if choice is not None and not isinstance(choice, str | dict):
            raise fault("tool_choice", "a string or an object", choice)
        return Turn(model, _with_input_list(body), bool(body.get("stream")))

    def renderer(self, turn: Turn, request: Json) -> Renderer:
        """See :class:`addons.front.contract.ClientProtocol`."""
        return ResponsesRenderer(turn.model)

    def error(self, error: ClientError) -> tuple[Mapping[str, str], bytes]:
        """See :class:`addons.front.contract.ClientProtocol`."""
        return openai_errors.render(error)


def _with_input_list(body: Json) -> Json:
    given = body.get("input")
    if isinstance(given, str):
        message = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": given}],
        }
        return {name: [message] if name == "input" else value for name, value in body.items()}
    if given is None:
        if any(body.get(name) for name in ("previous_response_id", "prompt", "conversation")):
            return body
        raise BadRequest(
            "missing_required_parameter",
            "`input` is required: a string or an array of input items.",
            param="input",
        )
    if not isinstance(given, list):
        raise fault("input", "a string or an array of input items", given)
    known = given.repeated if isinstance(given, Items) else 0  # those were right before
    for index, item in enumerate(given[known:], known):
        if not _is_sound(item):
            _check_item(item, f"input[{index}]")
    return body


def _is_sound(item: Any) -> bool:
    """Whether an item is surely right: a quick look at the usual ones, which are nearly all.

    What is wrong with another one, or that it is right after all, :func:`_check_item` finds out.
    """
    if type(item) is not dict:
        return False
    kind = item.get("type")
    if kind != "message":
        if type(kind) is not str:
            return False
        for name, types in _SOUND.get(kind, ()):  # noqa: SIM110 - a generator costs more
            if type(item.get(name)) not in types:
                return False
        return True
    if item.get("role") not in _ROLES:
        return False
    content = item.get("content")
    if type(content) is not list:
        return type(content) is str
    for part in content:
        form = part.get("type") if type(part) is dict else None
        if type(form) is not str:
            return False
        member = _SOUND_PARTS.get(form)
        if member is not None and type(part.get(member)) is not str:
            return False
    return True


def _check_typed(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise fault(path, "an object", value)
    if not isinstance(value.get("type"), str):
        raise fault(f"{path}.type", "a string", value.get("type"))


def _check_item(item: Any, path: str) -> None:
    if not isinstance(item, dict):
        raise fault(path, "an object", item)
    kind = item.get("type")
    if kind is None or kind == "message":
        _check_message(item, path, typed=kind is not None)
        return
    if not isinstance(kind, str):
        raise fault(f"{path}.type", "a string", kind)
    required = _ITEM_MEMBERS.get(kind)
    if required is not None:
        check_members(item, required, path, required=True)


def _check_message(item: Json, path: str, *, typed: bool) -> None:
    role = item.get("role")
    if role is None and not typed:
        # Ids of stored items may stand alone.
        if isinstance(item.get("id"), str):
            return
        raise BadRequest(
            "invalid_type",
            f"`{path}` has neither a `type` nor a `role`; a message needs a role, every other "
            "item a type.",
            param=path,
        )
    if role not in _ROLES:
        remedy = (
            "; a tool's result is an item of type `function_call_output`"
            if role in ("tool", "function")
            else ""
        )
        raise BadRequest(
            "invalid_value",
            f"`{path}.role` must be one of {', '.join(_ROLES)}{remedy}.",
            param=f"{path}.role",
        )
    content = item.get("content")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise fault(f"{path}.content", "a string or an array of content parts", content)
    for index, part in enumerate(content):
        part_path = f"{path}.content[{index}]"
        _check_typed(part, part_path)
        required = _PART_MEMBERS.get(part["type"])
        if required is not None:
            check_members(part, required, part_path, required=True)


_SEQUENCE = re.compile(rb'"sequence_number"\s*:\s*(\d{1,15})')


class ResponsesRenderer:
    """Renders Responses events as Responses.

    Normally the upstream's bytes are passed on; :meth:`passed` then keeps track, so that an error
    in mid-stream continues the numbering and names the same response.
    """

    content_type = CONTENT_TYPE
    passthrough = True
    watched = frozenset({"response.created"})

    def __init__(self, model: str) -> None:
        self._model = model
        self._next = 0
        self._started: Json | None = None

    def passed(self, event: ServerEvent) -> bytes:
        """The event's own bytes, noted by a bounded look; only the first event is parsed.

        What a cut upstream leaves of its last event is not passed on: whatever came after it would
        be read as part of it.
        """
        if not event.terminated:
            parsed = _object(event.data)
            return b"" if parsed is None else self.event(parsed)
        if self._started is None and b"response.created" in event.raw[:256]:
            parsed = _object(event.data)
            if parsed is not None:
                self._note(parsed)
                return event.raw
        self._count(event.data)
        return event.raw

    def passed_run(self, run: bytes) -> bytes:
        """The run's own bytes. The number of its last event is enough, where that has one."""
        match = _SEQUENCE.search(run, last := run.rfind(b"\ndata: ") + 7, last + 256)
        if match is not None:
            self._next = int(match[1]) + 1
        else:
            for event in run.split(b"\n\n"):
                self._count(event.partition(b"\ndata: ")[2])
        return run

    def _count(self, data: bytes) -> None:
        """Take up an event's number by a bounded look; one without a number counts as the next."""
        if data:
            match = _SEQUENCE.search(data, 0, 256)
            self._next = int(match[1]) + 1 if match is not None else self._next + 1

    def event(self, event: Json) -> bytes:
        """One event in wire form."""
        self._note(event)
        data = json.dumps(event, separators=(",", ":")).encode()
        kind = event.get("type")
        return encode(kind if isinstance(kind, str) else "", data)

    def finish(self) -> bytes:
        """Nothing: the terminal event is the end."""
        return b""

    def failed(self, error: ClientError) -> bytes:
        """A ``response.failed`` event: the one form that SDKs, agents and the official client all
        take for a failure of this response. Preceded by ``response.created`` where the client has
        seen none, because the SDKs' stream helpers refuse a stream that begins otherwise."""
        opening = b""
        if self._started is None:
            self._started = self._invented()
            opening = self._encode_own("response.created", self._started)
        failed = {
            **self._started,
            "status": "failed",
            "error": openai_errors.failed_response_error(error),
        }
        return opening + self._encode_own("response.failed", failed)

    def _encode_own(self, kind: str, response: Json) -> bytes:
        event = {"type": kind, "sequence_number": self._next, "response": response}
        self._next += 1
        return encode(kind, json.dumps(event, separators=(",", ":")).encode())

    def _invented(self) -> Json:
        """A response object for a stream in which the upstream has not shown one."""
        return {
            "id": f"resp_{secrets.token_hex(24)}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": None,
        }

    def whole(self, response: Json) -> Json:
        """The response itself.

        Raises:
            ClientError: its failure, when ``status`` is ``failed``.
        """
        if response.get("status") == "failed":
            raise openai_errors.response_failure(response.get("error"))
        return response

    def _note(self, event: Json) -> None:
        number = event.get("sequence_number")
        self._next = number + 1 if isinstance(number, int) else self._next + 1
        response = event.get("response")
        if self._started is None and isinstance(response, dict):
            self._started = response


def _object(data: bytes) -> Json | None:
    """An upstream's JSON object; None for anything else, which is passed on as it is."""
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
