"""What was said so far. Pure values.

A history is a list of blocks that alternate: what the user said, what the model said and called,
what the calls gave. How a client cuts them into messages makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from addons.providers.cursor.run.run_outputs import Part, ToolResult


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the model. ``arguments``: a JSON object as text."""

    call_id: str
    name: str
    arguments: str


type Step = str | Call
"""A text of the model, or a call."""


@dataclass(frozen=True, slots=True)
class User:
    """All that was said to the model until it answered: the user's messages, and the system's."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Assistant:
    """All that the model said and called until it was answered."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """What came of calls."""

    results: tuple[ToolResult, ...]


type Block = User | Assistant | Results


@dataclass(frozen=True, slots=True)
class History:
    """A conversation as the client tells it.

    Attributes:
        system: the system prompt, without what is meant for another upstream's accounts.
        blocks: oldest first; no two of a kind follow each other.
        notes: what was left out and why, one sentence each, for the log.
    """

    system: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def current(self) -> User | None:
        """What the user says now; None where the model is to go on by itself."""
        last = self.blocks[-1] if self.blocks else None
        return last if isinstance(last, User) else None

    @property
    def past(self) -> tuple[Block, ...]:
        """All before :attr:`current`."""
        return self.blocks[:-1] if self.current is not None else self.blocks


@dataclass(frozen=True, slots=True)
class Turn:
    """A user's words and all that followed until the next."""

    user: tuple[Part, ...]
    blocks: tuple[Assistant | Results, ...]


def turns(blocks: Sequence[Block]) -> Iterator[Turn]:
    """The same by turns. What comes before the first words of the user is a turn without them."""
    user: tuple[Part, ...] = ()
    following: list[Assistant | Results] = []
    for block in blocks:
        if isinstance(block, User):
            if user or following:
                yield Turn(user, tuple(following))
            user, following = block.parts, []
        else:
            following.append(block)
    if user or following:
        yield Turn(user, tuple(following))


def answers(history: History) -> tuple[ToolResult, ...]:
    """Results that nothing of the model follows: a waiting run may want them.

    What the user says beside them belongs to the last one, since a waiting run takes results only.
    """
    user = history.current
    last = history.past[-1] if history.past else None
    if not isinstance(last, Results):
        return ()
    if user is None:
        return last.results
    *before, final = last.results
    joined = ToolResult(final.call_id, (*final.parts, *user.parts), final.is_error)
    return (*before, joined)
