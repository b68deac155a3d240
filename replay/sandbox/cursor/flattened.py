"""History that a client tells as one text, read as a model reads it. Pure.

Clients that cannot, or do not want to, give messages write them down instead
(cursor-protocol.md §6.3), oldest first, with a blank line between them::

    USER: …
    ASSISTANT: …
    ASSISTANT_TOOL_CALL: {"id": …, "name": …, "arguments": …}
    TOOL_RESULT: {"id": …, "name": …, "content": …}       TOOL_ERROR where it failed
    Current request: …
"""

from __future__ import annotations

import json
import re
from typing import Any

type Json = dict[str, Any]

CURRENT = "Current request"
_MARK = re.compile(
    r"(?:^|\n\n)(USER|ASSISTANT_TOOL_CALL|ASSISTANT|TOOL_RESULT|TOOL_ERROR|Current request): "
)
_RESULT = "function_call_output"
_GO_ON = re.compile(r"continue\b", re.IGNORECASE)
"""What follows results where the user has said nothing new."""


def unflattened(text: str) -> list[Json]:
    """The input items that a text tells of; none: it is no flattened history."""
    marks = list(_MARK.finditer(text))
    if not marks or marks[-1][1] != CURRENT:
        return []
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    found: list[Json] = []
    for mark, end in zip(marks, ends, strict=True):
        item = _item(mark[1], text[mark.end() : end])
        after_results = mark[1] == CURRENT and found and found[-1]["type"] == _RESULT
        if not (after_results and _GO_ON.match(item["content"][0]["text"])):
            found.append(item)
    return found


def _item(mark: str, told: str) -> Json:
    match mark:
        case "ASSISTANT_TOOL_CALL":
            call = _object(told)
            return {
                "type": "function_call",
                "call_id": call.get("id"),
                "name": call.get("name"),
                "arguments": json.dumps(call.get("arguments"), ensure_ascii=False),
            }
        case "TOOL_RESULT" | "TOOL_ERROR":
            result = _object(told)
            output = {"call_id": result.get("id"), "output": str(result.get("content", told))}
            return {"type": _RESULT, **output}
        case _:
            role = "assistant" if mark == "ASSISTANT" else "user"
            content = [{"type": "input_text", "text": told}]
            return {"type": "message", "role": role, "content": content}


def _object(told: str) -> Json:
    """The JSON object that a text begins with; empty where it does not."""
    try:
        value, _ = json.JSONDecoder().raw_decode(told)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
