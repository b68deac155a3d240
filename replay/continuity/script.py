"""What is said in a conversation. Pure; the same words for every client."""

from __future__ import annotations

from typing import Any, Final

type Json = dict[str, Any]

MODEL: Final = "gpt-5.5"
KEY: Final = "floway"
TOOL_EVERY: Final = 3
"""Every so many turns the model asks for a tool."""

RULES: Final = "You are a careful assistant in a made-up house. " + " ".join(
    f"Rule {number}: keep what was agreed before, and say plainly what is not known."
    for number in range(1, 91)
)
"""Instructions of clients that have none of their own; long enough for a cache."""

SCHEMA: Final[Json] = {
    "type": "object",
    "properties": {"command": {"type": "string", "description": "A command line."}},
    "required": ["command"],
    "additionalProperties": False,
}
FUNCTION: Final[Json] = {"name": "bash", "description": "Runs a command.", "parameters": SCHEMA}
"""The tool of clients that have none of their own, by a name that the sandbox's model knows."""


def prompt(number: int) -> str:
    """What the user says in a turn, from 0; single spaces only, since clients take it apart."""
    words = " ".join(f"detail-{number}-{place}" for place in range(40))
    if asks_for_a_tool(number):
        return f"Turn {number}, with a command: {words} [[run echo seen-{number}]]"
    return f"Turn {number}: {words}"


def asks_for_a_tool(number: int) -> bool:
    return number % TOOL_EVERY == 1


def output(number: int) -> str:
    """What the tool gives to a client that only pretends to run it."""
    return f"seen-{number}\n"


def requests(turns: int) -> int:
    """Requests for answers that so many turns take."""
    return turns + sum(asks_for_a_tool(number) for number in range(turns))
