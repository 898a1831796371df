"""The tables of the journal, and how those of older versions become these.

`frames` are found by `place`, which is a run's number and an entry's number in one: the frames of a run lie together, and the frame
that holds an entry is the last one at or before it. Numbers of runs are addresses only; seals name the run itself.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

APPLICATION_ID = 0x56535059  # "VSPY"
_ENTRY_BITS = 40

_BASE = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, seal BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE heads (number INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, base INTEGER NOT NULL,"
    " base_mac BLOB NOT NULL, next INTEGER NOT NULL, last_mac BLOB NOT NULL, size INTEGER NOT NULL, seal BLOB NOT NULL)",
    "CREATE TABLE frames (place INTEGER PRIMARY KEY, count INTEGER NOT NULL, before BLOB NOT NULL, data BLOB NOT NULL,"
    " mac BLOB NOT NULL)",
    "CREATE TABLE runs (number INTEGER PRIMARY KEY, run TEXT NOT NULL, session TEXT, state TEXT NOT NULL,"
    " created INTEGER NOT NULL, updated INTEGER NOT NULL, data BLOB NOT NULL, seal BLOB NOT NULL)",
    "CREATE TABLE events (place INTEGER PRIMARY KEY, count INTEGER NOT NULL, data BLOB NOT NULL, seal BLOB NOT NULL)",
    "CREATE TABLE specs (hash TEXT PRIMARY KEY NOT NULL, data BLOB NOT NULL)",
    "CREATE TABLE uses (number INTEGER NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (number, hash)) WITHOUT ROWID",
    "CREATE TABLE usage (id INTEGER PRIMARY KEY, run TEXT NOT NULL, session TEXT, time INTEGER NOT NULL, data BLOB NOT NULL,"
    " seal BLOB NOT NULL)",
    "CREATE INDEX usage_run ON usage (run)",
    "CREATE TABLE dead (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, data BLOB NOT NULL, seal BLOB NOT NULL)",
    "CREATE INDEX dead_number ON dead (number)",
    "CREATE TABLE sessions (id TEXT PRIMARY KEY NOT NULL, updated INTEGER NOT NULL, data BLOB NOT NULL, seal BLOB NOT NULL)"
    " WITHOUT ROWID",
    "CREATE TABLE trash (number INTEGER PRIMARY KEY, seal BLOB NOT NULL)",
)

Migration = Callable[[sqlite3.Connection], object]
"""Takes a database of one version to the next, within the transaction that it finds itself in."""

Shape = frozenset[tuple[str, str, str, str | None]]


@dataclass(frozen=True)
class Schema:
    """The first version's statements and one migration for each version after it."""

    base: tuple[str, ...] = _BASE
    migrations: tuple[Migration, ...] = field(default=())

    @property
    def version(self) -> int:
        """The version that this code writes."""
        return 1 + len(self.migrations)

    def make(self, connection: sqlite3.Connection, version: int | None = None) -> None:
        """Make the tables of a version, this one by default, in an empty database."""
        for statement in self.base:
            connection.execute(statement)
        for migrate in self.migrations[: (version or self.version) - 1]:
            migrate(connection)

    def migrate(self, connection: sqlite3.Connection, version: int) -> None:
        """Take a database from `version` to this one, within the caller's transaction."""
        for migrate in self.migrations[version - 1 :]:
            migrate(connection)
        connection.execute(f"PRAGMA user_version={self.version:d}")

    def shape(self, version: int) -> Shape:
        """What a database of a version consists of, exactly."""
        connection = sqlite3.connect(":memory:")
        try:
            self.make(connection, version)
            return shape(connection)
        finally:
            connection.close()


def shape(connection: sqlite3.Connection) -> Shape:
    """What a database consists of: tables, indexes, and whatever else there is."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    return frozenset((str(kind), str(name), str(table), sql) for kind, name, table, sql in rows)


SCHEMA = Schema()


def place(number: int, entry: int) -> int:
    """The place of a run's entry."""
    return number << _ENTRY_BITS | entry


def entry_at(place: int) -> int:
    """The number of the entry at a place."""
    return place & ((1 << _ENTRY_BITS) - 1)


def places(number: int) -> tuple[int, int]:
    """The first place of a run, and the first after it."""
    return number << _ENTRY_BITS, (number + 1) << _ENTRY_BITS
