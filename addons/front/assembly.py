"""One complete ``response`` object from a stream of Responses events.

The terminal event of a real backend may carry an empty ``output``; the items have come one by one
before it, so the answer is put together from them.
"""

from __future__ import annotations

from addons.errors import ClientError
from addons.front.contract import Json
from addons.front.openai_errors import response_failure
from addons.front.reading import truncated

TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Assembly:
    """Takes the events of one answer, in order; gives the response at the end."""

    def __init__(self) -> None:
        self._final: Json | None = None
        self._failure: ClientError | None = None
        self._done: dict[int, Json] = {}
        self._open: dict[int, _OpenItem] = {}

    @property
    def finished(self) -> bool:
        """Whether a terminal event was seen."""
        return self._final is not None or self._failure is not None

    def feed(self, event: Json) -> None:
        """Take one event; events that do not matter for the result are ignored."""
        if self.finished:
            return
        kind = event.get("type")
        if not isinstance(kind, str):
            return
        if kind == "response.output_item.done":
            self._item_done(event)
        elif kind == "response.output_item.added":
            self._item_added(event)
        elif kind in TERMINAL:
            response = event.get("response")
            self._final = response if isinstance(response, dict) else {}
            self._final.setdefault("status", kind.removeprefix("response."))
        elif kind == "error":
            # Flat in the published form; some servers nest it.
            self._failure = response_failure(event.get("error") or event)
        else:
            item = self._open.get(_index(event, -1))
            if item is not None:
                item.feed(kind, event)

    def response(self) -> Json:
        """The ``response`` object: that of the terminal event, its ``output`` filled in from the
        items if it came empty. A failed response is returned as well (``status: failed``).

        Raises:
            ClientError: 502 ``upstream_truncated`` when the stream ended without a terminal event;
                the stream's own error when it sent an ``error`` event.
        """
        if self._failure is not None:
            raise self._failure
        if self._final is None:
            raise truncated()
        if not self._final.get("output"):
            self._final["output"] = self._items()
        return self._final

    def _items(self) -> list[Json]:
        items = dict(self._done)
        for index, unfinished in self._open.items():
            items.setdefault(index, unfinished.item())
        return [items[index] for index in sorted(items)]

    def _item_added(self, event: Json) -> None:
        item = event.get("item")
        if isinstance(item, dict):
            index = _index(event, len(self._done) + len(self._open))
            self._open[index] = _OpenItem(item)

    def _item_done(self, event: Json) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            return
        index = _index(event, -1)
        if index < 0:  # no output_index: the order of completion is the best there is
            index = next((key for key, added in self._open.items() if added.is_about(item)), -1)
        if index < 0:
            index = max([-1, *self._done, *self._open]) + 1
        self._open.pop(index, None)
        self._done[index] = item


def _index(event: Json, default: int) -> int:
    index = event.get("output_index")
    return index if isinstance(index, int) and index >= 0 else default


class _OpenItem:
    """An item that was announced and not finished: kept for answers that are cut short."""

    def __init__(self, added: Json) -> None:
        self._added = added
        self._texts: dict[tuple[str, int], list[str]] = {}

    def is_about(self, item: Json) -> bool:
        return item.get("id") is not None and item.get("id") == self._added.get("id")

    def feed(self, kind: str, event: Json) -> None:
        # response.output_text.delta -> ("output_text", "delta")
        subject, _, verb = kind.removeprefix("response.").rpartition(".")
        target = _TARGETS.get(subject)
        if target is None:
            return
        at = event.get(target.counter, 0)
        key = (subject, at if isinstance(at, int) else 0)
        if verb == "delta":
            text = event.get("delta")
            if isinstance(text, str):
                self._texts.setdefault(key, []).append(text)
        elif verb == "done":
            text = event.get(target.member)
            if isinstance(text, str):
                self._texts[key] = [text]

    def item(self) -> Json:
        """The item as far as it has come, ``status: incomplete``."""
        item: Json = dict(self._added)
        parts: dict[str, dict[int, Json]] = {}
        for (subject, at), pieces in self._texts.items():
            target, text = _TARGETS[subject], "".join(pieces)
            if not target.list_member:
                item[target.member] = text
                continue
            part: Json = {"type": target.part_type, target.member: text}
            if target.part_type == "output_text":
                part["annotations"] = []
            parts.setdefault(target.list_member, {})[at] = part
        for member, by_index in parts.items():
            item[member] = [by_index[at] for at in sorted(by_index)]
        if "status" in item:
            item["status"] = "incomplete"
        return item


class _Target:
    """Where the text of a kind of delta event belongs in its item."""

    __slots__ = ("counter", "list_member", "member", "part_type")

    def __init__(
        self,
        member: str,
        list_member: str = "",
        part_type: str = "",
        counter: str = "content_index",
    ) -> None:
        self.member = member
        self.list_member = list_member
        self.part_type = part_type
        self.counter = counter


_TARGETS: dict[str, _Target] = {
    "output_text": _Target("text", "content", "output_text"),
    "refusal": _Target("refusal", "content", "refusal"),
    "reasoning_text": _Target("text", "content", "reasoning_text"),
    "reasoning_summary_text": _Target("text", "summary", "summary_text", "summary_index"),
    "function_call_arguments": _Target("arguments"),
    "custom_tool_call_input": _Target("input"),
}
