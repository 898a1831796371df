"""Looking whether a journal is sound: SQLite's own check, and that every row is as it was written and belongs to something.

Never raises for damage: whatever cannot be read is a problem in the list.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

from vespiary.journal.entries import chunk, follow
from vespiary.journal.errors import UNREADABLE, JournalDamaged, JournalError
from vespiary.journal.extras import spec_hash
from vespiary.journal.frames import decode, grow
from vespiary.journal.heads import Head, all_heads, head_of
from vespiary.journal.opening import Place
from vespiary.journal.rows import RUN, dead_of, events_of, run_of, session_of, usage_of
from vespiary.journal.schema import entry_at
from vespiary.journal.seals import Seals, matches

_MOST = 200
_FROM_SQLITE = 50


def check(place: Place, seals: Seals) -> list[str]:
    """Problems, a sentence each, of one moment. At most 200."""
    found = _Check(seals)
    try:
        connection = place.connect()
    except (JournalError, sqlite3.Error, OSError) as error:
        return [f"The journal cannot be opened: {error}"]
    try:
        connection.execute("BEGIN")
        found.look(connection)
    except UNREADABLE as error:
        found.say(f"The journal cannot be read: {error}.")
    finally:
        connection.close()
    return found.problems


class _Check:
    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self.problems: list[str] = []
        self._names: dict[int, str] = {}
        self._known: set[int] = set()

    def say(self, problem: str) -> None:
        if len(self.problems) < _MOST and problem not in self.problems:
            self.problems.append(problem)

    def look(self, connection: sqlite3.Connection) -> None:
        for part in (
            self._sqlite,
            self._heads,
            self._runs,
            self._trash,
            self._frames,
            self._events,
            self._specs,
            self._rest,
        ):
            self._try(part.__name__.strip("_"), lambda part=part: part(connection))

    def _try(self, what: str, part: Callable[[], None]) -> None:
        try:
            part()
        except JournalError as error:
            self.say(error.message)
        # Out of a damaged file may come anything.
        except (*UNREADABLE, ValueError, TypeError, LookupError) as error:
            self.say(f"The journal's {what} cannot be read: {error}.")

    def _sqlite(self, connection: sqlite3.Connection) -> None:
        for (line,) in connection.execute(f"PRAGMA integrity_check({_FROM_SQLITE:d})"):
            if line != "ok":
                self.say(f"SQLite says: {line}.")

    def _heads(self, connection: sqlite3.Connection) -> None:
        for row in all_heads(connection):
            self._known.add(row[0])
            self._names[row[0]] = str(row[1])
            self._try("entries", lambda row=row: self._chain(connection, row))

    def _chain(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> None:
        head = head_of(row, self._seals)
        if connection.execute("SELECT 1 FROM runs WHERE number=?", (head.number,)).fetchone() is None:
            self.say(f"The record of run {head.run} is missing.")
        walk(connection, self._seals, head)

    def _runs(self, connection: sqlite3.Connection) -> None:
        for row in connection.execute(f"SELECT {RUN}").fetchall():
            self._known.add(row[9])
            self._names.setdefault(row[9], str(row[10]))
            self._try("runs", lambda row=row: (run_of(row, self._seals), None)[1])

    def _trash(self, connection: sqlite3.Connection) -> None:
        for number, seal in connection.execute("SELECT number, seal FROM trash").fetchall():
            if self._seals.holds("trash", (number,), seal):
                self._known.add(number)
            else:
                self.say(f"The note that run number {number} was deleted was changed.")

    def _frames(self, connection: sqlite3.Connection) -> None:
        for (number,) in connection.execute("SELECT DISTINCT place >> 40 FROM frames").fetchall():
            if number not in self._known:
                self.say(f"There are entries of a run (number {number}) that is not there.")

    def _events(self, connection: sqlite3.Connection) -> None:
        last: dict[int, int] = {}
        for row in connection.execute("SELECT place, count, data, seal FROM events ORDER BY place"):
            number = row[0] >> 40
            if number not in self._known:
                self.say(f"There are events of a run (number {number}) that is not there.")
            elif number in self._names:
                for seq, _ in events_of(row, self._seals, self._names[number]):
                    if seq <= last.get(number, -1):
                        self.say(f"Event {seq} of run {self._names[number]} is not in its place.")
                    last[number] = seq

    def _specs(self, connection: sqlite3.Connection) -> None:
        names: set[str] = set()
        for name, data in connection.execute("SELECT hash, data FROM specs"):
            names.add(name)
            if spec_hash(_grown(data)) != name:
                self.say(f"Specification {name} was changed.")
        for number, name in connection.execute("SELECT number, hash FROM uses"):
            if number not in self._known:
                self.say(f"A run (number {number}) that is not there uses specification {name}.")
            elif name not in names:
                self.say(f"Specification {name}, which run {self._names.get(number, number)} uses, is missing.")

    def _rest(self, connection: sqlite3.Connection) -> None:
        for row in connection.execute("SELECT run, session, time, data, seal FROM usage"):
            self._try("usage", lambda row=row: (usage_of(row, self._seals), None)[1])
        for row in connection.execute("SELECT id, updated, data, seal FROM sessions"):
            self._try("sessions", lambda row=row: (session_of(row, self._seals), None)[1])
        for row in connection.execute("SELECT number, data, seal FROM dead"):
            if row[0] not in self._known:
                self.say(f"There is a dead letter of a run (number {row[0]}) that is not there.")
            self._try("dead letters", lambda row=row: (dead_of(row, self._seals), None)[1])


def walk(connection: sqlite3.Connection, seals: Seals, head: Head) -> None:
    """Follow a run's chain from its base to its head. Raises `JournalDamaged` where it breaks."""
    number, before = head.base, head.base_mac
    while number < head.next:
        rows = chunk(connection, head, number)
        if not rows:
            raise JournalDamaged("it is missing", run=head.run, number=number)
        for row in rows:
            count, data, before = follow(seals, head.run, number, before, row)
            if len(decode(data)) != count:
                raise JournalDamaged("it has another number of entries", run=head.run, number=number)
            number += count
    if number != head.next or not matches(before, head.last_mac):
        raise JournalDamaged("its last entries are not those that were written", run=head.run, number=number)
    beyond = connection.execute(
        "SELECT min(place) FROM frames WHERE place>=? AND place<?",
        (head.number << 40 | head.next, head.number + 1 << 40),
    ).fetchone()[0]
    if beyond is not None:
        raise JournalDamaged("there is more than was written", run=head.run, number=entry_at(beyond))


def _grown(data: object) -> bytes:
    try:
        return grow(data) if isinstance(data, bytes) else b""
    except ValueError:
        return b""
