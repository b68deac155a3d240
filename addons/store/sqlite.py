"""The store on disk: one SQLite file in WAL mode, shared by all floway processes of a user."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Self

import aiosqlite

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
    prefix_end,
)
from addons.store.migrations import migrate

LOCK_SECONDS: Final = 10.0
"""How long an operation waits for another process that is writing."""

_SWEEP_EVERY = 256
_SWEEP_ROWS = 1000
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

# Each of these is one statement in autocommit mode, and so atomic by itself: tasks may interleave
# on the one connection, and a cancelled task leaves no transaction open.

_GET = """
SELECT value, version, expires_at FROM records
WHERE namespace = :namespace AND key = :key AND (expires_at IS NULL OR expires_at > :now)
"""

_PUT = """
INSERT OR REPLACE INTO records (namespace, key, value, expires_at)
VALUES (:namespace, :key, :value, :expires_at)
RETURNING version
"""

_PUT_MANY = "INSERT OR REPLACE INTO records (namespace, key, value, expires_at) VALUES "
_ROWS_AT_ONCE = (64, 16, 4, 1)

_COMPARE_AND_SET = """
INSERT OR REPLACE INTO records (namespace, key, value, expires_at)
SELECT :namespace, :key, :value, :expires_at
WHERE :version = coalesce(
    (SELECT version FROM records
     WHERE namespace = :namespace AND key = :key AND (expires_at IS NULL OR expires_at > :now)),
    :no_record
)
RETURNING version
"""

_DELETE = """
DELETE FROM records
WHERE namespace = :namespace AND key = :key AND (:version IS NULL OR version = :version)
    AND (expires_at IS NULL OR expires_at > :now)
RETURNING version
"""

_SCAN = """
SELECT key, value, version, expires_at FROM records
WHERE namespace = :namespace AND key >= :prefix AND key > :after
    AND (:end IS NULL OR key < :end) AND (expires_at IS NULL OR expires_at > :now)
ORDER BY key LIMIT :limit
"""

# A renewal keeps its token; everyone else's is new, since a NULL key is given the next one.
_LEASE = """
INSERT OR REPLACE INTO leases (token, name, holder, expires_at)
SELECT
    (SELECT token FROM leases WHERE name = :name AND holder = :holder AND expires_at > :now),
    :name, :holder, :expires_at
WHERE NOT EXISTS (
    SELECT 1 FROM leases WHERE name = :name AND holder <> :holder AND expires_at > :now
)
RETURNING token
"""

_RELEASE = "DELETE FROM leases WHERE name = :name AND holder = :holder RETURNING expires_at"

_SWEEP_RECORDS = """
DELETE FROM records WHERE version IN (
    SELECT version FROM records WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit
) RETURNING version
"""

_SWEEP_LEASES = """
DELETE FROM leases WHERE token IN (
    SELECT token FROM leases WHERE expires_at <= :now LIMIT :limit
) RETURNING token
"""


class SqliteStore:
    """:class:`~addons.store.contract.Store` in a file.

    One connection, whose statements run on a thread of its own. Made by :meth:`open`.
    """

    def __init__(self, path: Path, connection: aiosqlite.Connection, clock: Clock) -> None:
        self.path = path
        self._connection = connection
        self._clock = clock
        self._writes = 0
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, clock: Clock = time.time) -> Self:
        """Open or make the file, and bring its schema up to date.

        A missing directory is made, for its owner only, and so is the file.

        Raises:
            StoreError: names the file and the remedy.
        """
        # Its debug log holds every statement with its values, secrets among them.
        logging.getLogger("aiosqlite").setLevel(logging.INFO)
        await asyncio.to_thread(_prepare, path)
        connection = aiosqlite.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        try:
            await connection
            # In WAL mode NORMAL never damages the file; a power cut may cost the last writes.
            await connection.execute_fetchall("PRAGMA synchronous = NORMAL")
            store = cls(path, connection, clock)
            await store.sweep()
        except BaseException as error:
            await connection.close()
            if isinstance(error, sqlite3.Error):
                raise _store_error(path, error) from error
            raise
        return store

    async def get(self, namespace: str, key: str) -> Record | None:
        rows = await self._run(_GET, **_address(namespace, key), now=self._clock())
        for value, version, expires_at in rows:
            return Record(namespace, key, decoded(value), version, expires_at)
        return None

    async def put(
        self, namespace: str, key: str, value: JsonLike, *, ttl: float | None = None
    ) -> Record:
        address, text, expires_at = _address(namespace, key), encoded(value), self._expiry(ttl)
        ((version,),) = await self._write(_PUT, **address, value=text, expires_at=expires_at)
        return Record(namespace, key, decoded(text), version, expires_at)

    async def compare_and_set(
        self,
        namespace: str,
        key: str,
        value: JsonLike,
        *,
        version: int,
        ttl: float | None = None,
    ) -> Record | None:
        address, text, expires_at = _address(namespace, key), encoded(value), self._expiry(ttl)
        rows = await self._write(
            _COMPARE_AND_SET,
            **address,
            value=text,
            expires_at=expires_at,
            version=version,
            no_record=NO_RECORD,
            now=self._clock(),
        )
        for (new,) in rows:
            return Record(namespace, key, decoded(text), new, expires_at)
        return None

    async def put_many(self, entries: Sequence[Entry]) -> None:
        addresses = [_address(entry.namespace, entry.key) for entry in entries]
        expiries = [self._expiry(entry.ttl) for entry in entries]
        # Large values take their time.
        texts = await asyncio.to_thread(lambda: [encoded(entry.value) for entry in entries])
        rows = [
            (address["namespace"], address["key"], text, expires_at)
            for address, text, expires_at in zip(addresses, texts, expiries, strict=True)
        ]
        while rows:
            # Few sizes, so that the statements are prepared once; each is one transaction.
            size = next(size for size in _ROWS_AT_ONCE if size <= len(rows))
            some, rows = rows[:size], rows[size:]
            statement = _PUT_MANY + ", ".join(["(?, ?, ?, ?)"] * size)
            await self._before_writes(size)
            await self._fetch(statement, [value for row in some for value in row])

    async def delete(self, namespace: str, key: str, *, version: int | None = None) -> bool:
        address = _address(namespace, key)
        return bool(await self._write(_DELETE, **address, version=version, now=self._clock()))

    async def scan(
        self, namespace: str, prefix: str = "", *, after: str = "", limit: int = MAX_SCAN
    ) -> list[Record]:
        rows = await self._run(
            _SCAN,
            namespace=checked_name(namespace, "namespace"),
            prefix=checked_bound(prefix, "prefix"),
            after=checked_bound(after, "after"),
            end=prefix_end(prefix),
            limit=checked_limit(limit),
            now=self._clock(),
        )
        return [
            Record(namespace, key, decoded(value), version, expires_at)
            for key, value, version, expires_at in rows
        ]

    async def lease(self, name: str, holder: str, seconds: float) -> Lease | None:
        now = self._clock()
        expires_at = now + checked_seconds(seconds, "seconds")
        rows = await self._write(
            _LEASE,
            name=checked_name(name, "name"),
            holder=checked_name(holder, "holder"),
            expires_at=expires_at,
            now=now,
        )
        for (token,) in rows:
            return Lease(name, holder, token, expires_at)
        return None

    async def release(self, name: str, holder: str) -> bool:
        name, holder = checked_name(name, "name"), checked_name(holder, "holder")
        rows = await self._write(_RELEASE, name=name, holder=holder)
        return any(expires_at > self._clock() for (expires_at,) in rows)

    async def sweep(self) -> int:
        total = 0
        for statement in (_SWEEP_RECORDS, _SWEEP_LEASES):
            removed = _SWEEP_ROWS
            while removed == _SWEEP_ROWS:  # in steps, so that no other process waits for long
                rows = await self._run(statement, now=self._clock(), limit=_SWEEP_ROWS)
                removed = len(rows)
                total += removed
        return total

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def _expiry(self, ttl: float | None) -> float | None:
        return None if ttl is None else self._clock() + checked_seconds(ttl, "ttl")

    async def _write(self, statement: str, **parameters: object) -> Sequence[Any]:
        await self._before_writes(1)
        return await self._run(statement, **parameters)

    async def _before_writes(self, count: int) -> None:
        before = self._writes
        self._writes += count
        if before // _SWEEP_EVERY != self._writes // _SWEEP_EVERY:
            await self.sweep()

    async def _run(self, statement: str, **parameters: object) -> Sequence[Any]:
        return await self._fetch(statement, parameters)

    async def _fetch(
        self, statement: str, parameters: dict[str, object] | list[object]
    ) -> Sequence[Any]:
        if self._closed:
            raise StoreError(f"{self.path}: the store is closed")
        try:
            return list(await self._connection.execute_fetchall(statement, parameters))
        except sqlite3.Error as error:
            raise _store_error(self.path, error) from error


def _address(namespace: str, key: str) -> dict[str, str]:
    return {"namespace": checked_name(namespace, "namespace"), "key": checked_name(key, "key")}


def _prepare(path: Path) -> None:
    """Make the file where it is missing, and migrate it. Blocks."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)) as database:
            migrate(database)
            _use_wal(database)
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from error
    except sqlite3.Error as error:
        raise _store_error(path, error) from error


def _use_wal(database: sqlite3.Connection) -> None:
    """Switch to WAL mode. SQLite does not wait for a lock here, whatever the timeout."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
            continue
        if mode != "wal":
            raise StoreError(
                "SQLite cannot use its write-ahead log there (a network file system?); "
                "choose a FLOWAY_HOME on a local disk"
            )
        return


def _store_error(path: Path, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return StoreError(
            f"{path}: is damaged or no database ({error}). Stop floway, move the file away "
            f"(mv '{path}' '{path}.damaged'), and start again: floway makes a new one"
        )
    if code == sqlite3.SQLITE_BUSY:
        return StoreError(
            f"{path}: another process has kept it locked for {LOCK_SECONDS:.0f} s; "
            "end that process and try again"
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"{path}: the disk is full; free some space")
    if code == sqlite3.SQLITE_READONLY:
        return StoreError(f"{path}: cannot be written; check who owns it and its permissions")
    return StoreError(f"{path}: {error}")
