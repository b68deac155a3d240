"""Tools that come and go in the middle of a conversation.

Clients say so in two ways: a ``tool_reference`` in a tool's result, for tools that were looked up;
and ``tool_addition`` and ``tool_removal`` in a system message. A Responses request has one list of
tools, so what counts is where the changes have led to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from addons.front.contract import Json
from addons.front.members import check_members, fault


@dataclass(slots=True)
class ToolChanges:
    """The changes of one conversation.

    Attributes:
        loaded: names of tools that are offered though their definition was to be held back.
        removed: names of tools that are no longer offered.
        defined: path and definition of tools that were defined on the way.
    """

    loaded: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    defined: list[tuple[str, Json]] = field(default_factory=list)

    def load(self, name: str) -> None:
        """A tool is offered from here on."""
        self.loaded.add(name)
        self.removed.discard(name)

    def apply(self, block: Json, path: str) -> bool:
        """Take up a ``tool_addition`` or ``tool_removal`` block.

        Returns:
            False for a change that means nothing here: of servers that Anthropic connects to.

        Raises:
            BadRequest: names the member.
        """
        tool, here = block.get("tool"), f"{path}.tool"
        if not isinstance(tool, dict):
            raise fault(here, "an object", tool)
        match tool.get("type"):
            case "tool_reference":
                check_members(tool, {"name": "string"}, here, required=True)
                if block["type"] == "tool_addition":
                    self.load(tool["name"])
                else:
                    self.loaded.discard(tool["name"])
                    self.removed.add(tool["name"])
            case "tool_definition" if block["type"] == "tool_addition":
                check_members(tool, {"definition": "object"}, here, required=True)
                definition = tool["definition"]
                check_members(definition, {"name": "string"}, f"{here}.definition", required=True)
                self.defined.append((f"{here}.definition", definition))
                self.load(definition["name"])
            case _:
                return False
        return True
