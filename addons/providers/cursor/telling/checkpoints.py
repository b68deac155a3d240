"""The upstream's states of conversations, kept for the next turn: in the store, and bounded.

One record names the state of a conversation, its owner and its blobs; each of these parts is a
record of its own, because a turn adds a few to many. A part is named by its content, so it never
changes. The naming record is written last and by compare-and-set: whoever reads it finds all parts,
or knows that the state is lost.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from addons.providers.cursor.telling.blobs import BlobLimits, BlobMap, BlobsFull
from addons.providers.cursor.telling.checkpoint_records import head_of, loaded, packed, parts, whole
from addons.providers.cursor.telling.state import Checkpoint
from addons.store.contract import MAX_SCAN, NO_RECORD, Entry, Record, Store, StoreError
from addons.store.memory import MemoryStore

logger = logging.getLogger(__name__)

HEADS: Final = "cursor.checkpoints"
PARTS: Final = "cursor.checkpoints.parts"
GENERATIONS: Final = "cursor.generations"

_MIB: Final = 1024 * 1024
_TRIES: Final = 4
"""Of a compare-and-set that another process gets ahead of."""


@dataclass(frozen=True, slots=True)
class CheckpointLimits:
    """What is kept.

    Attributes:
        seconds: from the end of a turn until its state is forgotten (cursor-protocol.md §4.9).
        state_bytes: of one state, without blobs.
        blobs: of one conversation. Each must fit a record of the store.
        total_bytes: of all conversations; the one used longest ago goes first.
        memory_bytes: of those that are in memory as well.
        generation_seconds: for which a spoiled id is remembered.
    """

    seconds: float = 1800.0
    state_bytes: int = 8 * _MIB
    blobs: BlobLimits = field(default_factory=lambda: BlobLimits(each=8 * _MIB, total=32 * _MIB))
    total_bytes: int = 512 * _MIB
    memory_bytes: int = 64 * _MIB
    generation_seconds: float = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a conversation.

    Attributes:
        generation: of its id.
        checkpoint: None where there is none.
    """

    generation: int = 0
    checkpoint: Checkpoint | None = None


class Checkpoints:
    """Of all conversations, by :attr:`.Conversation.key`.

    Args:
        store: None: what is kept ends with the process.
        clock: unix seconds.
    """

    def __init__(
        self,
        store: Store | None,
        clock: Callable[[], float],
        limits: CheckpointLimits | None = None,
    ) -> None:
        self._store: Store = store if store is not None else MemoryStore(clock=clock)
        self._clock = clock
        self._limits = limits or CheckpointLimits()
        self._recent: OrderedDict[str, tuple[int, Checkpoint]] = OrderedDict()
        self._recent_bytes = 0
        self._sizes: OrderedDict[str, tuple[int, float]] = OrderedDict()  # size, end of life

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def size(self) -> int:
        """Bytes of all that are kept, as far as this process knows."""
        return sum(size for size, _ in self._sizes.values())

    @property
    def size_in_memory(self) -> int:
        """Bytes of those that are in memory."""
        return self._recent_bytes

    async def load(self) -> None:
        """Learn what the store has kept, so that its size is bounded from the start."""
        after = ""
        found: list[tuple[float, str, int]] = []
        while records := await self._store.scan(HEADS, after=after):
            after = records[-1].key
            for record in records:
                head = loaded(record.value)
                if head is not None:
                    found.append((record.expires_at or 0.0, record.key, head.size))
            if len(records) < MAX_SCAN:
                break
        for ends, key, size in sorted(found):
            self._sizes[key] = (size, ends)
        await self._evict()

    # --- finding -----------------------------------------------------------------------------

    async def find(self, key: str) -> Kept:
        """What is kept of a conversation; without a checkpoint where a part of it is lost.

        A store that fails costs the checkpoint, and not the request.
        """
        try:
            generation = await self._generation(key)
            record = await self._store.get(HEADS, key)
            head = None if record is None else loaded(record.value)
            if record is None or head is None:
                self._forget(key)
                return Kept(generation)
            self._used(key, head.size, record.expires_at or 0.0)
            recent = self._recent.get(key)
            if recent is not None and recent[0] == record.version:
                self._recent.move_to_end(key)
                return Kept(generation, recent[1])
            checkpoint = whole(head, await self._parts(key), self._limits.blobs)
            if checkpoint is None:
                logger.warning("a conversation's checkpoint is not whole; it is forgotten")
                await self._drop(key, record)
                return Kept(generation)
        except StoreError as error:
            logger.warning("a conversation's checkpoint can't be read: %s", error)
            return Kept()
        self._remember(key, record.version, checkpoint)
        return Kept(generation, checkpoint)

    async def _generation(self, key: str) -> int:
        record = await self._store.get(GENERATIONS, key)
        value = 0 if record is None else record.value
        return value if isinstance(value, int) and value > 0 else 0

    async def _parts(self, key: str) -> dict[str, object]:
        """The records of a conversation's parts, by name."""
        found: dict[str, object] = {}
        after = prefix = f"{key}/"
        while records := await self._store.scan(PARTS, prefix, after=after):
            after = records[-1].key
            found |= {record.key.removeprefix(prefix): record.value for record in records}
            if len(records) < MAX_SCAN:
                break
        return found

    # --- keeping -----------------------------------------------------------------------------

    async def keep(self, key: str, checkpoint: Checkpoint) -> str:
        """Keep the state at the end of a turn, in place of an older one.

        To be called once the turn has ended well, and not before: the state of a failed turn may
        be spoiled.

        Returns:
            "", or why it is not kept.
        """
        limits = self._limits
        if len(checkpoint.state) > limits.state_bytes:
            return f"the state has {len(checkpoint.state)} bytes, more than {limits.state_bytes}"
        blobs = checkpoint.blobs
        if blobs.size > limits.blobs.total // 2 or len(blobs) > limits.blobs.count // 2:
            blobs = blobs.reachable(checkpoint.state)
        try:
            kept = BlobMap(dict(blobs.items()), limits.blobs)
        except BlobsFull as error:
            return str(error)
        checkpoint = replace(checkpoint, blobs=kept)
        try:
            return await self._keep(key, checkpoint)
        except StoreError as error:
            logger.warning("a conversation's checkpoint can't be kept: %s", error)
            return "the store failed"

    async def _keep(self, key: str, checkpoint: Checkpoint) -> str:
        seconds = self._limits.seconds
        for _ in range(_TRIES):
            record = await self._store.get(HEADS, key)
            before = None if record is None else loaded(record.value)
            if await self._generation(key) != checkpoint.generation:
                return "its id was spoiled meanwhile"
            if before is not None and before.started > checkpoint.started:
                return "a newer one is kept"
            now = self._clock()
            # Blobs live twice as long as the record that names them, so that a turn has to write
            # again only what is old.
            fresh = before is not None and before.fresh_until >= now + seconds
            known = set(before.names()) if before is not None and fresh else set()
            contents = parts(checkpoint)
            await self._store.put_many(
                [
                    Entry(PARTS, f"{key}/{name}", packed(data), 2 * seconds)
                    for name, data in contents.items()
                    if name not in known
                ]
            )
            fresh_until = before.fresh_until if before is not None and fresh else now + 2 * seconds
            written = await self._store.compare_and_set(
                HEADS,
                key,
                head_of(checkpoint, fresh_until).dumped(),
                version=NO_RECORD if record is None else record.version,
                ttl=seconds,
            )
            if written is not None:
                self._remember(key, written.version, checkpoint)
                self._used(key, checkpoint.size, now + seconds)
                if before is not None:
                    await self._remove(key, set(before.names()) - contents.keys())
                await self._evict()
                return ""
        return "other processes keep it at the same time"

    async def _remove(self, key: str, names: set[str]) -> None:
        for name in names:
            await self._store.delete(PARTS, f"{key}/{name}")

    # --- giving up ---------------------------------------------------------------------------

    async def drop(self, key: str) -> None:
        """Forget a conversation's checkpoint; its id stays."""
        self._forget(key)
        try:
            record = await self._store.get(HEADS, key)
            if record is not None:
                await self._drop(key, record)
        except StoreError as error:
            logger.warning("a conversation's checkpoint can't be removed: %s", error)

    async def _drop(self, key: str, record: Record) -> None:
        """Forget the one of this record; a newer one stays."""
        self._forget(key)
        if await self._store.delete(HEADS, key, version=record.version):
            head = loaded(record.value)
            if head is not None:
                await self._remove(key, set(head.names()))

    async def spoiled(self, key: str, generation: int) -> int:
        """The upstream refuses the state or the id: forget the one, and replace the other.

        Several requests may find out about the same id; it is replaced once.

        Args:
            generation: of the id that was refused.

        Returns:
            The generation of the id that is to be used now.
        """
        await self.drop(key)
        wanted = generation + 1
        try:
            for _ in range(_TRIES):
                record = await self._store.get(GENERATIONS, key)
                value = 0 if record is None else record.value
                if isinstance(value, int) and value > generation:
                    return value
                version = NO_RECORD if record is None else record.version
                ttl = self._limits.generation_seconds
                if await self._store.compare_and_set(
                    GENERATIONS, key, wanted, version=version, ttl=ttl
                ):
                    return wanted
        except StoreError as error:
            logger.warning("a conversation's new id can't be kept: %s", error)
        return wanted

    # --- memory ------------------------------------------------------------------------------

    def _remember(self, key: str, version: int, checkpoint: Checkpoint) -> None:
        self._forget_recent(key)
        if checkpoint.size > self._limits.memory_bytes:
            return
        self._recent[key] = (version, checkpoint)
        self._recent_bytes += checkpoint.size
        while self._recent_bytes > self._limits.memory_bytes:
            self._forget_recent(next(iter(self._recent)))

    def _forget_recent(self, key: str) -> None:
        found = self._recent.pop(key, None)
        if found is not None:
            self._recent_bytes -= found[1].size

    def _used(self, key: str, size: int, ends: float) -> None:
        self._sizes[key] = (size, ends)
        self._sizes.move_to_end(key)

    def _forget(self, key: str) -> None:
        self._forget_recent(key)
        self._sizes.pop(key, None)

    async def _evict(self) -> None:
        """Within the limit of bytes; those whose time is over need not be removed."""
        now = self._clock()
        for key in [each for each, (_, ends) in self._sizes.items() if ends <= now]:
            self._forget(key)
        total = self.size
        while total > self._limits.total_bytes and self._sizes:
            key, (size, _) = next(iter(self._sizes.items()))
            total -= size
            await self.drop(key)
