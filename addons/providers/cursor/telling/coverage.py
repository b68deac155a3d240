"""How much of a history a checkpoint covers, and whether another history begins with it. Pure.

A digest tells, so no text is kept. Clients do not give an answer back exactly as they got it: they
join texts, trim them and write arguments anew. What the user and the tools said has to be the same
to the letter; of what the model said, white space and the spelling of JSON make no difference, and
neither does the order of texts and calls within one answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from addons.providers.cursor.run.run_outputs import Part
from addons.providers.cursor.telling.history import Assistant, Block, Call, Results, User


@dataclass(frozen=True, slots=True)
class Cover:
    """The beginning of a history.

    Attributes:
        blocks: how many.
        digest: over them, hexadecimal.
        system: digest of the system prompt.
    """

    blocks: int
    digest: str
    system: str


def cover(blocks: Sequence[Block], system: str) -> Cover:
    """All of a history."""
    return Cover(len(blocks), _digest(blocks), system_digest(system))


def system_digest(system: str) -> str:
    """Of a system prompt, hexadecimal."""
    return hashlib.sha256(system.encode("utf-8", "surrogatepass")).hexdigest()


def remainder(covered: Cover, blocks: Sequence[Block]) -> tuple[Block, ...] | None:
    """What follows the covered beginning; None where the history does not begin with it.

    Empty where it is all of it: the last question is asked again, say, or its answer is to be
    another one.
    """
    beginning = blocks[: covered.blocks]
    if len(beginning) < covered.blocks or _digest(beginning) != covered.digest:
        return None
    return tuple(blocks[covered.blocks :])


def _digest(blocks: Sequence[Block]) -> str:
    sha = hashlib.sha256()
    for block in blocks:
        for piece in _pieces(block):
            raw = piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
            sha.update(len(raw).to_bytes(8, "big"))
            sha.update(raw)
    return sha.hexdigest()


def _pieces(block: Block) -> Iterator[str | bytes]:
    """What a block says, in a form that does not depend on how it was written."""
    match block:
        case User():
            yield "user"
            yield from _parts(block.parts)
        case Assistant():
            yield "assistant"
            yield "".join("".join(step.split()) for step in block.steps if isinstance(step, str))
            for step in block.steps:
                if isinstance(step, Call):
                    yield from ("call", step.call_id, step.name, _written(step.arguments))
        case Results():
            for result in block.results:
                yield from ("error" if result.is_error else "result", result.call_id)
                yield from _parts(result.parts)


def _written(arguments: str) -> str:
    return json.dumps(json.loads(arguments), sort_keys=True, separators=(",", ":"))


def _parts(parts: Sequence[Part]) -> Iterator[str | bytes]:
    """Texts that follow each other are one, however a client cuts them."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        yield from ("text", "\n".join(texts), "image", hashlib.sha256(part.data).digest())
        texts = []
    yield from ("text", "\n".join(texts))
