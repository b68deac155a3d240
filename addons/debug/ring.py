"""Keeps the list of flows of mitmweb and the console under a size. One addon.

They keep every flow for ever (facts: trap 32), so that a long session fills the memory. The oldest
flows that have ended go first; those that a person has marked, or is looking at, stay.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from mitmproxy import flow, http

from addons.debug.description import MARKERS
from addons.debug.focus import the_list

if TYPE_CHECKING:
    from mitmproxy.addons.view import View

OVERHEAD = 24 * 1024
"""Bytes of a flow beside its bodies: headers, connections, what floway has written down."""


class Ring:
    """
    Args:
        limit: bytes; 0 for no limit.
    """

    name = "floway-ring"

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Of all flows that are counted."""
        return self._bytes

    def response(self, flow: http.HTTPFlow) -> None:
        self._ended(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._ended(flow)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self._ended(flow)

    def _ended(self, flow: http.HTTPFlow) -> None:
        view = the_list()
        limit = self._limit()
        if view is None or limit <= 0:
            return
        if flow.websocket is not None and flow.websocket.timestamp_end is None:
            return  # it has only begun
        self._forget(flow.id)
        self._sizes[flow.id] = size_of(flow)
        self._bytes += self._sizes[flow.id]
        if self._bytes > limit:
            self._make_room(view, limit)

    def _make_room(self, view: View, limit: int) -> None:
        gone: list[flow.Flow] = []
        newest = next(reversed(self._sizes))
        for id_ in list(self._sizes):
            if self._bytes <= limit or id_ == newest:
                break
            found = view.get_by_id(id_)
            if found is not None and (found is view.focus.flow or _is_marked(found)):
                continue
            self._forget(id_)
            if found is not None:
                gone.append(found)
        if gone:
            view.remove(gone)

    def _forget(self, id_: str) -> None:
        self._bytes -= self._sizes.pop(id_, 0)


def size_of(flow: http.HTTPFlow) -> int:
    """Bytes that a flow holds, about."""
    size = OVERHEAD + len(flow.request.raw_content or b"")
    if flow.response is not None:
        size += len(flow.response.raw_content or b"")
    if flow.websocket is not None:
        size += sum(len(message.content) + 200 for message in flow.websocket.messages)
    kept = flow.metadata.get("floway_client")
    if isinstance(kept, dict) and isinstance(kept.get("body"), bytes):
        size += len(kept["body"])
    return size


def _is_marked(found: flow.Flow) -> bool:
    """By a person, not by floway."""
    return bool(found.marked) and found.marked not in MARKERS
