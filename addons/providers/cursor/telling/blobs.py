"""What a conversation's state refers to by id: the client keeps it, the server asks for it.

An id is the SHA-256 of the content, 32 bytes (cursor-protocol.md §4.5). Blobs that the server sets
are kept under the id that it gave, whatever they hash to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from addons.errors import FlowayError
from addons.providers.cursor.telling.wire import references

_MIB = 1024 * 1024

MAX_ID = 64
"""Bytes of an id. The server's have 32."""


class BlobsFull(FlowayError):
    """A blob is not taken, because a limit is reached; the message says which."""


@dataclass(frozen=True, slots=True)
class BlobLimits:
    """Of one conversation.

    Attributes:
        count: blobs. A message of the history is one, and a turn of it some more.
        each: bytes of one blob.
        total: bytes of all of them.
    """

    count: int = 16_384
    each: int = 32 * _MIB
    total: int = 128 * _MIB


class BlobMap:
    """The blobs of one conversation, bounded; in the order in which they came.

    Never evicts: a blob that is missing when the server asks for it costs the whole state, one
    that is refused costs at most the run.
    """

    __slots__ = ("_blobs", "_limits", "_size")

    def __init__(
        self, blobs: Mapping[bytes, bytes] | None = None, limits: BlobLimits | None = None
    ) -> None:
        self._limits = limits or BlobLimits()
        self._blobs: dict[bytes, bytes] = {}
        self._size = 0
        for blob_id, data in (blobs or {}).items():
            self.set(blob_id, data)

    def __len__(self) -> int:
        return len(self._blobs)

    def __contains__(self, blob_id: bytes) -> bool:
        return blob_id in self._blobs

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._blobs)

    def __repr__(self) -> str:
        return f"<BlobMap of {len(self)}, {self._size} bytes>"

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return self._size

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Id and content."""
        return self._blobs.items()

    def get(self, blob_id: bytes) -> bytes | None:
        """The content; None: there is no such blob."""
        return self._blobs.get(blob_id)

    def set(self, blob_id: bytes, data: bytes) -> None:
        """Keep a blob under the id that the server gave; one that is there is replaced.

        Raises:
            BlobsFull: it would go over a limit. Nothing is changed.
        """
        if not 0 < len(blob_id) <= MAX_ID:
            raise BlobsFull(f"the id of a blob has {len(blob_id)} bytes; 1 to {MAX_ID} are taken")
        if len(data) > self._limits.each:
            raise BlobsFull(f"a blob has {len(data)} bytes, more than {self._limits.each}")
        before = self._blobs.get(blob_id)
        if before is None and len(self._blobs) >= self._limits.count:
            raise BlobsFull(f"the conversation has {self._limits.count} blobs, no more are taken")
        size = self._size + len(data) - len(before or b"")
        if size > self._limits.total:
            raise BlobsFull(f"the conversation's blobs would have {size} bytes in all")
        self._blobs[blob_id] = data
        self._size = size

    def put(self, data: bytes) -> bytes:
        """Keep a blob of our own; its id.

        Raises:
            BlobsFull: as :meth:`set`.
        """
        blob_id = hashlib.sha256(data).digest()
        if blob_id not in self._blobs:
            self.set(blob_id, data)
        return blob_id

    def copy(self) -> BlobMap:
        """A map of its own with the same blobs: what a run adds to it, it adds for itself."""
        made = BlobMap(limits=self._limits)
        made._blobs = dict(self._blobs)
        made._size = self._size
        return made

    def reachable(self, root: bytes) -> BlobMap:
        """Only the blobs that ``root`` or another reachable blob refers to, as a member."""
        made = BlobMap(limits=self._limits)
        pending = [root]
        while pending:
            for blob_id in references(pending.pop(), self._blobs):
                if blob_id not in made:
                    made.set(blob_id, self._blobs[blob_id])
                    pending.append(self._blobs[blob_id])
        return made
