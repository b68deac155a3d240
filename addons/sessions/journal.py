"""Keeps the meter: counts requests and writes conversations to the store, off the hot path.

What a provider reports waits in a queue. One task digests it, so that the request's body can go.
Another one reads what the store has of a conversation that is not in memory, counts, and writes
each changed conversation once in a while.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from addons.sessions.facts import Facts
from addons.sessions.meter import Meter
from addons.sessions.records import Conversation, Entry, load
from addons.store.contract import MAX_NAME, Store, StoreError

logger = logging.getLogger(__name__)

NAMESPACE: Final = "sessions.meter"
TTL: Final = 7 * 86_400.0
"""Seconds after its last use at which a conversation is forgotten."""

WRITE_EVERY: Final = 5.0
"""Seconds between two writes."""

DIGEST_EVERY: Final = 0.25
"""Seconds after which a prompt is read: answers go first. So long it holds its request's body."""

SLICE: Final = 0.002
"""Seconds of work at a stretch. One prompt in each round of a busy event loop would be fewer than
come."""

KEPT: Final = 64
"""Conversations in memory; a long one takes 100 KB. The others are in the store."""

MAX_WAITING: Final = 1000
"""Reports that may wait to be digested, or to be counted; of more, the oldest are dropped."""


def key_of(owner: str, conversation: str) -> str:
    """The key of a conversation's record."""
    return f"{owner}:{conversation}"[:MAX_NAME]


class Journal:
    """One per process. Without a store everything is forgotten at the end.

    Attributes:
        meter: what is in memory.
        counted: called with each request that was counted.
    """

    def __init__(self, store: Store | None = None, *, write_every: float = WRITE_EVERY) -> None:
        self.meter = Meter(KEPT)
        self._store = store
        self._write_every = write_every
        self._reports: deque[Facts] = deque(maxlen=MAX_WAITING)
        self._waiting: deque[Facts] = deque(maxlen=MAX_WAITING)
        self._changed: dict[tuple[str, str], Conversation] = {}
        self._reported = asyncio.Event()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.counted: Callable[[Entry], None] = lambda _: None

    def start(self) -> None:
        """Begin to count; to be called on the event loop."""
        self._tasks = [
            asyncio.create_task(self._read(), name="floway: meter, prompts"),
            asyncio.create_task(self._run(), name="floway: meter"),
        ]

    def report(self, facts: Facts) -> None:
        """A request was answered. Returns at once."""
        self._reports.append(facts)
        self._reported.set()

    async def stop(self) -> None:
        """Count and write what waits."""
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._tasks.clear()
        await self._digest()
        await self._count()
        await self._write()

    async def _read(self) -> None:
        while True:
            await self._reported.wait()
            self._reported.clear()
            await asyncio.sleep(DIGEST_EVERY)
            await self._digest()

    async def _digest(self) -> None:
        """Have names in the place of bodies, however long the store takes."""
        pause = _Pause()
        while self._reports:
            facts = self._reports.popleft()
            try:
                digested = replace(facts, prompt=facts.prompt.digested(facts.model))
            except Exception:
                logger.exception("a request could not be counted")
                continue
            self._waiting.append(digested)
            self._wanted.set()
            await pause.due()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._count()
            await asyncio.sleep(self._write_every)  # others come meanwhile
            await self._count()
            await self._write()

    async def _count(self) -> None:
        pause = _Pause()
        while self._waiting:
            facts = self._waiting[0]
            await self._fetch(facts.owner, facts.conversation)
            if not self._waiting or self._waiting[0] is not facts:
                continue  # it was dropped while the store was read
            self._waiting.popleft()
            try:
                conversation = self.meter.record(facts)
            except Exception:
                logger.exception("a request could not be counted")
                continue
            self._changed[conversation.owner, conversation.id] = conversation
            self.counted(conversation.log[-1])
            await pause.due()

    async def _fetch(self, owner: str, conversation: str) -> None:
        """Have a conversation in memory that was dropped from it, or is of an earlier process."""
        if self._store is None or self.meter.get(owner, conversation) is not None:
            return
        kept = self._changed.get((owner, conversation))
        if kept is None:
            try:
                record = await self._store.get(NAMESPACE, key_of(owner, conversation))
                kept = None if record is None else load(record.value)
            except (StoreError, ValueError) as error:
                logger.warning("what was counted of a conversation is forgotten: %s", error)
        if kept is not None:
            self.meter.put(kept)

    async def _write(self) -> None:
        while self._changed and self._store is not None:
            key, conversation = self._changed.popitem()
            try:
                await self._store.put(NAMESPACE, key_of(*key), conversation.dump(), ttl=TTL)
            except (StoreError, ValueError) as error:
                logger.warning("what was counted of a conversation is not kept: %s", error)
            except BaseException:
                self._changed[key] = conversation  # stopped: it is written at the end
                raise
        self._changed.clear()


class _Pause:
    """Lets others have the event loop after each :data:`SLICE` of work."""

    def __init__(self) -> None:
        self._end = time.monotonic() + SLICE

    async def due(self) -> None:
        if time.monotonic() >= self._end:
            await asyncio.sleep(0)
            self._end = time.monotonic() + SLICE
