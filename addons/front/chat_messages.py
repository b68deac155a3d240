"""Chat messages to Responses input items.

The translation of a message depends on the messages before it at most, never on later ones, and
nothing in it is random. So the next turn's input starts, byte for byte, with this turn's, which is
what an upstream's prompt cache needs.

What has no place in the neutral form:

- ``reasoning_content`` (and ``reasoning``, ``reasoning_details``, thinking parts) of an assistant
  message is dropped: a reasoning item is of use upstream only with its encrypted content, which
  chat completions do not carry;
- ``name`` of a system, user or assistant message is dropped: Responses messages have no author.
"""

from __future__ import annotations

from typing import Any, Final

from addons.errors import BadRequest
from addons.front.contract import Json
from addons.front.members import check_members, fault

ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")

_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
_THOUGHT_PARTS = ("thinking", "redacted_thinking", "reasoning")


def input_items(messages: list[Any], notes: list[str]) -> list[Json]:
    """The input items of a conversation.

    Args:
        messages: the ``messages`` member.
        notes: what was dropped is added here, once for each kind.

    Raises:
        BadRequest: names the message and the member, e.g. ``messages[2].content``.
    """
    history = _History(notes)
    for index, message in enumerate(messages):
        history.add(message, index)
    return history.finished()


class _History:
    def __init__(self, notes: list[str]) -> None:
        self._items: list[Json] = []
        self._notes = notes
        self._custom: set[str] = set()  # ids of calls of custom tools
        self._unanswered: dict[str, str] = {}  # call id -> path of the call
        self._legacy: dict[str, str] = {}  # function name -> id made for its latest call

    def finished(self) -> list[Json]:
        for call_id, path in self._unanswered.items():
            raise BadRequest(
                "invalid_value",
                f"the call {call_id!r} (`{path}`) has no answer: add a message with role `tool` "
                "and this `tool_call_id` after it.",
                param=path,
            )
        return self._items

    def add(self, message: Any, index: int) -> None:
        path = f"messages[{index}]"
        if not isinstance(message, dict):
            raise fault(path, "an object", message)
        match message.get("role"):
            case "system" | "developer" | "user" as role:
                self._drop_name(message, path)
                self._items.append(
                    {
                        "type": "message",
                        "role": role,
                        "content": self._input_parts(message, path, text_only=role != "user"),
                    }
                )
            case "assistant":
                self._assistant(message, path, index)
            case "tool":
                self._tool(message, path)
            case "function":
                self._function(message, path)
            case role:
                raise BadRequest(
                    "invalid_value",
                    f"`{path}.role` must be one of {', '.join(ROLES)}"
                    + (f", not {role!r:.40}." if isinstance(role, str) else "."),
                    param=f"{path}.role",
                )

    def _drop_name(self, message: Json, path: str) -> None:
        if message.get("name") is not None:
            check_members(message, {"name": "string"}, path)
            self._note("name: Responses messages have no author name; it was dropped.")

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    # --- what the caller says ----------------------------------------------------------------

    def _input_parts(self, message: Json, path: str, *, text_only: bool) -> list[Json]:
        content = message.get("content")
        if isinstance(content, str):
            return [{"type": "input_text", "text": content}]
        if not isinstance(content, list) or not content:
            raise fault(f"{path}.content", "a string or a non-empty array of parts", content)
        return [
            input_part(part, f"{path}.content[{index}]", text_only=text_only)
            for index, part in enumerate(content)
        ]

    # --- what the model said -----------------------------------------------------------------

    def _assistant(self, message: Json, path: str, index: int) -> None:
        self._drop_name(message, path)
        if any(message.get(member) for member in _THOUGHTS):
            self._note_thoughts()
        if message.get("audio") is not None:
            self._note("audio of an assistant message: Responses has no counterpart; dropped.")
        parts = self._output_parts(message.get("content"), f"{path}.content")
        check_members(
            message, {"refusal": "string", "tool_calls": "array", "function_call": "object"}, path
        )
        if message.get("refusal"):
            parts.append({"type": "refusal", "refusal": message["refusal"]})
        if parts:
            self._items.append({"type": "message", "role": "assistant", "content": parts})
        for number, call in enumerate(message.get("tool_calls") or ()):
            self._call(call, f"{path}.tool_calls[{number}]")
        legacy = message.get("function_call")
        if legacy is not None:
            legacy_path = f"{path}.function_call"
            check_members(
                legacy, {"name": "string", "arguments": "string"}, legacy_path, required=True
            )
            call_id = f"call_function_{index}"
            self._legacy[legacy["name"]] = call_id
            self._append_call(call_id, legacy["name"], legacy["arguments"], legacy_path)

    def _note_thoughts(self) -> None:
        self._note(
            "reasoning of earlier answers: of use upstream only with its encrypted content, which "
            "chat completions do not carry; it was dropped."
        )

    def _output_parts(self, content: Any, path: str) -> list[Json]:
        """Empty where there is nothing to say: a message without text is no item."""
        if content is None or content == "":
            return []
        if isinstance(content, str):
            return [{"type": "output_text", "text": content}]
        if not isinstance(content, list):
            raise fault(path, "a string or an array of parts", content)
        parts: list[Json] = []
        for index, part in enumerate(content):
            part_path = f"{path}[{index}]"
            if not isinstance(part, dict):
                raise fault(part_path, "an object", part)
            match part.get("type"):
                case "text" | "output_text":
                    check_members(part, {"text": "string"}, part_path, required=True)
                    if part["text"]:
                        parts.append({"type": "output_text", "text": part["text"]})
                case "refusal":
                    check_members(part, {"refusal": "string"}, part_path, required=True)
                    parts.append({"type": "refusal", "refusal": part["refusal"]})
                case kind if kind in _THOUGHT_PARTS:
                    self._note_thoughts()
                case _:
                    raise BadRequest(
                        "invalid_value",
                        f"`{part_path}.type` must be `text` or `refusal` in an assistant message.",
                        param=f"{part_path}.type",
                    )
        return parts

    def _call(self, call: Any, path: str) -> None:
        if not isinstance(call, dict):
            raise fault(path, "an object", call)
        check_members(call, {"id": "string"}, path, required=True)
        kind = call.get("type", "function")
        if kind == "function":
            function = call.get("function")
            if not isinstance(function, dict):
                raise fault(f"{path}.function", "an object", function)
            wanted = {"name": "string", "arguments": "string"}
            check_members(function, wanted, f"{path}.function", required=True)
            self._append_call(call["id"], function["name"], function["arguments"], path)
        elif kind == "custom":
            custom = call.get("custom")
            if not isinstance(custom, dict):
                raise fault(f"{path}.custom", "an object", custom)
            wanted = {"name": "string", "input": "string"}
            check_members(custom, wanted, f"{path}.custom", required=True)
            self._items.append(
                {
                    "type": "custom_tool_call",
                    "call_id": call["id"],
                    "name": custom["name"],
                    "input": custom["input"],
                }
            )
            self._custom.add(call["id"])
            self._unanswered[call["id"]] = f"{path}.id"
        else:
            raise BadRequest(
                "invalid_value",
                f"`{path}.type` must be `function` or `custom`.",
                param=f"{path}.type",
            )

    def _append_call(self, call_id: str, name: str, arguments: str, path: str) -> None:
        self._items.append(
            {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
        )
        # An id may be used again in a later turn (some clients count from 0), by another kind.
        self._custom.discard(call_id)
        self._unanswered[call_id] = path

    # --- what the tools gave -----------------------------------------------------------------

    def _tool(self, message: Json, path: str) -> None:
        check_members(message, {"tool_call_id": "string"}, path, required=True)
        call_id = message["tool_call_id"]
        if self._unanswered.pop(call_id, None) is None:
            raise BadRequest(
                "invalid_value",
                f"`{path}.tool_call_id` {call_id!r:.80} answers no open call: a message with role "
                "`tool` must follow the assistant message whose `tool_calls` hold this id.",
                param=f"{path}.tool_call_id",
            )
        kind = "custom_tool_call_output" if call_id in self._custom else "function_call_output"
        self._append_output(kind, call_id, message, path)

    def _function(self, message: Json, path: str) -> None:
        check_members(message, {"name": "string"}, path, required=True)
        call_id = self._legacy.pop(message["name"], None)
        if call_id is None:
            raise BadRequest(
                "invalid_value",
                f"`{path}.name` {message['name']!r:.80} answers no open `function_call` of an "
                "assistant message before it.",
                param=f"{path}.name",
            )
        self._unanswered.pop(call_id, None)
        self._append_output("function_call_output", call_id, message, path)

    def _append_output(self, kind: str, call_id: str, message: Json, path: str) -> None:
        content = message.get("content")
        output = content if isinstance(content, str) else self._tool_parts(content, path)
        self._items.append({"type": kind, "call_id": call_id, "output": output})

    def _tool_parts(self, content: Any, path: str) -> list[Json]:
        if not isinstance(content, list):
            raise fault(f"{path}.content", "a string or an array of parts", content)
        return [
            input_part(part, f"{path}.content[{index}]", text_only=False)
            for index, part in enumerate(content)
        ]


def input_part(part: Any, path: str, *, text_only: bool) -> Json:
    """One content part of a message that the model reads.

    Images may be data URLs or links. A ``prompt_cache_breakpoint`` is kept.

    Raises:
        BadRequest: the part has no counterpart, or a member is missing.
    """
    if not isinstance(part, dict):
        raise fault(path, "an object", part)
    kind = part.get("type")
    translated: Json
    if kind in ("text", "input_text"):
        check_members(part, {"text": "string"}, path, required=True)
        translated = {"type": "input_text", "text": part["text"]}
    elif text_only:
        raise BadRequest(
            "invalid_value",
            f"`{path}.type` must be `text`: images and files belong into a user message.",
            param=f"{path}.type",
        )
    elif kind == "image_url":
        translated = _image(part.get("image_url"), f"{path}.image_url")
    elif kind == "file":
        translated = _file(part.get("file"), f"{path}.file")
    elif kind == "input_audio":
        raise BadRequest(
            "unsupported_value",
            f"`{path}` is audio, which the upstream's Responses form does not take; send a "
            "transcript as text.",
            param=path,
        )
    else:
        raise BadRequest(
            "invalid_value",
            f"`{path}.type` must be `text`, `image_url` or `file`.",
            param=f"{path}.type",
        )
    breakpoint_ = part.get("prompt_cache_breakpoint")
    if breakpoint_ is not None:
        translated["prompt_cache_breakpoint"] = breakpoint_
    return translated


def _image(image: Any, path: str) -> Json:
    if isinstance(image, str):  # not in the standard, but sent by several clients
        image = {"url": image}
    if not isinstance(image, dict):
        raise fault(path, "an object with a `url`", image)
    check_members(image, {"url": "string"}, path, required=True)
    check_members(image, {"detail": "string"}, path)
    url: str = image["url"]
    if not url.lower().startswith(("data:image/", "https://", "http://")):
        raise BadRequest(
            "invalid_image_url",
            f"`{path}.url` must be an http(s) URL or `data:image/TYPE;base64,DATA`.",
            param=f"{path}.url",
        )
    translated: Json = {"type": "input_image", "image_url": url}
    if image.get("detail") is not None:
        translated["detail"] = image["detail"]
    return translated


def _file(file: Any, path: str) -> Json:
    if not isinstance(file, dict):
        raise fault(path, "an object", file)
    members = ("file_id", "filename", "file_data")
    check_members(file, dict.fromkeys(members, "string"), path)
    if not (file.get("file_id") or file.get("file_data")):
        raise BadRequest(
            "missing_required_parameter", f"`{path}` needs `file_data` or `file_id`.", param=path
        )
    given = {name: file[name] for name in members if file.get(name) is not None}
    return {"type": "input_file", **given}
