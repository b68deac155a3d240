"""Which state a run begins with: the checkpoint, or the history told anew. Pure.

The upstream's own state belongs to one account and one conversation id. It is used by its owner,
and while the client's history goes on from what it covers; in every other case the history is
told anew, so that nothing which was said is lost, whoever answers next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from addons.errors import BadRequest
from addons.providers.cursor.run.run_outputs import Part
from addons.providers.cursor.telling.blobs import BlobLimits, BlobMap, BlobsFull
from addons.providers.cursor.telling.coverage import Cover, remainder, system_digest
from addons.providers.cursor.telling.flattening import flattened
from addons.providers.cursor.telling.history import Block, History, User
from addons.providers.cursor.telling.pairing import paired
from addons.providers.cursor.telling.transcript import appended, state
from addons.providers.cursor.telling.trimming import tokens, tokens_of_text, trimmed

UNKNOWN_WINDOW: Final = 200_000
"""Tokens that a model is taken to have where nobody says (cursor-protocol.md §1.5)."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The upstream's state of a conversation, as it gave it at the end of a turn.

    Attributes:
        account: opaque handle of the account whose state it is.
        generation: of the conversation's id, see :meth:`.Conversation.id`.
        state: the raw bytes. They are never parsed and written again.
        blobs: what they refer to.
        covered: how much of the history it holds.
        started: unix seconds at which the run began.
    """

    account: str
    generation: int
    state: bytes
    blobs: BlobMap
    covered: Cover
    started: float

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.state) + self.blobs.size


class SystemPlace(StrEnum):
    """Where the client's system prompt goes.

    The upstream was reported to replace a system message by its own, and to keep rules (§4.6);
    and rules it asks for, or it does not. So by default both.
    """

    BOTH = "both"
    MESSAGE = "message"
    RULE = "rule"


class Form(StrEnum):
    """How the past is told."""

    CHECKPOINT = "checkpoint"
    MESSAGES = "messages"
    TEXT = "text"


class Dropped(StrEnum):
    """Why there is a checkpoint that is not used."""

    FOREIGN = "it is another account's"
    SPOILED = "it is of an id that the upstream has spoiled"
    CHANGED = "the client has changed the history that it covers"
    SYSTEM = "the system prompt is another one"


@dataclass(frozen=True, slots=True)
class Telling:
    """How a history is told where there is a choice.

    Attributes:
        form: of a past that no checkpoint holds: MESSAGES or TEXT.
        system: place of the system prompt.
        window: tokens of the model; None: not known.
        reserved: tokens of it that are not the history's: tools, and room for an answer. At most
            half of it.
        blobs: how much may be kept.
    """

    form: Form = Form.MESSAGES
    system: SystemPlace = SystemPlace.BOTH
    window: int | None = None
    reserved: int = 0
    blobs: BlobLimits | None = None


@dataclass(frozen=True, slots=True)
class StatePlan:
    """What a run begins with.

    Attributes:
        form: how the past is told.
        state: the ``conversation_state`` of the run request, to be sent as it is.
        blobs: what it refers to, and what the run adds to it.
        said: the user's words now; None: the model goes on by itself.
        dropped: why the checkpoint is not used; None: it is, or there is none. A dropped one is
            to be forgotten once this run's answer is on its way to the client.
        tokens: of the whole prompt without tools, about.
        notes: what was cut or changed and why, one sentence each.
    """

    form: Form
    state: bytes
    blobs: BlobMap
    said: tuple[Part, ...] | None
    dropped: Dropped | None
    tokens: int
    notes: tuple[str, ...] = ()


def plan_state(
    checkpoint: Checkpoint | None,
    account: str,
    history: History,
    *,
    generation: int = 0,
    telling: Telling | None = None,
) -> StatePlan:
    """Decide what an account is sent of a conversation.

    Args:
        checkpoint: the one that is kept of the conversation, whoever's it is.
        account: opaque handle of the account that serves the request.
        generation: of the id that the run uses.

    Raises:
        BadRequest: ``context_length_exceeded``: the history is far larger than the model takes.
    """
    telling = telling or Telling()
    dropped: Dropped | None = None
    if checkpoint is not None:
        dropped = _why_not(checkpoint, account, history, generation, telling)
        if dropped is None:
            rest = remainder(checkpoint.covered, history.blocks)
            if rest is not None:
                return _continued(checkpoint, history, rest, telling)
            dropped = Dropped.CHANGED
    try:
        return _anew(history, dropped, telling)
    except BlobsFull as error:
        raise BadRequest(
            "context_length_exceeded",
            f"The conversation is too large to be told to this model: {error}. Compact it, or "
            "begin a new one.",
            param="input",
        ) from error


def _why_not(
    checkpoint: Checkpoint, account: str, history: History, generation: int, telling: Telling
) -> Dropped | None:
    """What is wrong with a checkpoint whatever was said."""
    if checkpoint.account != account:
        return Dropped.FOREIGN
    if checkpoint.generation != generation:
        return Dropped.SPOILED
    in_state = telling.system is not SystemPlace.RULE
    if in_state and checkpoint.covered.system != system_digest(history.system):
        return Dropped.SYSTEM
    return None


def _continued(
    checkpoint: Checkpoint, history: History, rest: Sequence[Block], telling: Telling
) -> StatePlan:
    """The checkpoint as it is; behind it what was said since then without it."""
    blobs = checkpoint.blobs.copy()
    past, said = _now(rest)
    pairs = paired(past)
    raw = checkpoint.state
    if telling.form is Form.TEXT and past:
        said = flattened(pairs, None if said is None else User(said))
    elif past:
        try:
            raw = appended(raw, pairs, blobs)
        except BlobsFull:  # then they go into the message, which has no such limit
            said = flattened(pairs, None if said is None else User(said))
    size = tokens_of_text(history.system) + tokens(history.blocks)
    return StatePlan(Form.CHECKPOINT, raw, blobs, said, None, size, pairs.notes)


def _anew(history: History, dropped: Dropped | None, telling: Telling) -> StatePlan:
    window = telling.window or UNKNOWN_WINDOW
    system_size = tokens_of_text(history.system)
    budget = max(0, max(window - telling.reserved, window // 2) - system_size)
    blocks, cut = trimmed(history.blocks, budget, beside=system_size, window=telling.window)
    past, said = _now(blocks)
    pairs = paired(past)
    system = "" if telling.system is SystemPlace.RULE else history.system
    blobs = BlobMap(limits=telling.blobs)
    if telling.form is Form.TEXT:
        raw = state(system, paired(()), blobs)
        said = flattened(pairs, None if said is None else User(said))
    else:
        raw = state(system, pairs, blobs)
    size = system_size + tokens(blocks)
    return StatePlan(telling.form, raw, blobs, said, dropped, size, cut + pairs.notes)


def _now(blocks: Sequence[Block]) -> tuple[Sequence[Block], tuple[Part, ...] | None]:
    """What was said before, and what the user says now."""
    last = blocks[-1] if blocks else None
    return (blocks[:-1], last.parts) if isinstance(last, User) else (blocks, None)
