"""Opening the database of a workspace, which may be somebody else's.

Nothing of a file is used before it was shown to have exactly our tables and this user's seal. What is foreign or damaged is moved
aside, never deleted, and a new one made. Knows files and SQLite; does not know what the rows mean.
"""

import contextlib
import os
import secrets
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vespiary.journal import folder as folders
from vespiary.journal.errors import UNREADABLE, JournalDamaged, JournalError, is_busy, written
from vespiary.journal.folder import DATABASE
from vespiary.journal.schema import APPLICATION_ID, Schema, shape
from vespiary.journal.seals import journal_key, journal_seal, matches

Sync = Literal["full", "normal"]
_BUSY_MS = 20_000
_HEADER = b"SQLite format 3\0"
_DEFENSIVE = 1010
_SMALL = (("heads", "next"), ("runs", "created"), ("trash", "number"), ("sessions", "updated"))
_UPDATE_HINT = "Update Vespiary, or move `.vespiary/journal.db` away."


class _NotOurs(Exception):
    """The file is not used. `why` is `foreign` or `damaged`, `sentence` what people are told."""

    def __init__(self, why: Literal["foreign", "damaged"], sentence: str) -> None:
        super().__init__(sentence)
        self.why = why
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Place:
    """A database that was found good: where it is, which file that was, and the key of its seals."""

    path: Path
    identity: tuple[int, int]
    key: bytes

    def is_there(self) -> bool:
        """Whether the path still names that file."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self.identity

    def connect(self, *, sync: Sync | None = None, busy_ms: int = _BUSY_MS) -> sqlite3.Connection:
        """A connection: to write with `sync`, else to read. Raises `JournalError` if the file is gone or another one."""
        if not self.is_there():
            raise gone()
        connection = connect(self.path, read_only=sync is None, busy_ms=busy_ms)
        if sync is not None:
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute(f"PRAGMA synchronous={sync.upper()}")
            if sync == "full":
                connection.execute("PRAGMA fullfsync=ON")
                connection.execute("PRAGMA checkpoint_fullfsync=ON")
        return connection


def gone() -> JournalError:
    """The database was removed or replaced while it is in use."""
    return JournalError(
        "The journal's file was removed or replaced while it was in use.",
        hint="Leave `.vespiary` alone while Vespiary runs; start it again to get a new journal.",
        code="journal.gone",
    )


def open_for_reading(folder: Path, key: bytes, schema: Schema) -> Place:
    """The journal as it is, changing nothing. Raises `JournalError` if there is none that can be used."""
    folders.look(folder)
    try:
        place, version = _inspect(folder / DATABASE, key, schema)
    except _NotOurs as found:
        raise JournalError(found.sentence, code=f"journal.{found.why}") from found
    if version < schema.version:
        raise JournalError(
            "The journal was written by an older Vespiary.",
            hint="A run or `vespiary serve` brings it up to date.",
            code="journal.old",
        )
    return place


def open_for_writing(
    folder: Path, key: bytes, schema: Schema, *, in_use: Callable[[], bool], notice: Callable[[str], None]
) -> Place:
    """The journal, made or brought up to date if need be. The caller holds the lock on opening.

    `in_use` says whether another living process has it open.
    """
    path = folder / DATABASE
    _no_rollback_journal(folder, notice)
    if not folders.check_file(path):
        for beside in ("-wal", "-shm"):
            if os.path.lexists(folder / (DATABASE + beside)):
                aside = folders.set_aside(folder, "foreign")
                notice(f"Files of a journal that is not there were moved to {aside.name}-*.")
                break
        _make(path, key, schema)
    for beside in ("-wal", "-shm"):
        folders.check_file(folder / (DATABASE + beside))
    try:
        place, version = _inspect(path, key, schema)
    except _NotOurs as found:
        if in_use():
            raise JournalError(
                found.sentence,
                hint="Another Vespiary has it open. End that one, then start again: the file is then moved aside.",
                code=f"journal.{found.why}",
            ) from found
        aside = folders.set_aside(folder, found.why)
        notice(f"{found.sentence} It was moved to {aside.relative_to(folder.parent)}, and a new one was made.")
        _make(path, key, schema)
        place, version = _inspect(path, key, schema)
    if version < schema.version:
        _migrate(place, schema, version, in_use)
    return place


def connect(path: Path, *, read_only: bool = False, busy_ms: int = _BUSY_MS) -> sqlite3.Connection:
    """A connection to a file that is not trusted: no more than the tables that were asked for is ever run."""
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
    )
    # Out of a damaged file comes what is no text; a seal then shows that it is not what was written.
    connection.text_factory = _text
    try:
        if sys.version_info >= (3, 12):
            connection.setconfig(_DEFENSIVE, True)
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute(f"PRAGMA busy_timeout={busy_ms:d}")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _inspect(path: Path, key: bytes, schema: Schema) -> tuple[Place, int]:
    """The database's identity and version if it is one of this user's."""
    with path.open("rb") as file:
        header = file.read(100)
        found = os.fstat(file.fileno())
    if len(header) < 100 or not header.startswith(_HEADER):
        raise _NotOurs("damaged", "The journal of this workspace is not a database, or not a whole one.")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID or header[18:20] != b"\2\2":
        raise _NotOurs("foreign", "The journal of this workspace is not one of Vespiary's.")
    try:
        connection = connect(path, read_only=True)
        try:
            version, journal = _read(connection, key, schema)
        finally:
            connection.close()
    except UNREADABLE as error:
        if is_busy(error):
            raise written(error) from error
        raise _NotOurs("damaged", f"The journal of this workspace cannot be read ({error}).") from error
    return Place(path, (found.st_dev, found.st_ino), journal_key(key, journal)), version


def _read(connection: sqlite3.Connection, key: bytes, schema: Schema) -> tuple[int, bytes]:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    meta: tuple[Any, Any] | None = None
    if _has_meta(connection):
        meta = connection.execute("SELECT value, seal FROM meta WHERE name='journal'").fetchone()
    if meta is None or not isinstance(meta[0], bytes):
        raise _NotOurs("foreign", "The journal of this workspace is not one of Vespiary's.")
    if not matches(meta[1], journal_seal(key, meta[0])):
        raise _NotOurs("foreign", "The journal of this workspace was not made by you on this computer.")
    if version > schema.version:
        raise JournalError("The journal was written by a newer Vespiary.", hint=_UPDATE_HINT, code="journal.newer")
    if version < 1 or shape(connection) != schema.shape(version):
        raise _NotOurs("foreign", "The journal of this workspace holds what Vespiary did not put there.")
    for table, column in _SMALL:
        # Without these nothing else can be found: better to know now.
        connection.execute(f"SELECT sum({column}) FROM {table} NOT INDEXED").fetchone()
    return version, meta[0]


def _has_meta(connection: sqlite3.Connection) -> bool:
    """Whether `meta` is a plain table: a view of that name would run what somebody else wrote."""
    kinds = connection.execute("SELECT type, sql FROM sqlite_master WHERE name='meta'").fetchall()
    return [kind for kind, _ in kinds] == ["table"] and str(kinds[0][1]).startswith(
        "CREATE TABLE meta (name TEXT PRIMARY KEY"
    )


def _make(path: Path, key: bytes, schema: Schema) -> None:
    """Make the database whole beside its place, then give it its name: no other process sees half of it."""
    temporary = path.with_name(f"{DATABASE}.new-{secrets.token_hex(8)}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = connect(temporary)
        try:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID:d}")
            connection.execute(f"PRAGMA user_version={schema.version:d}")
            schema.make(connection)
            journal = secrets.token_bytes(16)
            connection.execute("INSERT INTO meta VALUES ('journal', ?, ?)", (journal, journal_seal(key, journal)))
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
        temporary.rename(path)
        _sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise written(error) from error
    finally:
        for beside in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                temporary.with_name(temporary.name + beside).unlink()


def _migrate(place: Place, schema: Schema, version: int, in_use: Callable[[], bool]) -> None:
    if in_use():
        raise JournalError(
            "An older Vespiary has the journal of this workspace open.",
            hint="End it, then start again: the journal is then brought up to date.",
            code="journal.old",
        )
    try:
        connection = place.connect(sync="full")
        try:
            connection.execute("BEGIN IMMEDIATE")
            schema.migrate(connection, version)
            if shape(connection) != schema.shape(schema.version):
                raise JournalDamaged("it could not be brought up to date")
            connection.execute("COMMIT")
        finally:
            # Closing rolls back what was not committed.
            connection.close()
    except sqlite3.Error as error:
        raise written(error) from error


def _no_rollback_journal(folder: Path, notice: Callable[[str], None]) -> None:
    """Our database never has one, and SQLite would carry out what is in it, in the name of other files as well."""
    path = folder / f"{DATABASE}-journal"
    if os.path.lexists(path):
        target = path.with_name(f"{DATABASE}.foreign-journal-{secrets.token_hex(4)}")
        path.rename(target)
        notice(f"A rollback journal that is not Vespiary's was moved to {target.name}.")


def _sync_folder(path: Path) -> None:
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
