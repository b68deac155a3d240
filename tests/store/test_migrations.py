from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from addons.store.contract import StoreError
from addons.store.migrations import MIGRATIONS, Migration, migrate
from addons.store.sqlite import SqliteStore

type Fill = Callable[[sqlite3.Connection], object]

CONTENT: dict[int, Fill] = {
    0: lambda database: None,
    1: lambda database: database.execute(
        "INSERT INTO records (namespace, key, value, expires_at) "
        "VALUES ('space', 'key', '[1]', 9e9)"
    ),
}
"""What a database of each older version holds in :func:`test_data_of_every_older_version_is_kept`;
add an entry with every new step."""


@pytest.fixture
def database(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_numbers_are_in_order_without_gaps() -> None:
    assert [step.number for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_every_older_version_has_content() -> None:
    assert set(CONTENT) == set(range(len(MIGRATIONS)))


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
async def test_data_of_every_older_version_is_kept(
    version: int, database: sqlite3.Connection, path: Path
) -> None:
    if version:
        migrate(database, MIGRATIONS[:version])
    for number in range(version + 1):
        CONTENT[number](database)
    database.close()
    async with await SqliteStore.open(path) as store:
        record = await store.get("space", "key")
        assert (record.value if record else None) == ([1] if version >= 1 else None)
        assert await store.lease("name", "holder", 5) is not None


def test_an_up_to_date_database_is_not_written(database: sqlite3.Connection) -> None:
    assert migrate(database) == len(MIGRATIONS)
    changes = database.execute("PRAGMA data_version").fetchone()
    with closing(sqlite3.connect(_file(database), isolation_level=None)) as other:
        assert migrate(other) == 0
    assert database.execute("PRAGMA data_version").fetchone() == changes


def test_a_failed_step_changes_nothing(database: sqlite3.Connection) -> None:
    migrate(database, MIGRATIONS[:1])
    CONTENT[1](database)
    broken = (
        MIGRATIONS[0],
        Migration(2, "good", ("CREATE TABLE more (x)", "UPDATE records SET value = '[2]'")),
        Migration(3, "broken", ("INSERT INTO nowhere VALUES (1)",)),
    )
    with pytest.raises(StoreError, match=r"step 3 \(broken\).*nothing was changed.*nowhere"):
        migrate(database, broken)
    assert database.execute("SELECT value FROM records").fetchall() == [("[1]",)]
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        database.execute("SELECT * FROM more")


def test_the_other_process_may_have_been_faster(database: sqlite3.Connection) -> None:
    """Both see an old schema; the second to get the lock finds the work done."""

    def trace(statement: str) -> None:
        if statement == "BEGIN IMMEDIATE":
            database.set_trace_callback(None)
            with closing(sqlite3.connect(_file(database), isolation_level=None)) as other:
                migrate(other)

    database.set_trace_callback(trace)
    assert migrate(database) == 0
    assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def _file(database: sqlite3.Connection) -> str:
    file: str = database.execute("PRAGMA database_list").fetchone()[2]
    return file
