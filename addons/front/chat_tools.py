"""Tools and tool choice of chat completions, in Responses form.

Members keep the order in which this module writes them, whatever the client's: tools stand at the
start of what an upstream caches.
"""

from __future__ import annotations

from typing import Any, Final

from addons.errors import BadRequest
from addons.front.contract import Json
from addons.front.members import check_members, fault

_CHOICES: Final = ("none", "auto", "required")


def tools(value: Any) -> list[Json]:
    """The ``tools`` member.

    A tool of another type than ``function`` and ``custom`` (a hosted one, which chat completions
    do not define) is taken to be in Responses form already.

    Raises:
        BadRequest: names the tool and the member.
    """
    if not isinstance(value, list):
        raise fault("tools", "an array", value)
    return [_tool(tool, f"tools[{index}]") for index, tool in enumerate(value)]


def functions(value: Any) -> list[Json]:
    """The older ``functions`` member."""
    if not isinstance(value, list):
        raise fault("functions", "an array", value)
    return [_function(entry, f"functions[{index}]") for index, entry in enumerate(value)]


def _tool(tool: Any, path: str) -> Json:
    if not isinstance(tool, dict):
        raise fault(path, "an object", tool)
    kind = tool.get("type")
    if not isinstance(kind, str):
        raise fault(f"{path}.type", "a string", kind)
    if kind == "function":
        # Some clients send the flat Responses form here as well.
        flat = "function" not in tool and "name" in tool
        return _function(
            tool if flat else tool.get("function"), path if flat else f"{path}.function"
        )
    if kind == "custom":
        flat = "custom" not in tool and "name" in tool
        return _custom(tool if flat else tool.get("custom"), path if flat else f"{path}.custom")
    return tool


def _function(function: Any, path: str) -> Json:
    if not isinstance(function, dict):
        raise fault(path, "an object", function)
    check_members(function, {"name": "string"}, path, required=True)
    optional = {"description": "string", "strict": "boolean", "parameters": "object"}
    check_members(function, optional, path)
    translated: Json = {"type": "function", "name": function["name"]}
    if function.get("description") is not None:
        translated["description"] = function["description"]
    # Left out, it means false in chat completions and true in Responses.
    translated["strict"] = bool(function.get("strict"))
    # Left out, it means "no parameters" in chat completions; Responses wants a schema.
    parameters = function.get("parameters")
    translated["parameters"] = (
        {"type": "object", "properties": {}} if parameters is None else parameters
    )
    return translated


def _custom(custom: Any, path: str) -> Json:
    if not isinstance(custom, dict):
        raise fault(path, "an object", custom)
    check_members(custom, {"name": "string"}, path, required=True)
    check_members(custom, {"description": "string", "format": "object"}, path)
    translated: Json = {"type": "custom", "name": custom["name"]}
    if custom.get("description") is not None:
        translated["description"] = custom["description"]
    given = custom.get("format")
    if given is not None:
        grammar = given.get("grammar")
        if given.get("type") == "grammar" and isinstance(grammar, dict):
            wanted = {"syntax": "string", "definition": "string"}
            check_members(grammar, wanted, f"{path}.format.grammar", required=True)
            given = {
                "type": "grammar",
                "syntax": grammar["syntax"],
                "definition": grammar["definition"],
            }
        translated["format"] = given
    return translated


def tool_choice(value: Any) -> str | Json:
    """The ``tool_choice`` member: a word, one tool, or a set of allowed tools.

    Raises:
        BadRequest: names what is wrong with it.
    """
    if isinstance(value, str):
        if value not in _CHOICES:
            raise _bad_choice()
        return value
    if not isinstance(value, dict):
        raise fault("tool_choice", "a string or an object", value)
    kind = value.get("type")
    if kind in ("function", "custom"):
        return _named(value, "tool_choice")
    if kind == "allowed_tools":
        allowed = value.get("allowed_tools")
        path = "tool_choice.allowed_tools"
        if not isinstance(allowed, dict):
            raise fault(path, "an object", allowed)
        check_members(allowed, {"mode": "string", "tools": "array"}, path, required=True)
        named = [
            _named(entry, f"{path}.tools[{index}]") for index, entry in enumerate(allowed["tools"])
        ]
        return {"type": "allowed_tools", "mode": allowed["mode"], "tools": named}
    raise _bad_choice()


def _bad_choice() -> BadRequest:
    return BadRequest(
        "invalid_value",
        "`tool_choice` must be `none`, `auto`, `required`, or an object of type `function`, "
        "`custom` or `allowed_tools`.",
        param="tool_choice",
    )


def _named(value: Any, path: str) -> Json:
    """``{"type": T, T: {"name": N}}`` -> ``{"type": T, "name": N}``."""
    if not isinstance(value, dict):
        raise fault(path, "an object", value)
    kind = value.get("type")
    if not isinstance(kind, str):
        raise fault(f"{path}.type", "a string", kind)
    inner = value.get(kind)
    if inner is None and isinstance(value.get("name"), str):
        return {"type": kind, "name": value["name"]}
    if kind not in ("function", "custom"):
        return value
    if not isinstance(inner, dict):
        raise fault(f"{path}.{kind}", "an object", inner)
    check_members(inner, {"name": "string"}, f"{path}.{kind}", required=True)
    return {"type": kind, "name": inner["name"]}


def function_choice(value: Any) -> str | Json:
    """The older ``function_call`` member: ``none``, ``auto`` or ``{"name": N}``."""
    if value in ("none", "auto"):
        return str(value)
    if not isinstance(value, dict):
        raise BadRequest(
            "invalid_value",
            "`function_call` must be `none`, `auto` or an object with a `name`.",
            param="function_call",
        )
    check_members(value, {"name": "string"}, "function_call", required=True)
    return {"type": "function", "name": value["name"]}
