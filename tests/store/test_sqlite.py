"""What only the engine on disk has: files, processes, damage."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest

from addons.store import migrations
from addons.store.contract import StoreError
from addons.store.sqlite import SqliteStore


async def test_records_survive_a_restart(path: Path, clock) -> None:
    async with await SqliteStore.open(path, clock=clock) as store:
        kept = await store.put("space", "key", {"a": 1})
        await store.put("space", "short", 1, ttl=5)
        lease = await store.lease("name", "holder", 60)
    clock.advance(10)
    async with await SqliteStore.open(path, clock=clock) as store:
        assert await store.get("space", "key") == kept
        assert await store.get("space", "short") is None
        assert await store.lease("name", "other", 60) is None
        assert lease is not None


async def test_versions_go_on_after_a_restart(path: Path) -> None:
    async with await SqliteStore.open(path) as store:
        first = await store.put("space", "key", 1)
        await store.delete("space", "key")
    async with await SqliteStore.open(path) as store:
        second = await store.put("space", "key", 1)
    assert second.version > first.version


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
async def test_only_the_owner_can_read(path: Path) -> None:
    old = os.umask(0)
    try:
        async with await SqliteStore.open(path) as store:
            await store.put("space", "key", 1)
            files = list(path.parent.iterdir())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
    finally:
        os.umask(old)
    assert set(modes) == {"floway.db", "floway.db-wal", "floway.db-shm"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_the_event_loop_runs_while_another_process_holds_the_file(path: Path) -> None:
    async with await SqliteStore.open(path) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.create_task(store.put("space", "key", 1))
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert not writing.done()
            other.execute("COMMIT")
        await writing


async def test_a_cancelled_write_leaves_no_transaction_open(path: Path) -> None:
    async with await SqliteStore.open(path) as store:
        writes = [asyncio.create_task(store.put("space", str(n), n)) for n in range(50)]
        await asyncio.sleep(0)
        for write in writes[::2]:
            write.cancel()
        await asyncio.gather(*writes, return_exceptions=True)
        with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough" * 100, b"SQLite format 3\0" + b"x" * 4096]
)
async def test_a_file_that_is_no_database_is_named_with_the_remedy(
    path: Path, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        await SqliteStore.open(path)
    assert str(path) in str(caught.value)
    assert "move the file away" in str(caught.value)
    assert path.read_bytes() == content


async def test_damage_is_told_when_it_is_met(path: Path) -> None:
    async with await SqliteStore.open(path) as store:
        for n in range(200):
            await store.put("space", str(n), "x" * 500)
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 65536)

    async def use() -> None:
        async with await SqliteStore.open(path) as store:
            await store.scan("space")
            await store.put("space", "1", 1)

    with pytest.raises(StoreError, match=r"floway\.db: is damaged .* move the file away"):
        await use()


async def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    async with await SqliteStore.open(path) as store:
        await store.put("space", "key", 1)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"floway\.db: was written by a newer floway \(schema 99"):
        await SqliteStore.open(path)
    assert path.read_bytes() == before


async def test_another_program_s_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        await SqliteStore.open(path)
    assert path.read_bytes() == before


async def test_a_directory_in_the_way_is_named(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"floway\.db: cannot be opened"):
        await SqliteStore.open(path)


async def test_a_failed_step_is_named_with_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (migrations.Migration(1, "broken", ("CREATE TABLE (",)),)
    monkeypatch.setattr(migrations.migrate, "__defaults__", (broken,))
    with pytest.raises(StoreError, match=r"floway\.db: step 1 \(broken\)"):
        await SqliteStore.open(path)


# --- two processes -------------------------------------------------------------------------------

WORKER = """
import asyncio, pathlib, sys
from addons.store.sqlite import SqliteStore

async def main(path, name, rounds):
    async with await SqliteStore.open(pathlib.Path(path)) as store:
        for _ in range(rounds):
            while await store.lease("counter", name, 30) is None:
                await asyncio.sleep(0.001)
            record = await store.get("space", "counter")
            await asyncio.sleep(0.002)  # without the lease, someone would write in between
            await store.put("space", "counter", (record.value if record else 0) + 1)
            await store.release("counter", name)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def _process(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        *arguments,
        cwd=Path(__file__).parents[2],
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_lease_holds_between_processes(path: Path) -> None:
    """They also all make and migrate the file at the same time."""
    workers = [await _process(str(path), name, "10") for name in ("a", "b", "c")]
    for worker in workers:
        _, errors = await worker.communicate()
        assert worker.returncode == 0, errors.decode()
    async with await SqliteStore.open(path) as store:
        record = await store.get("space", "counter")
        assert record is not None
        assert record.value == 30


async def test_the_lease_of_a_dead_process_ends(path: Path, clock) -> None:
    async with await SqliteStore.open(path, clock=clock) as store:
        await store.lease("name", "process that is killed now", 30)
    async with await SqliteStore.open(path, clock=clock) as store:
        assert await store.lease("name", "other", 30) is None
        clock.advance(30)
        assert await store.lease("name", "other", 30) is not None
