"""The database's schema, as numbered steps that are each applied once, in order, or not at all.

The number of the last applied step is in ``PRAGMA user_version``. A step that has been released is
never edited; a change is a new step. Steps keep the data that is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from addons.store.contract import StoreError

APPLICATION_ID: Final = 0x666C6F77
"""``flow`` in ASCII: tells floway's databases from others (``PRAGMA application_id``)."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; the statements run in one transaction together with all other pending steps."""

    number: int
    name: str
    statements: tuple[str, ...]


MIGRATIONS: Final = (
    Migration(
        1,
        "records",
        (
            # The version is the row id: every write is a new row, and AUTOINCREMENT never gives an
            # id twice, so a version that was read once can't come back with another value.
            """CREATE TABLE records (
                version INTEGER PRIMARY KEY AUTOINCREMENT,
                namespace TEXT NOT NULL,
                key TEXT NOT NULL,
                value TEXT NOT NULL,
                expires_at REAL,
                UNIQUE (namespace, key)
            )""",
            "CREATE INDEX records_expiry ON records (expires_at) WHERE expires_at IS NOT NULL",
        ),
    ),
    Migration(
        2,
        "leases",
        (
            """CREATE TABLE leases (
                token INTEGER PRIMARY KEY AUTOINCREMENT,
                name TEXT NOT NULL UNIQUE,
                holder TEXT NOT NULL,
                expires_at REAL NOT NULL
            )""",
        ),
    ),
)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the database to the last step and return how many steps that took.

    ``connection`` is in autocommit mode (``isolation_level=None``). Safe against another process
    that does the same at the same time.

    Raises:
        StoreError: the database is not floway's, or was written by a newer floway, or a step
            failed (and nothing was changed).
        sqlite3.Error: the file is no database, or stays locked.
    """
    if _version(connection, migrations) == len(migrations):
        return 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Again, now that no one else can change it.
        done = _version(connection, migrations)
        for migration in migrations[done:]:
            _apply(connection, migration)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return len(migrations) - done


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    for statement in migration.statements:
        try:
            connection.execute(statement)
        except sqlite3.Error as error:
            raise StoreError(
                f"step {migration.number} ({migration.name}) of the schema failed, and nothing was "
                f"changed: {error}"
            ) from error


def _version(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> int:
    """The last applied step, after a look at whose database this is."""
    application = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    fresh = application == 0 and version == 0 and tables == 0
    if not fresh and application != APPLICATION_ID:
        raise StoreError("is a SQLite database of another program; choose another FLOWAY_HOME")
    if version > len(migrations):
        raise StoreError(
            f"was written by a newer floway (schema {version}, this one knows {len(migrations)}); "
            "update floway, or choose another FLOWAY_HOME"
        )
    return version


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
