"""A conversation of messages as Responses input items.

Blocks stay in their order. Runs of text become one message; tool uses, their results and thinking
are items of their own.
"""

from __future__ import annotations

from typing import Any, Final

from addons.errors import BadRequest
from addons.front.contract import Json
from addons.front.json_text import compact_text
from addons.front.members import check_members, fault, has_type
from addons.front.messages_changes import ToolChanges
from addons.front.messages_content import content_blocks, input_parts, plain_text
from addons.front.messages_thinking import reasoning_item

_ROLES: Final = ("user", "assistant", "system")

_FAILED: Final = "The tool failed:"
"""Before a result with ``is_error``: a Responses output has no flag for it."""


class History:
    """The messages of one request, translated.

    Attributes:
        items: input items.
        changes: what has become of the tools.
        effort: what the last message with an ``output_config`` asks for; None where none does.
    """

    def __init__(self, messages: list[Any], notes: list[str]) -> None:
        """
        Args:
            messages: the ``messages`` member.
            notes: what was dropped is added here, once for each kind.

        Raises:
            BadRequest: names the message and the member, e.g. ``messages[2].content``.
        """
        self.items: list[Json] = []
        self.changes = ToolChanges()
        self.effort: str | None = None
        self._notes = notes
        self._unanswered: dict[str, str] = {}  # call id -> path of its block
        self._last_user = max(
            (index for index, message in enumerate(messages) if _is_user(message)), default=-1
        )
        for index, message in enumerate(messages):
            self._add(message, f"messages[{index}]", index)
        for call_id, path in self._unanswered.items():
            raise BadRequest(
                "invalid_value",
                f"`{path}`: the `tool_use` {call_id!r:.80} has no `tool_result` after it; add a "
                "user message with one that has this `tool_use_id`.",
                param=path,
            )
        if self.items and self.items[-1].get("role") == "assistant":
            self._note("the last message is the assistant's: the answer follows it as another one.")

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _add(self, message: Any, path: str, index: int) -> None:
        if not isinstance(message, dict):
            raise fault(path, "an object", message)
        content = message.get("content")
        match message.get("role"):
            case "user":
                self._user(content_blocks(content, f"{path}.content"), f"{path}.content")
            case "assistant":
                self._assistant(content_blocks(content, f"{path}.content"), f"{path}.content")
            case "system":
                self._system(message, path, shown=index > self._last_user)
            case role:
                raise BadRequest(
                    "invalid_value",
                    f"`{path}.role` must be one of {', '.join(_ROLES)}"
                    + (f", not {role!r:.40}." if isinstance(role, str) else "."),
                    param=f"{path}.role",
                )

    def _system(self, message: Json, path: str, *, shown: bool) -> None:
        """
        Args:
            shown: no message of the user follows; some are for one turn only.
        """
        self._note_effort(message, path)
        content = message.get("content")
        if content is None and message.get("output_config"):
            return
        parts: list[Json] = []
        for index, block in enumerate(content_blocks(content, f"{path}.content")):
            here = f"{path}.content[{index}]"
            if block.get("type") in ("tool_addition", "tool_removal"):
                if not self.changes.apply(block, here):
                    self._note("a change of MCP tools: the upstream connects to no servers.")
            else:
                parts.append(_input_text(plain_text(block, here)))
        if shown or message.get("clear_at") != "next_user_message":
            self._say("system", parts)

    def _note_effort(self, message: Json, path: str) -> None:
        """Newer releases of Claude Code say a change of effort where it happens (recorded from
        2.1.330)."""
        given = message.get("output_config")
        if isinstance(given, dict):
            check_members(given, {"effort": "string"}, f"{path}.output_config")
            self.effort = given.get("effort") or self.effort

    def _say(self, role: str, parts: list[Json]) -> None:
        if parts:
            self.items.append({"type": "message", "role": role, "content": [*parts]})
            parts.clear()

    # --- what the caller says ----------------------------------------------------------------

    def _user(self, blocks: list[Json], path: str) -> None:
        if not blocks:
            raise BadRequest(
                "invalid_value", f"`{path}` is empty; a message needs a content.", param=path
            )
        parts: list[Json] = []
        for index, block in enumerate(blocks):
            here = f"{path}[{index}]"
            if block.get("type") == "tool_result":
                self._say("user", parts)
                self._result(block, here)
            else:
                parts += input_parts(block, here)
        self._say("user", parts)

    def _result(self, block: Json, path: str) -> None:
        check_members(block, {"tool_use_id": "string"}, path, required=True)
        check_members(block, {"is_error": "boolean"}, path)
        call_id = block["tool_use_id"]
        if self._unanswered.pop(call_id, None) is None:
            raise BadRequest(
                "invalid_value",
                f"`{path}.tool_use_id` {call_id!r:.80} answers no open `tool_use` of an assistant "
                "message before it.",
                param=f"{path}.tool_use_id",
            )
        output = self._output(block, f"{path}.content")
        self.items.append({"type": "function_call_output", "call_id": call_id, "output": output})

    def _output(self, block: Json, path: str) -> str | list[Json]:
        """A string where one text is all, else parts."""
        given = block.get("content")
        parts: list[Json] = []
        for index, inner in enumerate(content_blocks([] if given is None else given, path)):
            if inner.get("type") == "tool_reference":
                name = inner.get("tool_name")
                if not isinstance(name, str):
                    raise fault(f"{path}[{index}].tool_name", "a string", name)
                self.changes.load(name)
                parts.append(_input_text(f"The tool {name} is available now."))
            else:
                parts += input_parts(inner, f"{path}[{index}]")
        failed = block.get("is_error") is True
        if len(parts) == 1 and parts[0]["type"] == "input_text":
            text: str = parts[0]["text"]
            return f"{_FAILED}\n{text}" if failed else text
        if not parts:
            return _FAILED if failed else ""
        return [_input_text(_FAILED), *parts] if failed else parts

    # --- what the model said -----------------------------------------------------------------

    def _assistant(self, blocks: list[Json], path: str) -> None:
        parts: list[Json] = []
        for index, block in enumerate(blocks):
            here = f"{path}[{index}]"
            match block.get("type"):
                case "text":
                    check_members(block, {"text": "string"}, here, required=True)
                    if block["text"]:
                        parts.append({"type": "output_text", "text": block["text"]})
                case "thinking" | "redacted_thinking":
                    self._say("assistant", parts)
                    self._thinking(block, here)
                case "tool_use":
                    self._say("assistant", parts)
                    self._call(block, here)
                case str(kind):
                    self._note(
                        f"{kind:.60} block of an assistant message: Responses has no counterpart; "
                        "it was dropped."
                    )
                case kind:
                    raise fault(f"{here}.type", "a string", kind)
        self._say("assistant", parts)

    def _thinking(self, block: Json, path: str) -> None:
        redacted = block["type"] == "redacted_thinking"
        members = ("data",) if redacted else ("thinking", "signature")
        check_members(block, dict.fromkeys(members, "string"), path)
        given = block.get("data" if redacted else "signature") or ""
        item = reasoning_item(given, block.get("thinking") or "")
        if item is None:
            self._note(
                "thinking that no upstream of floway's has signed: of use only to the one that "
                "did; it was dropped."
            )
        else:
            self.items.append(item)

    def _call(self, block: Json, path: str) -> None:
        check_members(block, {"id": "string", "name": "string"}, path, required=True)
        given = block.get("input")
        if not has_type(given, "object"):
            raise fault(f"{path}.input", "an object", given)
        call = {"call_id": block["id"], "name": block["name"], "arguments": compact_text(given)}
        self.items.append({"type": "function_call", **call})
        self._unanswered[block["id"]] = path


def _is_user(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "user"


def _input_text(text: str) -> Json:
    return {"type": "input_text", "text": text}
