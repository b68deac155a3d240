"""Reading of Responses events and objects, for the protocols that they are translated to.

An upstream may send anything, so nothing here raises: what has not the form that it should have is
taken for absent.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from addons.errors import ClientError
from addons.front.contract import Json

BREAK: Final = "\n\n"
"""Between texts that a client's protocol has only one string for: the parts of a reasoning
summary, say."""

type TextKey = tuple[str, Hashable, int]
"""A text of an answer: what kind of text it is, its output item, and which part of that."""


def response_of(event: Json) -> Json:
    """The response object that an event carries."""
    response = event.get("response")
    return response if isinstance(response, dict) else {}


def item_key(event: Json) -> Hashable:
    """What identifies the output item that an event is about."""
    index = event.get("output_index")
    if isinstance(index, int):
        return index
    given = event.get("item_id")
    if given is None:
        item = event.get("item")
        given = item.get("id") if isinstance(item, dict) else None
    return given if isinstance(given, str) else ""


def part_index(event: Json, counter: str) -> int:
    """Which part of its item an event is about; ``counter``: the member that says so."""
    index = event.get(counter)
    return index if type(index) is int else 0


def listed(value: Any) -> list[Any]:
    """An upstream's array; empty where it sent something else."""
    return value if isinstance(value, list) else []


def texts(parts: Any) -> list[str]:
    """The texts of a list of parts, ``""`` for a part without one."""
    return [
        part["text"] if isinstance(part, dict) and isinstance(part.get("text"), str) else ""
        for part in listed(parts)
    ]


def count(counts: Any, name: str) -> int:
    """A number of tokens; 0 where it is missing."""
    found = counts.get(name) if isinstance(counts, dict) else None
    return found if isinstance(found, int) else 0


def model_name(response: Json, asked: str) -> str:
    """The model that answered, by the upstream's word, else the one that was asked."""
    model = response.get("model")
    return model if isinstance(model, str) and model else asked


def incomplete_reason(response: Json) -> str:
    """Why a response is not complete, in the words of Responses; ``""`` for one that is."""
    if response.get("status") != "incomplete":
        return ""
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    return reason if isinstance(reason, str) and reason else "max_output_tokens"


def truncated() -> ClientError:
    """For a stream that ended without its terminal event."""
    return ClientError(
        502,
        "upstream_truncated",
        "The upstream ended the stream before the response was complete. Try again.",
    )


class Shown:
    """How much of each text the client was given: an answer may come as deltas, as ``*.done``
    events without deltas, or as finished items only."""

    __slots__ = ("characters",)

    def __init__(self) -> None:
        self.characters: dict[TextKey, int] = {}

    def new(self, key: TextKey, delta: Any) -> str:
        """A delta, counted."""
        if type(delta) is not str:
            return ""
        self.characters[key] = self.characters.get(key, 0) + len(delta)
        return delta

    def rest(self, key: TextKey, text: Any) -> str:
        """What of a finished text did not come as deltas."""
        if type(text) is not str:
            return ""
        rest = text[self.characters.get(key, 0) :]
        if rest:
            self.characters[key] = len(text)
        return rest
