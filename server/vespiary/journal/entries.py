"""Reading entries: each frame is checked against its seal, and a whole run against its chain and its head."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from vespiary.journal.cache import FrameCache
from vespiary.journal.errors import JournalDamaged, JournalError
from vespiary.journal.frames import decode
from vespiary.journal.heads import Head, read_head, unknown
from vespiary.journal.readers import Readers
from vespiary.journal.schema import entry_at, place, places
from vespiary.journal.seals import Seals, matches
from vespiary.model.ids import RunId

_CHUNK = 64
_COLUMNS = "place, count, before, data, mac"
Row = tuple[Any, ...]


class Entries:
    """The entries of all runs."""

    def __init__(self, readers: Readers, seals: Seals, cache: FrameCache) -> None:
        self._readers = readers
        self._seals = seals
        self._cache = cache

    def cached(self, run: RunId, numbers: Sequence[int]) -> list[Any] | None:
        """Entries, if all are in memory."""
        return self._cache.all(run, numbers)

    def read(self, run: RunId, numbers: Sequence[int]) -> list[Any]:
        """Entries in the order of their numbers. Raises `JournalError` for one that is not there or damaged."""
        found: dict[int, Any] = {}
        with self._readers.use(snapshot=True) as connection:
            head = read_head(connection, self._seals, run)
            if head is None:
                raise unknown(run)
            for number in sorted(set(numbers)):
                if number not in found:
                    first, entries = self._frame(connection, head, number)
                    found.update(enumerate(entries, first))
        return [found[number] for number in numbers]

    def all(self, run: RunId) -> Iterator[tuple[int, Any]]:
        """All entries with their numbers, as they were when this was called. Raises `JournalError` where one is damaged."""
        with self._readers.use() as connection:
            head = read_head(connection, self._seals, run)
        if head is None:
            raise unknown(run)
        return self._walk(head)

    def _walk(self, head: Head) -> Iterator[tuple[int, Any]]:
        number, before = head.base, head.base_mac
        while number < head.next:
            # Not one long read: that would keep the log from being moved into the database.
            with self._readers.use() as connection:
                rows = chunk(connection, head, number)
                if not rows or entry_at(rows[0][0]) != number:
                    self._explain(connection, head, number)
            for row in rows:
                count, data, before = follow(self._seals, head.run, number, before, row)
                yield from enumerate(_decoded(head.run, number, count, data), number)
                number += count
        if number != head.next or not matches(before, head.last_mac):
            raise JournalDamaged("its last entries are not those that were written", run=head.run, number=number)

    def _frame(self, connection: sqlite3.Connection, head: Head, number: int) -> tuple[int, list[Any]]:
        if not head.base <= number < head.next:
            raise _missing(head.run, number)
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM frames WHERE place<=? AND place>=? ORDER BY place DESC LIMIT 1",
            (place(head.number, number), places(head.number)[0]),
        ).fetchone()
        if row is None:
            raise JournalDamaged("it is missing", run=head.run, number=number)
        first = entry_at(row[0])
        count, data, _ = follow(self._seals, head.run, first, None, row)
        if number >= first + count:
            raise JournalDamaged("it is missing", run=head.run, number=number)
        entries = _decoded(head.run, first, count, data)
        self._cache.put(head.run, first, count, data)
        return first, entries

    def _explain(self, connection: sqlite3.Connection, head: Head, number: int) -> None:
        """Why the next frame is not there. It may have been let go meanwhile."""
        now = read_head(connection, self._seals, head.run)
        if now is None:
            raise unknown(head.run)
        if now.base > number:
            raise _missing(head.run, number)
        raise JournalDamaged("it is missing", run=head.run, number=number)


def chunk(connection: sqlite3.Connection, head: Head, number: int) -> list[Row]:
    """Some frames from an entry on."""
    return connection.execute(
        f"SELECT {_COLUMNS} FROM frames WHERE place>=? AND place<? ORDER BY place LIMIT {_CHUNK}",
        (place(head.number, number), place(head.number, head.next)),
    ).fetchall()


def follow(seals: Seals, run: str, number: int, before: bytes | None, row: Row) -> tuple[int, bytes, bytes]:
    """Count, bytes and seal of the frame that begins with entry `number`, after one with the seal `before` if that is known.

    Raises `JournalDamaged` if it is not that frame, or not as it was written.
    """
    at, count, previous, data, mac = row
    if entry_at(at) != number:
        raise JournalDamaged("it is missing", run=run, number=number)
    if not (isinstance(count, int) and isinstance(previous, bytes) and isinstance(data, bytes)):
        raise JournalDamaged("it was changed", run=run, number=number)
    if before is not None and not matches(previous, before):
        raise JournalDamaged("it does not follow the one before it", run=run, number=number)
    expected = seals.frame(previous, run, number, count, data)
    if not matches(mac, expected):
        raise JournalDamaged("it was changed", run=run, number=number)
    return count, data, expected


def _decoded(run: str, first: int, count: int, data: bytes) -> list[Any]:
    try:
        entries = decode(data)
    except ValueError as error:
        raise JournalDamaged(f"it cannot be read ({error})", run=run, number=first) from error
    if len(entries) != count:
        raise JournalDamaged("it has another number of entries", run=run, number=first)
    return entries


def _missing(run: str, number: int) -> JournalError:
    return JournalError(f"Run {run} has no entry {number}.", code="journal.missing")
