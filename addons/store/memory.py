"""A store that lives and dies with the process: for tests, and for runs that keep nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Self

from addons.store.contract import (
    MAX_SCAN,
    NO_RECORD,
    Clock,
    Entry,
    JsonLike,
    Lease,
    Record,
    StoreError,
    checked_bound,
    checked_limit,
    checked_name,
    checked_seconds,
    decoded,
    encoded,
)

_SWEEP_EVERY = 256


class MemoryStore:
    """:class:`~addons.store.contract.Store` in a dict.

    Values are kept as JSON text, so that a caller never shares an object with the store, exactly
    as with an engine on disk.
    """

    def __init__(self, *, clock: Clock = time.time) -> None:
        self._clock = clock
        self._records: dict[tuple[str, str], tuple[str, int, float | None]] = {}
        self._leases: dict[str, Lease] = {}
        self._last = 0
        self._writes = 0
        self._closed = False

    async def get(self, namespace: str, key: str) -> Record | None:
        self._check_open()
        return self._live(checked_name(namespace, "namespace"), checked_name(key, "key"))

    async def put(
        self, namespace: str, key: str, value: JsonLike, *, ttl: float | None = None
    ) -> Record:
        self._check_open()
        checked_name(namespace, "namespace")
        checked_name(key, "key")
        text = encoded(value)
        expires_at = None if ttl is None else self._clock() + checked_seconds(ttl, "ttl")
        self._count_write()
        self._records[namespace, key] = (text, self._next(), expires_at)
        return self._record(namespace, key)

    async def compare_and_set(
        self,
        namespace: str,
        key: str,
        value: JsonLike,
        *,
        version: int,
        ttl: float | None = None,
    ) -> Record | None:
        current = await self.get(namespace, key)
        if (current.version if current else NO_RECORD) != version:
            encoded(value)  # a value that is no JSON is refused in any case
            return None
        return await self.put(namespace, key, value, ttl=ttl)

    async def put_many(self, entries: Sequence[Entry]) -> None:
        self._check_open()
        for entry in entries:
            await self.put(entry.namespace, entry.key, entry.value, ttl=entry.ttl)

    async def delete(self, namespace: str, key: str, *, version: int | None = None) -> bool:
        current = await self.get(namespace, key)
        if current is None or version not in (None, current.version):
            return False
        del self._records[namespace, key]
        return True

    async def scan(
        self, namespace: str, prefix: str = "", *, after: str = "", limit: int = MAX_SCAN
    ) -> list[Record]:
        self._check_open()
        checked_name(namespace, "namespace")
        checked_bound(prefix, "prefix")
        checked_bound(after, "after")
        checked_limit(limit)
        keys = sorted(
            key
            for space, key in self._records
            if space == namespace and key.startswith(prefix) and key > after
        )
        live = (self._live(namespace, key) for key in keys)
        return list(islice((record for record in live if record), limit))

    async def lease(self, name: str, holder: str, seconds: float) -> Lease | None:
        self._check_open()
        checked_name(name, "name")
        checked_name(holder, "holder")
        expires_at = self._clock() + checked_seconds(seconds, "seconds")
        current = self._leases.get(name)
        live = current is not None and current.expires_at > self._clock()
        if current is not None and live and current.holder != holder:
            return None
        self._count_write()
        token = current.token if current is not None and live else self._next()
        self._leases[name] = lease = Lease(name, holder, token, expires_at)
        return lease

    async def release(self, name: str, holder: str) -> bool:
        self._check_open()
        checked_name(name, "name")
        current = self._leases.get(name)
        if current is None or current.holder != checked_name(holder, "holder"):
            return False
        del self._leases[name]
        return current.expires_at > self._clock()

    async def sweep(self) -> int:
        self._check_open()
        return self._sweep()

    async def close(self) -> None:
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _record(self, namespace: str, key: str) -> Record:
        text, version, expires_at = self._records[namespace, key]
        return Record(namespace, key, decoded(text), version, expires_at)

    def _live(self, namespace: str, key: str) -> Record | None:
        entry = self._records.get((namespace, key))
        if entry is None or (entry[2] is not None and entry[2] <= self._clock()):
            return None
        return self._record(namespace, key)

    def _count_write(self) -> None:
        self._writes += 1
        if self._writes % _SWEEP_EVERY == 0:
            self._sweep()

    def _sweep(self) -> int:
        now = self._clock()
        records = [
            at for at, entry in self._records.items() if entry[2] is not None and entry[2] <= now
        ]
        leases = [name for name, lease in self._leases.items() if lease.expires_at <= now]
        for at in records:
            del self._records[at]
        for name in leases:
            del self._leases[name]
        return len(records) + len(leases)
