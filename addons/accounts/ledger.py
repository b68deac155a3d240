"""What a pool has learned of its accounts, in the store: cooldowns and limits.

It outlives the process, a killed one included (what the last quarter of a second brought is lost),
and processes that share a store learn from each other within about a second.

How the records of several processes come together is said in :mod:`~.records`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from addons.accounts.cooldowns import FORGET_AFTER, Cooldown
from addons.accounts.model import Account
from addons.accounts.pool import Pool
from addons.accounts.records import COOLDOWNS, Entry, cooldown_key, load, merge_of, open_cooldowns
from addons.accounts.seen import dump_quota, load_quota
from addons.accounts.states import CHANGES, SEEN, States, key_of
from addons.store.contract import MAX_SCAN, Record, Store, StoreError
from addons.store.write_behind import DELAY, WriteBehind, merge_record

logger = logging.getLogger(__name__)

PERIOD: Final = 1.0
"""Seconds between looks at what other processes have written."""


class Ledger:
    """One per pool and process. Without a store nothing is kept."""

    def __init__(
        self,
        provider: str,
        pool: Pool,
        store: Store | None,
        *,
        clock: Callable[[], float] = time.time,
        period: float = PERIOD,
        delay: float = DELAY,
    ) -> None:
        self._provider = provider
        self._pool = pool
        self._store = store
        self._clock = clock
        self._period = period
        self._behind = WriteBehind(store, delay=delay)
        self._version = -1  # a killed process may not have counted its last records
        self._ended: dict[str, float] = {}
        """When this process ended a cooldown, by key; a newer cooldown does not undo that."""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over what is kept, then keep what the pool learns.

        Raises:
            StoreError: it can't be read.
        """
        if self._store is None:
            return
        await self.look()
        states = States(self._store, clock=self._clock)
        for account in self._pool.accounts:
            quota = load_quota(await states.seen(self._provider, account.handle))
            if quota is not None:
                self._pool.observed(account, quota)
        self._pool.cooldowns.changed = self._cooldown_changed
        self._pool.quota_changed = self._quota_changed
        self._task = asyncio.create_task(self._watch(), name="floway: watch cooldowns")

    async def stop(self) -> None:
        """Write what waits."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._behind.close()

    async def flush(self) -> None:
        """Write what waits, now."""
        await self._behind.flush()

    async def _watch(self) -> None:
        told = ""
        while True:
            await asyncio.sleep(self._period)
            try:
                await self.look()
                told = ""
            except StoreError as error:
                if str(error) != told:
                    logger.warning("cooldowns of other processes are not seen: %s", error)
                told = str(error)

    # --- from the store ----------------------------------------------------------------------

    async def look(self) -> bool:
        """Take over what any process has written since the last look; True when there was some."""
        assert self._store is not None
        record = await self._store.get(CHANGES, _counter(self._provider))
        version = 0 if record is None else record.version
        if version == self._version:
            return False
        now = self._clock()
        async for record in _records(self._store, f"{self._provider}:"):
            loaded = load(record.value)
            if loaded is not None:
                self._take(*loaded, now)
        self._version = version
        return True

    def _take(self, handle: str, model: str | None, kept: Entry, now: float) -> None:
        own = self._ended.get(cooldown_key(self._provider, handle, model), 0.0)
        entry = kept.at(now).merged(Entry(own))  # ours may wait to be written still
        if entry.ended:
            self._pool.cooldowns.forget(handle, model, entry.ended)
        if entry.cooldown is None:
            return
        self._pool.cooldowns.restore(entry.cooldown)
        if entry.cooldown != kept.cooldown:  # the clock was put back
            self._cooldown_changed(handle, model, entry.cooldown)

    # --- to the store ------------------------------------------------------------------------

    def _cooldown_changed(self, handle: str, model: str | None, cooldown: Cooldown | None) -> None:
        key = cooldown_key(self._provider, handle, model)
        if cooldown is None:
            self._tidy()
            self._ended[key] = self._clock()
        own = Entry(self._ended.get(key, 0.0), cooldown)
        self._behind.merge(COOLDOWNS, key, merge_of(own, handle, model, self._clock))
        self._behind.put(CHANGES, _counter(self._provider), self._clock)

    def _tidy(self) -> None:
        """Forget what is older than any write that may still wait."""
        since = self._clock() - FORGET_AFTER
        if len(self._ended) > MAX_SCAN:
            self._ended = {key: at for key, at in self._ended.items() if at > since}

    def _quota_changed(self, account: Account) -> None:
        self._behind.put(
            SEEN,
            key_of(self._provider, account.handle),
            lambda: {"quota": None if account.quota is None else dump_quota(account.quota)},
        )


# --- for those who look from outside -------------------------------------------------------------


async def kept_cooldowns(store: Store, provider: str, now: float) -> list[Cooldown]:
    """The open cooldowns of a provider's accounts, the longest first.

    Raises:
        StoreError: they can't be read.
    """
    return open_cooldowns([each async for each in _records(store, f"{provider}:")], now)


async def end_cooldowns(store: Store, provider: str, handle: str, now: float) -> int:
    """End all cooldowns of an account; running floways see it within about a second.

    The result is how many were open.

    Raises:
        StoreError: they can't be written.
    """
    found = [each for each in await kept_cooldowns(store, provider, now) if each.handle == handle]
    for each in found:
        key = cooldown_key(provider, handle, each.model)
        merge = merge_of(Entry(now), handle, each.model, lambda: now)
        await merge_record(store, COOLDOWNS, key, merge)
    if found:
        await store.put(CHANGES, _counter(provider), now)
    return len(found)


async def _records(store: Store, prefix: str) -> AsyncIterator[Record]:
    after = ""
    while records := await store.scan(COOLDOWNS, prefix, after=after):
        for record in records:
            yield record
        if len(records) < MAX_SCAN:
            return
        after = records[-1].key


def _counter(provider: str) -> str:
    return f"cooldowns:{provider}"
