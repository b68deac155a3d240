"""The client's tools as the upstream takes them: those of an MCP server that floway plays. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from addons.errors import BadRequest
from addons.front.contract import Json
from addons.providers.cursor.proto.mcp_pb2 import McpToolDefinition, McpTools
from addons.providers.cursor.telling.schemas import plain
from addons.providers.cursor.telling.values import value

PROVIDER: Final = "custom-user-tools"
"""Who provides the tools, in the words of the official SDK (1.1.0, on the wire)."""

MAX_NAME: Final = 64
"""Characters of a tool's name that models take."""

MAX_TOOLS: Final = 332
MAX_BYTES: Final = 128 * 1024
"""Of all definitions together. More was seen to end in an error without words (§4.3)."""

INPUT: Final = "input"
"""The one argument of a custom tool: such tools take a text."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the model may call.

    Attributes:
        message: as it is sent.
        names: of all of them.
        custom: names of those that take a text: their calls are ``custom_tool_call`` items.
        notes: what was left out and why.
    """

    message: McpTools
    names: frozenset[str]
    custom: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes."""
        return self.message.ByteSize()


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """How much the upstream takes."""

    count: int = MAX_TOOLS
    size: int = MAX_BYTES


def tools(body: Json, limits: ToolLimits | None = None) -> Tools:
    """The tools of a request in the neutral form, as its ``tool_choice`` has them.

    ``none`` gives no tools, and one that is named, or a set, only these: the upstream has no word
    for a choice. That one must be called cannot be demanded.

    Raises:
        BadRequest: too many, too large, or a choice that is not among them.
    """
    choice = body.get("tool_choice")
    if choice == "none":
        return Tools(McpTools(), frozenset())
    limits = limits or ToolLimits()
    try:
        key = orjson.dumps([list(_given(body)), choice])
    except TypeError:  # an integer of more than 64 bits
        return _made(list(_given(body)), choice, limits)
    return _known(key, limits)


@lru_cache(maxsize=64)
def _known(key: bytes, limits: ToolLimits) -> Tools:
    """Clients send the same tools with each request, and many."""
    given, choice = orjson.loads(key)
    return _made(given, choice, limits)


def _made(given: Sequence[Json], choice: Any, limits: ToolLimits) -> Tools:
    notes: list[str] = []
    found: dict[str, McpToolDefinition] = {}
    custom: set[str] = set()
    wanted = _wanted(choice)
    for tool in given:
        name, kind = tool.get("name"), tool.get("type")
        if kind not in ("function", "custom") or not isinstance(name, str) or not name:
            notes.append(f"tool of type {str(kind)!r:.40}: this model has none; it was left out.")
        elif name in found:
            notes.append(f"tool {name!r:.80} is given twice; the first counts.")
        elif wanted is None or name in wanted:
            found[name] = _definition(tool, name)
            if kind == "custom":
                custom.add(name)
    for name in sorted(wanted or ()):
        if name not in found:
            raise BadRequest(
                "invalid_value",
                f"`tool_choice` names {name!r:.80}, which is not among `tools`.",
                param="tool_choice",
            )
    if found and (choice == "required" or isinstance(choice, dict)):
        notes.append("tool_choice: this model can't be made to call a tool; it may answer instead.")
    message = McpTools(mcp_tools=found.values())
    _check(message, limits)
    return Tools(message, frozenset(found), frozenset(custom), tuple(notes))


def _given(body: Json) -> Iterator[Json]:
    """The ``tools``, and those that a client gives as an item at the beginning of the input."""
    items = body.get("input")
    more = [
        item
        for item in (items[:2] if isinstance(items, list) else ())
        if isinstance(item, dict) and item.get("type") == "additional_tools"
    ]
    for holder in (body, *more):
        listed = holder.get("tools")
        for tool in listed if isinstance(listed, list) else ():
            if isinstance(tool, dict):
                yield tool


def _wanted(choice: Any) -> frozenset[str] | None:
    """Names of the tools that may be called; None: all."""
    if not isinstance(choice, dict):
        return None
    if choice.get("type") == "allowed_tools":
        listed: Sequence[Any] = choice.get("tools") or ()
        return frozenset(
            each["name"]
            for each in listed
            if isinstance(each, dict) and isinstance(each.get("name"), str)
        )
    name = choice.get("name")
    return frozenset({name}) if isinstance(name, str) else None


def _definition(tool: Json, name: str) -> McpToolDefinition:
    words = tool.get("description")
    description = words if isinstance(words, str) else ""
    custom = tool.get("type") == "custom"
    schema = _custom_schema(tool) if custom else plain(tool.get("parameters"))
    return McpToolDefinition(
        name=full_name(name),
        description=description,
        input_schema=value(schema),
        provider_identifier=PROVIDER,
        tool_name=name,
    )


def full_name(name: str) -> str:
    """A tool's name with its provider's before it, as the official SDK has it."""
    whole = f"{PROVIDER}-{name}"
    return whole if len(whole) <= MAX_NAME else name


def _custom_schema(tool: Json) -> Json:
    """One text; a grammar that it must follow can only be told."""
    told = "The tool's whole input, as a text."
    form = tool.get("format")
    grammar = form.get("definition") if isinstance(form, dict) else None
    if isinstance(form, dict) and isinstance(grammar, str):
        told = f"{told} It must follow this {form.get('syntax', '')} grammar:\n{grammar}"
    properties = {INPUT: {"type": "string", "description": told}}
    return {"type": "object", "properties": properties, "required": [INPUT]}


def _check(message: McpTools, limits: ToolLimits) -> None:
    count, size = len(message.mcp_tools), message.ByteSize()
    if count > limits.count:
        raise BadRequest(
            "too_many_tools",
            f"`tools` has {count} tools, and this model takes {limits.count}. Leave some out, for "
            "instance by turning off MCP servers that the task does not need.",
            param="tools",
        )
    if size > limits.size:
        largest = sorted(message.mcp_tools, key=McpToolDefinition.ByteSize, reverse=True)[:3]
        named = ", ".join(f"{each.tool_name:.60} ({each.ByteSize()})" for each in largest)
        raise BadRequest(
            "tools_too_large",
            f"`tools` has {size} bytes, and this model takes {limits.size}. Leave some out or "
            f"shorten their descriptions; the largest are {named}.",
            param="tools",
        )
