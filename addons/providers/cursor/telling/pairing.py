"""Calls and their results in order, as the models behind the upstream demand it. Pure.

Every call has a result right after the message that holds it, every result has its call before it,
and an id means one call. Clients break each of these rules: a user interrupts, a history is cut,
ids are counted from 0 again or hold characters that the upstream refuses.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from addons.providers.cursor.run.run_outputs import Part, ToolResult
from addons.providers.cursor.telling.history import Assistant, Block, Call, Results, User

NO_RESULT: Final = "There is no result: the call was interrupted or not carried out."
STRAY: Final = "[Result of a tool call that is not shown here:]"

_SOUND: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Ids that the upstream takes. One with another character was seen to fail the whole run."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Blocks that follow the rules.

    Attributes:
        names: of the tool, by call id; the ids are unique.
        notes: what was changed, one sentence each.
    """

    blocks: tuple[Block, ...]
    names: dict[str, str]
    notes: tuple[str, ...]


def paired(blocks: Sequence[Block]) -> Paired:
    """The same history by the rules. What follows the rules already is not changed."""
    pairer = _Pairer()
    for block in blocks:
        pairer.add(block)
    pairer.close()
    return Paired(tuple(pairer.blocks), pairer.names, tuple(pairer.notes))


@dataclass(slots=True)
class _Pairer:
    blocks: list[Block] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    open: dict[str, list[str]] = field(default_factory=dict)  # the client's id -> ids as sent

    def add(self, block: Block) -> None:
        match block:
            case Assistant():
                self.close()
                self.blocks.append(Assistant(tuple(self._step(step) for step in block.steps)))
            case Results():
                self._results(block)
            case User():
                self.close()
                self._append_user(block.parts)

    def _step(self, step: str | Call) -> str | Call:
        if isinstance(step, str):
            return step
        call_id = _sound(step.call_id)
        count = 2
        while call_id in self.names:
            call_id = _sound(f"{step.call_id}_{count}")
            count += 1
        self.names[call_id] = step.name
        self.open.setdefault(step.call_id, []).append(call_id)
        return replace(step, call_id=call_id)

    def _results(self, block: Results) -> None:
        known: list[ToolResult] = []
        strays: list[Part] = []
        for result in block.results:
            waiting = self.open.get(result.call_id)
            if not waiting:
                strays += [STRAY, *result.parts]
                self._note("a result without its call was given as a user's words.")
            else:
                known.append(replace(result, call_id=waiting.pop(0)))
        if known:
            self._append_results(known)
        if strays:
            self.close()
            self._append_user(tuple(strays))

    def close(self) -> None:
        """Calls that nothing answered are answered with that."""
        waiting = [call_id for call_ids in self.open.values() for call_id in call_ids]
        self.open.clear()
        if waiting:
            self._note(f"{len(waiting)} tool calls had no result; the model is told so.")
            self._append_results([ToolResult(call_id, (NO_RESULT,), True) for call_id in waiting])

    def _append_results(self, results: list[ToolResult]) -> None:
        last = self.blocks[-1]
        if isinstance(last, Results):
            self.blocks[-1] = Results((*last.results, *results))
        else:
            self.blocks.append(Results(tuple(results)))

    def _append_user(self, parts: tuple[Part, ...]) -> None:
        last = self.blocks[-1] if self.blocks else None
        if isinstance(last, User):
            self.blocks[-1] = User(last.parts + parts)
        else:
            self.blocks.append(User(parts))

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _sound(call_id: str) -> str:
    if _SOUND.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"call_{digest[:24]}"
