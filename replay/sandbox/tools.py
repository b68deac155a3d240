"""The tools that a request offers, wherever it puts them.

Tools stand in ``tools`` (full shape), in ``additional_tools`` items of the input (lite shape), and
inside ``namespace`` entries of either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HOSTED = frozenset({"web_search", "web_search_preview", "image_generation", "file_search"})


@dataclass(frozen=True, slots=True)
class Tool:
    """One offered tool. ``kind``: ``function``, ``custom``, ``local_shell`` or a hosted type."""

    name: str
    kind: str
    namespace: str | None = None
    parameters: Mapping[str, Any] | None = None
    description: str = ""

    @property
    def hosted(self) -> bool:
        """Run by the backend; clients cannot answer a call."""
        return self.kind in _HOSTED


def offered_tools(body: Mapping[str, Any]) -> list[Tool]:
    """Every tool of a request, in order."""
    found = list(_tools(body.get("tools"), None))
    items = body.get("input")
    if isinstance(items, list):
        for item in items:
            if isinstance(item, dict) and item.get("type") == "additional_tools":
                found += _tools(item.get("tools"), None)
    return found


def find_tool(tools: list[Tool], name: str) -> Tool | None:
    """By name, or by ``namespace.name`` where one name stands in several namespaces."""
    for tool in tools:
        if name == tool.name or (tool.namespace and name == f"{tool.namespace}.{tool.name}"):
            return tool
    return None


def shell_call(tools: list[Tool], command: str) -> tuple[str, Any]:
    """Name and arguments of the call that runs a command line, as releases have had it."""
    words = ["bash", "-lc", command]
    known: tuple[tuple[str, Any], ...] = (
        ("exec_command", {"cmd": command}),
        ("shell_command", {"command": command}),
        ("shell", {"command": words}),
        ("local_shell", {"command": words}),
        ("bash", {"command": command}),
        ("Bash", {"command": command}),
    )
    for name, arguments in known:
        if find_tool(tools, name) is not None or code_tool(tools, name) is not None:
            return name, arguments
    return "shell", {"command": words}


def code_tool(tools: list[Tool], name: str) -> Tool | None:
    """The tool that runs scripts in which ``name`` can be called.

    Lite models of recent releases are offered one free-form ``exec`` tool, which takes JavaScript
    and whose description names the tools on its ``tools`` object (recorded from 0.169.0).
    """
    for tool in tools:
        if tool.kind == "custom" and tool.name == "exec" and f"`{name}`" in tool.description:
            return tool
    return None


def _tools(entries: Any, namespace: str | None) -> Iterator[Tool]:
    if not isinstance(entries, list):
        return
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        kind = str(entry.get("type", ""))
        if kind == "namespace":
            yield from _tools(entry.get("tools"), str(entry.get("name", "")))
            continue
        name = entry.get("name") or kind
        parameters = entry.get("parameters")
        yield Tool(
            name=str(name),
            kind=kind,
            namespace=namespace,
            parameters=parameters if isinstance(parameters, dict) else None,
            description=str(entry.get("description") or ""),
        )
