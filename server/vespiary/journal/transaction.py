"""One transaction of the writer: what several callers want done, as one.

Entries are gathered first, so that consecutive ones of a run become one frame however many calls they came in. Knows the chain of
frames; does not know threads or futures.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from vespiary.journal.errors import JournalError
from vespiary.journal.frames import ENTRIES, encode
from vespiary.journal.heads import Head, Heads, read_head, unknown
from vespiary.journal.rows import events_of, write_events
from vespiary.journal.schema import place, places
from vespiary.journal.seals import Seals
from vespiary.model.ids import RunId

Group = tuple[RunId, int, Sequence[Any]]


class Undo(Exception):
    """The transaction cannot be: it is undone, and its parts are tried one by one. `cause` says why."""

    def __init__(self, cause: JournalError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def lost(run: str) -> JournalError:
    """Another store took the run over."""
    return JournalError(
        f"Run {run} is carried on by another Vespiary.", hint="Look for it there, or end that one.", code="journal.lost"
    )


class _Waiting:
    """Entries of a run that are not in a frame yet."""

    __slots__ = ("entries", "first", "head")

    def __init__(self, head: Head) -> None:
        self.head = head
        self.first = head.next
        self.entries: list[Any] = []


class Transaction:
    """What is done between BEGIN and COMMIT. `owner` is the token of the store."""

    def __init__(self, connection: sqlite3.Connection, seals: Seals, heads: Heads, owner: str) -> None:
        self.connection = connection
        self.seals = seals
        self.heads = heads
        self.owner = owner
        self.frames: list[tuple[str, int, int, bytes]] = []
        """What was appended: run, first, count, data."""
        self.marks: dict[str, int] = {}
        """Marks to be put once it is committed, beside those of what was appended."""
        self._events: dict[str, list[tuple[int, bytes]]] = {}
        self._waiting: dict[str, _Waiting] = {}

    def append(self, groups: Sequence[Group]) -> None:
        """Take entries in, all or none. Raises `JournalError` if a run does not take them."""
        admitted: dict[str, int] = {}
        for run, first, entries in groups:
            waiting = self._waiting.get(run)
            head = waiting.head if waiting is not None else self.heads.get(run)
            self.must_own(head)
            there = head.next if waiting is None else waiting.first + len(waiting.entries)
            expected = admitted.get(run, there)
            if first != expected:
                raise JournalError(
                    f"Run {run} was to go on with entry {first}, but its next one is {expected}.", code="journal.gap"
                )
            admitted[run] = first + len(entries)
        for run, _, entries in groups:
            waiting = self._waiting.get(run)
            if waiting is None:
                waiting = self._waiting[run] = _Waiting(self.heads.get(run))
            waiting.entries.extend(entries)

    def must_own(self, head: Head) -> None:
        """Raises `JournalError` if the run is another store's."""
        if head.owner != self.owner:
            raise lost(head.run)

    def save(self, head: Head) -> None:
        """Write a changed head. Raises `Undo` if another process changed it meanwhile."""
        if not self.heads.save(head):
            try:
                now = read_head(self.connection, self.seals, head.run)
            except JournalError as error:
                raise Undo(error) from error
            raise Undo(lost(head.run) if now is not None else unknown(head.run))

    def add_event(self, run: str, seq: int, data: bytes) -> None:
        """Take an event in. Raises `JournalError` if it does not come after the run's last one."""
        number = self.heads.get(run).number
        waiting = self._events.get(run)
        if waiting is None:
            low, high = places(number)
            row = self.connection.execute(
                "SELECT place, count, data, seal FROM events WHERE place>=? AND place<? ORDER BY place DESC LIMIT 1",
                (low, high),
            ).fetchone()
            last = -1 if row is None else [each for each, _ in events_of(row, self.seals, run)][-1]
        else:
            last = waiting[-1][0]
        if seq <= last:
            raise JournalError(f"Event {seq} of run {run} comes after event {last}.", code="journal.gap")
        if waiting is None:
            waiting = self._events[run] = []
        waiting.append((seq, data))

    def flush(self) -> None:
        """Write what was gathered. Raises `Undo` if the transaction cannot go on."""
        waiting, self._waiting = self._waiting, {}
        events, self._events = self._events, {}
        for run, theirs in events.items():
            number = self.heads.get(run).number
            for start in range(0, len(theirs), ENTRIES):
                block = theirs[start : start + ENTRIES]
                write_events(self.connection, self.seals, place(number, block[0][0]), run, block)
        for run, each in waiting.items():
            try:
                self._write(run, each)
            except JournalError as error:
                raise Undo(error) from error

    def _write(self, run: str, waiting: _Waiting) -> None:
        head = waiting.head
        for start in range(0, len(waiting.entries), ENTRIES):
            entries = waiting.entries[start : start + ENTRIES]
            first, count = head.next, len(entries)
            data = encode(entries)
            mac = self.seals.frame(head.last_mac, run, first, count, data)
            self.connection.execute(
                "INSERT INTO frames VALUES (?,?,?,?,?)", (place(head.number, first), count, head.last_mac, data, mac)
            )
            head.last_mac = mac
            head.next = first + count
            head.size += len(data)
            self.frames.append((run, first, count, data))
        if waiting.entries:
            self.save(head)
