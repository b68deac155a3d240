"""A history that fits: the oldest output of tools is cut first, and nothing that was said. Pure.

Sizes are estimates in tokens, for the upstream counts for itself. What is cut says so in its place,
so that the model knows, and in a note, so that the user can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from addons.errors import BadRequest
from addons.providers.cursor.run.run_outputs import Image, Part, ToolResult
from addons.providers.cursor.telling.history import Assistant, Block, Call, Results

BYTES_PER_TOKEN: Final = 4
PICTURE: Final = 1600
"""Tokens of a picture, about."""

KEPT_HEAD: Final = 600
KEPT_TAIL: Final = 200
"""Characters that are left of a text that is cut."""

TOLERANCE: Final = 1.5
"""An estimate may be wrong by as much before a request is refused for it."""


def tokens_of_text(text: str) -> int:
    """Of a text, about."""
    return len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN


def tokens(blocks: Iterable[Block]) -> int:
    """Of a history, about."""
    return sum(_block(block) for block in blocks)


def trimmed(
    blocks: Sequence[Block], budget: int, *, beside: int = 0, window: int | None = None
) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    """The history within a budget, and notes of what was cut.

    Args:
        budget: tokens that the history may have.
        beside: tokens of what is told with it.
        window: tokens that the model takes in all; None: nobody knows.

    Raises:
        BadRequest: ``context_length_exceeded``: it is far too large for the window even so.
    """
    size = tokens(blocks)
    made, count, before = list(blocks), 0, size
    for index, block in enumerate(blocks):
        if size <= budget:
            break
        if isinstance(block, Results):
            results = []
            for result in block.results:
                short = _cut(result) if size > budget else result
                saved = _result(result) - _result(short)
                size, count = size - saved, count + (saved > 0)
                results.append(short if saved > 0 else result)
            made[index] = Results(tuple(results))
    if window is not None and size + beside > window * TOLERANCE:
        raise BadRequest(
            "context_length_exceeded",
            f"The conversation has about {before + beside} tokens, and the model takes {window}. "
            "Compact it, or begin a new one.",
            param="input",
        )
    if not count:
        return tuple(made), ()
    note = f"about {before} tokens are more than {budget}: the {count} oldest tool outputs were cut"
    return tuple(made), (f"{note} to about {size} tokens in all.",)


def _cut(result: ToolResult) -> ToolResult:
    return replace(result, parts=tuple(_cut_part(part) for part in result.parts))


def _cut_part(part: Part) -> Part:
    if isinstance(part, Image):
        return f"[A picture of {len(part.data)} bytes was here; cut to fit.]"
    left_out = len(part) - KEPT_HEAD - KEPT_TAIL
    if left_out <= 0:
        return part
    mark = f"\n[… {left_out} characters were cut here to fit …]\n"
    return part[:KEPT_HEAD] + mark + part[-KEPT_TAIL:]


def _block(block: Block) -> int:
    match block:
        case Assistant():
            return sum(_step(step) for step in block.steps)
        case Results():
            return sum(_result(result) for result in block.results)
        case _:
            return _parts(block.parts)


def _step(step: str | Call) -> int:
    if isinstance(step, str):
        return tokens_of_text(step)
    return tokens_of_text(step.name) + tokens_of_text(step.arguments)


def _result(result: ToolResult) -> int:
    return _parts(result.parts)


def _parts(parts: Iterable[Part]) -> int:
    return sum(PICTURE if isinstance(part, Image) else tokens_of_text(part) for part in parts)
