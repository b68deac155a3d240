"""The content blocks of a messages stream: one after the other, whatever came first.

In a Responses stream the events of several items may be mixed. A block of this protocol is over
before the next one begins, so what belongs to a later one waits until its turn. On the hot path.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Final

from addons.front.contract import Json
from addons.front.json_text import compact, quoted
from addons.front.stop_sequences import StopFilter

_TEXTS: Final = {
    "text": ({"type": "text", "text": ""}, b'{"type":"text_delta","text":'),
    "thinking": (
        {"type": "thinking", "thinking": "", "signature": ""},
        b'{"type":"thinking_delta","thinking":',
    ),
}
"""What stands in the first event of a block of text, and the beginning of its deltas."""

_ARGUMENTS: Final = b'{"type":"input_json_delta","partial_json":'


class Block:
    """One block, made by :class:`Blocks`."""

    __slots__ = ("_at_once", "_delta", "_opening", "_pending", "_stop", "closed", "index")

    def __init__(
        self, opening: Json, delta: bytes = b"", *, at_once: bool, stop: StopFilter | None = None
    ) -> None:
        self._opening = opening
        self._delta = delta
        self._at_once = at_once
        self._stop = stop
        self._pending: list[str | bytes] = []
        self.index = -1
        self.closed = False


class _Item:
    """The blocks of an output item that are not over yet."""

    __slots__ = ("blocks", "closed")

    def __init__(self) -> None:
        self.blocks: deque[Block] = deque()
        self.closed = False


class Blocks:
    """Writes the blocks of one answer: items in the order in which they were first named, and of
    each item its blocks in the order in which they were made.

    Args:
        stops: stop sequences, applied to each block of text.

    Attributes:
        stopped: the stop sequence that was met, "" before. Nothing more is written after it.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._items: dict[Hashable, _Item] = {}  # those that are not closed
        self._queue: deque[_Item] = deque()
        self._live: Block | None = None  # the block that the client sees growing
        self._next = 0
        self.stopped = ""

    def item(self, key: Hashable) -> None:
        """Take an item's place, whatever comes first of it."""
        if key not in self._items:
            self._items[key] = item = _Item()
            self._queue.append(item)

    def text(self, item: Hashable) -> Block:
        """A block of text. It is not shown unless something is written."""
        opening, delta = _TEXTS["text"]
        stop = StopFilter(self._stops) if self._stops else None
        return self._add(item, Block(opening, delta, at_once=False, stop=stop))

    def thinking(self, item: Hashable) -> Block:
        """A block of thinking, likewise."""
        return self._add(item, Block(*_TEXTS["thinking"], at_once=False))

    def call(self, item: Hashable, opening: Json) -> Block:
        """A tool use, shown as soon as it can be; what is written into it are its arguments.

        Args:
            opening: the block as its first event shows it, with an empty input.
        """
        return self._add(item, Block(opening, _ARGUMENTS, at_once=True))

    def whole(self, item: Hashable, opening: Json) -> Block:
        """A block that is complete with its first event."""
        block = self._add(item, Block(opening, at_once=True))
        block.closed = True
        return block

    def _add(self, key: Hashable, block: Block) -> Block:
        self.item(key)
        self._items[key].blocks.append(block)
        return block

    def write(self, block: Block, piece: str | bytes) -> bytes:
        """Client bytes for a piece of a block.

        Args:
            piece: text; or as bytes the JSON of a whole ``delta``.
        """
        if self.stopped or block.closed:
            return b""
        if block is self._live:
            return self._piece(block, piece)
        block._pending.append(piece)
        return self.advance()

    def close(self, key: Hashable) -> bytes:
        """The item is over: the end of its blocks, and whatever waited for that."""
        item = self._items.pop(key, None)
        if item is not None:
            _close(item)
        return self.advance()

    def finish(self) -> bytes:
        """All items are over."""
        for item in self._queue:
            _close(item)
        return self.advance()

    def advance(self) -> bytes:
        """What can be written now; to be called after a call was added."""
        out = b""
        while self._queue and not self.stopped:
            item = self._queue[0]
            if not item.blocks:
                self._live = None
                if not item.closed:
                    break
                self._queue.popleft()
                continue
            self._live = block = item.blocks[0]
            if block._at_once:
                out += self._open(block)
            pending, block._pending = block._pending, []
            for piece in pending:
                out += self._piece(block, piece)
                if self.stopped:
                    return out
            if not block.closed:
                break
            out += self._end(block)
            item.blocks.popleft()
        return out

    def _end(self, block: Block) -> bytes:
        out = b""
        if block._stop is not None and (held := block._stop.flush()):
            out = self._open(block) + self._delta(block, block._delta + quoted(held) + b"}")
        return out + _stop_event(block.index) if block.index >= 0 else out

    def _piece(self, block: Block, piece: str | bytes) -> bytes:
        if isinstance(piece, bytes):
            return self._open(block) + self._delta(block, piece)
        stop = block._stop
        if stop is not None:
            piece = stop.feed(piece)
            if stop.hit:
                self.stopped = stop.found
        out = b""
        if piece:
            out = self._open(block) + self._delta(block, block._delta + quoted(piece) + b"}")
        if self.stopped and block.index >= 0:
            out += _stop_event(block.index)
        return out

    def _open(self, block: Block) -> bytes:
        if block.index >= 0:
            return b""
        block.index = self._next
        self._next += 1
        start = {
            "type": "content_block_start",
            "index": block.index,
            "content_block": block._opening,
        }
        return b"event: content_block_start\ndata: " + compact(start) + b"\n\n"

    def _delta(self, block: Block, delta: bytes) -> bytes:
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
            % block.index
        ) + (delta + b"}\n\n")


def _stop_event(index: int) -> bytes:
    return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % index


def _close(item: _Item) -> None:
    item.closed = True
    for block in item.blocks:
        block.closed = True
