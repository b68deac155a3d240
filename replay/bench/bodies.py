"""Request bodies of a coding agent's turns, made up, the last of an exact size in bytes.

The same conversation is written as Responses requests and as chat completions, so that the
translated target carries the same content. The conversation's key is a fixed-length gap in the
body, in the first thing that is said as well, so that two conversations share rules and tools and
no more: the load generator fills it in without building the body again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KEY_LENGTH = 36
"""Characters of a conversation key (the length of a UUID)."""

SMALLEST = 6144
"""Bytes; below this the instructions and tools leave no room for a conversation."""

_GAP = "k" * KEY_LENGTH
_ASKED = f"Find out why the parser drops a chunk in {_GAP}. "
_VOCABULARY = """
account answer buffer cache chunk client config cursor decode error event factory filter
frame handle header index input iterator layer length limit loader message module number
offset option output packet parser path profile proxy query reader record request response
result retry route schema server session socket source stream string table target timeout
token trace upstream value window worker writer naïve größe →
"""
_WORDS = _VOCABULARY.split()


@dataclass(frozen=True, slots=True)
class Body:
    """A request body around the gaps for the conversation's key."""

    pieces: tuple[bytes, ...]

    def __len__(self) -> int:
        return sum(map(len, self.pieces)) + KEY_LENGTH * (len(self.pieces) - 1)

    def filled(self, key: bytes) -> bytes:
        """The whole body. ``key`` must be :data:`KEY_LENGTH` bytes of JSON-safe ASCII."""
        if len(key) != KEY_LENGTH:
            raise ValueError(f"conversation key must be {KEY_LENGTH} bytes, got {len(key)}")
        return key.join(self.pieces)


@dataclass(frozen=True, slots=True)
class _Step:
    """A tool call of the agent and what the tool said."""

    call_id: str
    name: str
    arguments: str
    output: str


def responses_bodies(size: int, model: str, turns: int = 1) -> list[Body]:
    """Responses requests, streaming, with tools and tool results, as a conversation goes on.

    Args:
        size: bytes of the last one.
        turns: each has what the one before had, and one tool call more, as far as there are any.

    Raises:
        ValueError: ``size`` is below :data:`SMALLEST`.
    """
    return _sized(size, turns, lambda steps, filler: _responses(model, steps, filler))


def chat_bodies(size: int, model: str, turns: int = 1) -> list[Body]:
    """The same conversation as streaming chat completions with ``include_usage``.

    Raises:
        ValueError: ``size`` is below :data:`SMALLEST`.
    """
    return _sized(size, turns, lambda steps, filler: _chat(model, steps, filler))


def _sized(
    size: int, turns: int, render: Callable[[list[_Step], str], dict[str, Any]]
) -> list[Body]:
    if size < SMALLEST:
        raise ValueError(f"a body must have at least {SMALLEST} bytes, got {size}")
    source = random.Random(size)
    steps: list[_Step] = []
    have = empty = len(_encode(render([], "")))
    while True:
        step = _step(source, len(steps))
        need = len(_encode(render([step], ""))) - empty
        if have + need > size:
            break
        steps.append(step)
        have += need
    filler = _filler(source, size - have)
    counts = (max(0, len(steps) - missing) for missing in reversed(range(turns)))
    return [
        Body(tuple(_encode(render(steps[:count], filler)).split(_GAP.encode()))) for count in counts
    ]


def _encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _filler(source: random.Random, length: int) -> str:
    """Text that JSON writes with exactly ``length`` bytes."""
    words: list[str] = []
    have = 0
    while have < length:
        word = source.choice(_WORDS[:-3])
        words.append(word)
        have += len(word) + 1
    return " ".join(words)[:length].ljust(length, ".")


def _line(source: random.Random) -> str:
    a, b, c = source.choices(_WORDS, k=3)
    return f'    {a}_{b} = self.{c}("{b}", {source.randrange(9999)})  # {a} {c}\n'


def _step(source: random.Random, number: int) -> _Step:
    path = f"src/{source.choice(_WORDS[:-3])}/{source.choice(_WORDS[:-3])}_{number}.py"
    lines = "".join(_line(source) for _ in range(source.randrange(6, 40)))
    return _Step(
        call_id=f"call_{source.getrandbits(96):024x}",
        name=source.choice(["read_file", "run_command"]),
        arguments=json.dumps({"path": path, "limit": 200}),
        output=f"{path}\n{lines}",
    )


def _instructions() -> str:
    source = random.Random("instructions")
    return "You are an agent that edits code.\n" + "".join(
        f"- {' '.join(source.choices(_WORDS, k=12))}.\n" for _ in range(14)
    )


def _tools() -> list[dict[str, Any]]:
    source = random.Random("tools")
    tools = []
    for name in ("read_file", "run_command", "edit_file", "search_text"):
        members = {
            member: {"type": kind, "description": " ".join(source.choices(_WORDS, k=8))}
            for member, kind in (("path", "string"), ("limit", "integer"), ("text", "string"))
        }
        tools.append(
            {
                "name": name,
                "description": " ".join(source.choices(_WORDS, k=16)),
                "parameters": {
                    "type": "object",
                    "properties": members,
                    "required": ["path"],
                    "additionalProperties": False,
                },
            }
        )
    return tools


def _responses(model: str, steps: list[_Step], filler: str) -> dict[str, Any]:
    def message(role: str, text: str) -> dict[str, Any]:
        return {
            "type": "message",
            "role": role,
            "content": [{"type": "input_text", "text": text}],
        }

    turns: list[dict[str, Any]] = [message("user", _ASKED + filler)]
    for step in steps:
        turns += [
            {
                "type": "function_call",
                "name": step.name,
                "arguments": step.arguments,
                "call_id": step.call_id,
            },
            {"type": "function_call_output", "call_id": step.call_id, "output": step.output},
        ]
    return {
        "model": model,
        "instructions": _instructions(),
        "input": turns,
        "tools": [{"type": "function", **tool, "strict": False} for tool in _tools()],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": _GAP,
    }


def _chat(model: str, steps: list[_Step], filler: str) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": _instructions()},
        {"role": "user", "content": _ASKED + filler},
    ]
    for step in steps:
        function = {"name": step.name, "arguments": step.arguments}
        messages += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": step.call_id, "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": step.call_id, "content": step.output},
        ]
    return {
        "model": model,
        "messages": messages,
        "tools": [{"type": "function", "function": tool} for tool in _tools()],
        "tool_choice": "auto",
        "reasoning_effort": "medium",
        "stream": True,
        "stream_options": {"include_usage": True},
        "prompt_cache_key": _GAP,
    }
