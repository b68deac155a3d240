"""``POST /v1/responses``: the scripted model's answer, as events or as one object.

Conversations that are told by ``previous_response_id`` are remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from replay.sandbox import agent
from replay.sandbox.agent import Answer
from replay.sandbox.events import ResponseEvents, Usage

type Json = dict[str, Any]

ACCOUNT = "gateway"
"""Whose key closes what only the upstream can read."""

_USAGE = Usage(input_tokens=1000, cached_tokens=0, output_tokens=20, reasoning_tokens=0)
"""No client minds what it is; none of them compacts at that."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer.

    Attributes:
        body: sent as JSON, if there are no events.
        events: a server-sent stream, piece by piece.
    """

    status: int
    body: Any = None
    events: Iterable[bytes] | None = None


class Memory:
    """Answers, and keeps the conversations."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Json]] = {}

    def answer(self, body: Json) -> Given:
        """
        Raises:
            LookupError: ``previous_response_id`` is not known.
        """
        items = agent.input_items(body)
        previous = body.get("previous_response_id")
        if previous is not None:
            items = [*self._kept[previous], *items]
        said = scripted({**body, "input": items})
        response = ResponseEvents(body, said.items, _USAGE)
        self._kept[response.id] = [*items, *response.output()]
        if body.get("stream") is not True:
            return Given(200, response.response("completed"))
        return Given(200, events=map(_event, response))


def scripted(body: Json) -> Answer:
    """What the scripted model says to a Responses request whose input is complete."""
    return agent.answer(body, account_id=ACCOUNT)


def _event(event: Any) -> bytes:
    return f"event: {event.type}\ndata: {event.data}\n\n".encode()
