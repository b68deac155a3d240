"""A neutral Responses body in the shape of a release and a model, and the way back. Pure.

Which shape that is comes from the profile (``shapes``). What every request of a release carries
with a fixed value (``store``, ``stream``, ``include``, …) is in the profile's documents and not
repeated here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from addons.errors import BadRequest
from addons.front.earlier import Items
from addons.providers.codex import ids, items
from fingerprints.item_forms import ItemForms

type Json = dict[str, Any]


class Placement(Protocol):
    """Where a shape has its parts; :class:`fingerprints.profile.Shape` is one."""

    @property
    def instructions(self) -> str:
        """``member`` or ``developer_message``."""

    @property
    def tools(self) -> str:
        """``member`` or ``additional_tools``."""


def bring(
    body: Json,
    placement: Placement,
    *,
    thread_id: str,
    forms: ItemForms,
    turn_id: str = "",
    previous: str = "",
) -> Json:
    """``body`` in the shape of ``placement``; ``body`` itself is not changed.

    A body that has the shape already comes back equal, member for member. For a fixed thread, the
    input of a conversation's later turn begins with the whole input of an earlier one.

    Args:
        thread_id: makes derived item ids the conversation's own.
        forms: how the release writes items of this shape.
        turn_id: of the request; items that continue an earlier response are of this turn.
        previous: :func:`prefix_key` of the message that this one continues with
            ``previous_response_id``; what stood in that one's input is not said again.

    Raises:
        BadRequest: names the member that can't be sent, and the remedy.
    """
    brought = dict(body)
    given = items.listed(body.get("input"))
    continued = turn_id if body.get("previous_response_id") else ""
    first = continued or items.turn_id(thread_id)
    made = given.made if isinstance(given, Items) else None
    written = items.normalised(
        given, thread_id=thread_id, forms=forms, continued=continued, made=made
    )
    said = bool(previous) and previous == prefix_key(body)
    leading: list[Json] = []
    writer = items.Writer(thread_id, forms, place="leading")
    if placement.tools == "additional_tools":
        tools = brought.pop("tools", None)
        if tools is not None and not isinstance(tools, list):
            raise BadRequest("invalid_type", "tools must be a list", param="tools")
        if tools and not said:
            form = forms.of("additional_tools", "developer")
            leading.append(items.tools_item(tools, writer, form, first))
    if placement.instructions == "developer_message":
        text = brought.pop("instructions", None)
        if text is not None and not isinstance(text, str):
            raise BadRequest("invalid_type", "instructions must be a text", param="instructions")
        if text and not said:
            form = forms.of("message", "developer", leading=True)
            leading.append(items.instructions_item(text, writer, form, first))
    elif brought.get("instructions", "") is None:
        brought["instructions"] = ""  # the backend takes no null (codex-wire.md §7.2)
    brought["input"] = items.Input([*leading, *written], [*leading, *written.texts])
    return brought


def prefix_key(body: Json) -> str:
    """Names the instructions and tools of a caller's body; "" when it has neither.

    A WebSocket message that continues another one repeats them; in a shape that has them in the
    input, they are part of what the upstream knows already.
    """
    instructions, tools = body.get("instructions"), body.get("tools")
    if not instructions and not tools:
        return ""
    return ids.digest("prefix", items.dump([instructions, tools]).hex()).hex()


# --- the way back --------------------------------------------------------------------------------

_ECHOED: Json = {
    "instructions": None,
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "previous_response_id": None,
    "metadata": {},
    "safety_identifier": None,
    "user": None,
}
"""Members that a response object repeats from its request, and what stands there for none."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a caller is to see in response objects instead of what the upstream was sent.

    Attributes:
        values: member -> the caller's value, or what the API says for none.
        context: ``reasoning.context`` differs; ``context_value`` is the caller's, None: no such
            member.
    """

    values: Json
    context: bool = False
    context_value: Any = None


def moved(caller: Json, sent: Json) -> Moved:
    """The difference between a caller's body and the one that went upstream."""
    values: Json = {}
    for name, none in _ECHOED.items():
        own = caller.get(name, none)
        if own is None:
            own = none
        if name not in sent or sent[name] != own:
            values[name] = own
    # A caller that did not choose is told the truth: nothing is stored.
    if caller.get("store") is not None and caller["store"] != sent.get("store"):
        values["store"] = caller["store"]
    before, after = _context(caller), _context(sent)
    return Moved(values, before != after, before)


def restore(response: Json, moved: Moved) -> bool:
    """Put the caller's values back into a response object, in place; True when it changed.

    Only members that the upstream gave are touched.
    """
    changed = False
    for name, value in moved.values.items():
        if name in response and response[name] != value:
            response[name] = value
            changed = True
    reasoning = response.get("reasoning")
    if moved.context and isinstance(reasoning, dict) and "context" in reasoning:
        if moved.context_value is None:
            del reasoning["context"]
        else:
            reasoning["context"] = moved.context_value
        changed = True
    return changed


def _context(body: Json) -> Any:
    reasoning = body.get("reasoning")
    return reasoning.get("context") if isinstance(reasoning, dict) else None
