"""A history as one text, in the user's message: for upstreams that will not take it as messages.

Pure. In order, with calls and results; each piece is marked with who it is of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from addons.providers.cursor.run.run_outputs import Image, Part, ToolResult
from addons.providers.cursor.telling.history import Assistant, Call, Results, User
from addons.providers.cursor.telling.pairing import Paired

_BEFORE: Final = "The conversation so far, oldest first:"
_AFTER: Final = (
    "(That was the conversation so far. Go on from its end; do not answer what is answered there.)"
)
_GO_ON: Final = "Continue with the results above."


def flattened(past: Paired, current: User | None) -> tuple[Part, ...]:
    """The parts of one user message that say it all.

    Pictures come behind the text, in the order of the marks that stand for them in it.
    """
    if not past.blocks:
        return current.parts if current is not None else ()
    writer = _Writer()
    pieces = list(writer.pieces(past))
    now = writer.text(current.parts) if current is not None else _GO_ON
    text = "\n\n".join([_BEFORE, *pieces, _AFTER, f"Current request: {now}"])
    return (text, *writer.pictures)


class _Writer:
    def __init__(self) -> None:
        self.pictures: list[Image] = []

    def pieces(self, past: Paired) -> Iterator[str]:
        for block in past.blocks:
            match block:
                case User():
                    yield f"USER: {self.text(block.parts)}"
                case Assistant():
                    for step in block.steps:
                        yield f"ASSISTANT: {step}" if isinstance(step, str) else _call(step)
                case Results():
                    for result in block.results:
                        yield self._result(result, past.names[result.call_id])

    def text(self, parts: Sequence[Part]) -> str:
        return "\n\n".join(part if isinstance(part, str) else self._picture(part) for part in parts)

    def _picture(self, picture: Image) -> str:
        self.pictures.append(picture)
        return f"[picture {len(self.pictures)}]"

    def _result(self, result: ToolResult, name: str) -> str:
        told = {"id": result.call_id, "name": name, "content": self.text(result.parts)}
        word = "TOOL_ERROR" if result.is_error else "TOOL_RESULT"
        return f"{word}: {_json(told)}"


def _call(call: Call) -> str:
    told = {"id": call.call_id, "name": call.name, "arguments": json.loads(call.arguments)}
    return f"ASSISTANT_TOOL_CALL: {_json(told)}"


def _json(told: Mapping[str, object]) -> str:
    return json.dumps(told, ensure_ascii=False)
