"""Records that are written a moment later, together: nothing waits for them.

What is learned from an exchange is in memory at once; the store is only for the next start. So a
hot path says :meth:`WriteBehind.put` and goes on. A record that is put again before it was written
is written once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from addons.store.contract import NO_RECORD, Entry, JsonLike, JsonValue, Store, StoreError

logger = logging.getLogger(__name__)

DELAY: Final = 0.25
"""Seconds between the first change and its writing: what a crash may cost."""

BATCH: Final = 256
"""Records written at once; other users of the store come between two batches."""

LIMIT: Final = 20_000
"""Changes that may wait. More is a store that does not keep up; the oldest are given up."""

TRIES: Final = 20
"""Attempts at a merged record, while other processes write the same one."""

type Value = Callable[[], JsonLike]
"""Makes the value when it is written: a record that changes often costs nothing in between."""

type Merge = Callable[[JsonValue], tuple[JsonLike, float | None] | None]
"""Makes value and seconds to live from what the record holds then (None: there is no record).

None leaves it as it is. Called again when another process writes the record at the same time.
"""


@dataclass(frozen=True, slots=True)
class _Put:
    value: Value
    ttl: float | None


type _Change = _Put | Merge | None
"""None: a deletion."""


class WriteBehind:
    """A queue in front of a store.

    Args:
        store: None: nothing is kept.
    """

    def __init__(self, store: Store | None, *, delay: float = DELAY, limit: int = LIMIT) -> None:
        self._store = store
        self._delay = delay
        self._limit = limit
        self._waiting: dict[tuple[str, str], _Change] = {}
        self._task: asyncio.Task[None] | None = None
        self._lost = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, namespace: str, key: str, value: Value, *, ttl: float | None = None) -> None:
        """Write what ``value`` gives, soon. To be called in the event loop."""
        self._change(namespace, key, _Put(value, ttl))

    def merge(self, namespace: str, key: str, merge: Merge) -> None:
        """As :meth:`put`, for a record that other processes write as well."""
        self._change(namespace, key, merge)

    def delete(self, namespace: str, key: str) -> None:
        """Remove the record, soon."""
        self._change(namespace, key, None)

    def _change(self, namespace: str, key: str, change: _Change) -> None:
        if self._store is None:
            return
        self._waiting.pop((namespace, key), None)  # what is put last is written last
        self._waiting[namespace, key] = change
        if len(self._waiting) > self._limit:
            del self._waiting[next(iter(self._waiting))]
            self._lost += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._later(), name="store: write behind")

    async def _later(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._delay)
            await self._write()

    async def flush(self) -> None:
        """Write all that waits, now."""
        while self._waiting:
            await self._write()

    async def close(self) -> None:
        """Write all that waits, and end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        await self.flush()

    async def _write(self) -> None:
        """One batch; what cannot be written is given up with a word in the log."""
        store = self._store
        assert store is not None
        keys = list(self._waiting)[:BATCH]
        changes = [(key, self._waiting.pop(key)) for key in keys]
        try:
            for key, change in changes:  # first, so that a put can tell others of them
                if change is not None and not isinstance(change, _Put):
                    await merge_record(store, *key, change)
            entries = [
                Entry(*key, change.value(), change.ttl)
                for key, change in changes
                if isinstance(change, _Put)
            ]
            await store.put_many(entries)
            for key, change in changes:
                if change is None:
                    await store.delete(*key)
        except (StoreError, ValueError) as error:
            logger.warning("%d records are not kept: %s", len(changes), error)
        except asyncio.CancelledError:
            for key, change in changes:  # perhaps written; once more does no harm
                self._waiting.setdefault(key, change)
            raise
        if self._lost:
            logger.warning("%d records are not kept: the store is too slow", self._lost)
            self._lost = 0


async def merge_record(store: Store, namespace: str, key: str, merge: Merge) -> None:
    """Change a record that others write as well; what they have written meanwhile is seen.

    Raises:
        StoreError: the store fails, or others write the record all the time.
    """
    for _ in range(TRIES):
        record = await store.get(namespace, key)
        made = merge(None if record is None else record.value)
        if made is None:
            return
        version = NO_RECORD if record is None else record.version
        if await store.compare_and_set(namespace, key, made[0], version=version, ttl=made[1]):
            return
    raise StoreError(f"a record of {namespace} is written by other processes all the time")
