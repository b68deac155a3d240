"""Tools and tool choice of the messages protocol, in Responses form.

Members are written in this module's order, whatever the client's: tools stand at the start of
what an upstream caches.
"""

from __future__ import annotations

from typing import Any, Final

from addons.errors import BadRequest
from addons.front.closed_schemas import is_closed
from addons.front.contract import Json
from addons.front.members import check_members, fault
from addons.front.messages_changes import ToolChanges

_SEARCHES_TOOLS: Final = "tool_search_tool_"
_SEARCHES_WEB: Final = "web_search_"

_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}


def tools(value: Any, changes: ToolChanges, notes: list[str]) -> list[Json]:
    """The ``tools`` member.

    Args:
        changes: of the conversation. The definition of a tool with ``defer_loading`` is not shown
            to the model before it is loaded, as with Anthropic: clients that look tools up for
            the model send them all along.
        notes: what was left out or is done differently is added here.

    Raises:
        BadRequest: names the tool and the member; also for tools that are Anthropic's own.
    """
    if not isinstance(value, list):
        raise fault("tools", "an array", value)
    given = [(f"tools[{index}]", tool) for index, tool in enumerate(value)]
    for path, tool in given:
        if not isinstance(tool, dict):
            raise fault(path, "an object", tool)
    given += changes.defined
    kinds = [str(tool.get("type") or "custom") for _, tool in given]
    # Nobody here searches tools for the model, so it is shown all of them.
    all_loaded = any(kind.startswith(_SEARCHES_TOOLS) for kind in kinds)
    out: list[Json] = []
    for (path, tool), kind in zip(given, kinds, strict=True):
        if kind.startswith(_SEARCHES_TOOLS):
            notes.append(f"{kind:.60}: all tools are shown to the model instead.")
        elif kind.startswith(_SEARCHES_WEB):
            out.append(_web_search(tool, path, notes))
        elif kind != "custom":
            raise BadRequest(
                "unsupported_value",
                f"`{path}.type` {kind!r:.60} is a tool that Anthropic defines, and the upstream "
                "has none like it. Describe a tool of your own, with `name` and `input_schema`.",
                param=f"{path}.type",
            )
        else:
            check_members(tool, {"name": "string"}, path, required=True)
            function = _function(tool, path, notes)
            name = tool["name"]
            late = tool.get("defer_loading") and not all_loaded
            if name not in changes.removed and (name in changes.loaded or not late):
                out.append(function)
    return out


def _function(tool: Json, path: str, notes: list[str]) -> Json:
    check_members(tool, {"input_schema": "object"}, path, required=True)
    check_members(tool, {"description": "string", "strict": "boolean"}, path)
    translated: Json = {"type": "function", "name": tool["name"]}
    if tool.get("description") is not None:
        translated["description"] = tool["description"]
    # Left out, it means false here and true in Responses.
    strict = translated["strict"] = bool(tool.get("strict")) and is_closed(tool["input_schema"])
    if tool.get("strict") and not strict:
        notes.append(
            f"strict of the tool {tool['name']:.64}: the upstream is strict only where all members "
            "are required and no others allowed; it was dropped."
        )
    translated["parameters"] = tool["input_schema"]
    return translated


def _web_search(tool: Json, path: str, notes: list[str]) -> Json:
    """Anthropic's web search as that of Responses, which searches as well."""
    members = {"allowed_domains": "array", "blocked_domains": "array", "user_location": "object"}
    check_members(tool, {**members, "max_uses": "integer"}, path)
    translated: Json = {"type": "web_search"}
    if tool.get("allowed_domains"):
        translated["filters"] = {"allowed_domains": tool["allowed_domains"]}
    if tool.get("blocked_domains"):
        raise BadRequest(
            "unsupported_value",
            f"`{path}.blocked_domains`: the upstream's search knows `allowed_domains` only.",
            param=f"{path}.blocked_domains",
        )
    if tool.get("user_location"):
        translated["user_location"] = tool["user_location"]
    if tool.get("max_uses") is not None:
        notes.append("max_uses of the web search: the upstream has no such limit; it was dropped.")
    return translated


def tool_choice(value: Any, given: Any) -> str | Json:
    """The ``tool_choice`` member, without its ``disable_parallel_tool_use``.

    Args:
        given: the ``tools`` member, in which a hosted tool has a name as well.

    Raises:
        BadRequest: names what is wrong with it.
    """
    if not isinstance(value, dict):
        raise fault("tool_choice", "an object with a `type`", value)
    kind = value.get("type")
    if kind == "tool":
        check_members(value, {"name": "string"}, "tool_choice", required=True)
        name = value["name"]
        for tool in given if isinstance(given, list) else ():
            if not isinstance(tool, dict) or tool.get("name") != name:
                continue
            if str(tool.get("type")).startswith(_SEARCHES_WEB):
                return {"type": "web_search"}
        return {"type": "function", "name": name}
    if isinstance(kind, str) and kind in _CHOICES:
        return _CHOICES[kind]
    raise BadRequest(
        "invalid_value",
        "`tool_choice.type` must be `auto`, `any`, `tool` or `none`.",
        param="tool_choice.type",
    )


def one_call_only(value: Any) -> bool:
    """Whether ``tool_choice`` forbids several calls at once."""
    if not isinstance(value, dict):
        return False
    check_members(value, {"disable_parallel_tool_use": "boolean"}, "tool_choice")
    return bool(value.get("disable_parallel_tool_use"))
