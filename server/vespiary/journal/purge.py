"""Letting go of what is not wanted any more: in small parts, so that commits in between do not wait.

A deleted run is gone with the transaction that puts its number into `trash`; its frames follow.
"""

import sqlite3
from dataclasses import dataclass
from functools import partial

from vespiary.journal.errors import JournalDamaged
from vespiary.journal.heads import Head
from vespiary.journal.records import Pruned
from vespiary.journal.rows import RUN, run_of
from vespiary.journal.schema import entry_at, place, places
from vespiary.journal.seals import Seals
from vespiary.journal.transaction import Transaction
from vespiary.journal.writer import Again
from vespiary.model.runs import Outcome

_ROWS = 256
_PAGES = 512


@dataclass(frozen=True, slots=True)
class Keep:
    """What `prune` leaves: at most so many finished runs, so many bytes of all runs, none that was last changed before a time."""

    runs: int | None = None
    size: int | None = None
    since: int | None = None


def throw_away(transaction: Transaction, number: int) -> None:
    """A run is gone from now on."""
    connection, seals = transaction.connection, transaction.seals
    connection.execute("INSERT OR REPLACE INTO trash VALUES (?,?)", (number, seals.row("trash", (number,))))
    connection.execute("DELETE FROM runs WHERE number=?", (number,))
    connection.execute("DELETE FROM heads WHERE number=?", (number,))


def purge(transaction: Transaction) -> Again | None:
    """An action: removes what belongs to runs in the trash, some rows at a time."""
    return Again(purge) if _purge_some(transaction) else None


class Prune:
    """An action: removes finished runs, oldest first, specifications that no run uses, and gives their space back."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    def __call__(self, transaction: Transaction) -> Again:
        """Throw runs away; what follows answers with `Pruned`."""
        transaction.flush()
        connection = transaction.connection
        pages = _pragma(connection, "page_count")
        victims = self._victims(connection, transaction.seals)
        for number in victims:
            throw_away(transaction, number)
        transaction.heads.clear()
        return Again(partial(_empty_trash, len(victims), pages))

    def _victims(self, connection: sqlite3.Connection, seals: Seals) -> list[int]:
        """Numbers of the runs to remove."""
        events: dict[int, int] = dict(
            connection.execute("SELECT place >> 40, sum(length(data)) FROM events GROUP BY place >> 40").fetchall()
        )
        finished: list[tuple[int, int, int]] = []
        total = 0
        for row in connection.execute(f"SELECT {RUN}").fetchall():
            try:
                record = run_of(row, seals)
            except JournalDamaged:
                continue
            size = record.size + events.get(row[0], 0)
            total += size
            if record.state is not Outcome.RUNNING:
                finished.append((record.updated, row[0], size))
        finished.sort()
        victims: list[int] = []
        left = len(finished)
        for updated, number, size in finished:
            keep = self._keep
            too_old = keep.since is not None and updated < keep.since
            too_many = keep.runs is not None and left > keep.runs
            too_large = keep.size is not None and total > keep.size
            if not (too_old or too_many or too_large):
                break
            victims.append(number)
            left -= 1
            total -= size
        return victims


class Cut:
    """An action: forgets frames that lie wholly before an entry. The chain then begins with the one that is left."""

    def __init__(self, run: str, before: int) -> None:
        self._run = run
        self._before = before

    def __call__(self, transaction: Transaction) -> Again | None:
        """Move the base, then remove frames, some at a time."""
        transaction.flush()
        head = transaction.heads.get(self._run)
        transaction.must_own(head)
        base, mac = self._end(transaction.connection, head)
        if base != head.base:
            head.base, head.base_mac = base, mac
            transaction.save(head)
        return self._remove(transaction)

    def _remove(self, transaction: Transaction) -> Again | None:
        head = transaction.heads.get(self._run)
        more = _some(transaction.connection, "frames", head.number, before=head.base)
        return Again(self._remove) if more else None

    def _end(self, connection: sqlite3.Connection, head: Head) -> tuple[int, bytes]:
        if self._before >= head.next:
            return head.next, head.last_mac
        row = connection.execute(
            "SELECT place, before FROM frames WHERE place<=? AND place>=? ORDER BY place DESC LIMIT 1",
            (place(head.number, self._before), place(head.number, head.base)),
        ).fetchone()
        if row is None:
            return head.base, head.base_mac
        first = entry_at(row[0])
        return first, head.base_mac if first == head.base else row[1]


def _purge_some(transaction: Transaction) -> bool:
    """Whether there is more."""
    connection = transaction.connection
    for number, seal in connection.execute("SELECT number, seal FROM trash").fetchall():
        # Nobody else's word is enough to remove anything.
        if not transaction.seals.holds("trash", (number,), seal):
            continue
        if _some(connection, "frames", number) or _some(connection, "events", number):
            return True
        connection.execute("DELETE FROM dead WHERE number=?", (number,))
        connection.execute("DELETE FROM uses WHERE number=?", (number,))
        connection.execute("DELETE FROM trash WHERE number=?", (number,))
    return False


def _empty_trash(runs: int, pages: int, transaction: Transaction) -> Again:
    if _purge_some(transaction):
        return Again(partial(_empty_trash, runs, pages))
    specs = transaction.connection.execute("DELETE FROM specs WHERE hash NOT IN (SELECT hash FROM uses)").rowcount
    return Again(partial(_give_back, runs, pages, specs))


def _give_back(runs: int, pages: int, specs: int, transaction: Transaction) -> Again | Pruned:
    connection = transaction.connection
    free = _pragma(connection, "freelist_count")
    for _ in range(min(free, _PAGES)):
        # One page each: Python's module takes but the first step of the statement, whatever number it is given.
        connection.execute("PRAGMA incremental_vacuum(1)")
    if free > _PAGES:
        return Again(partial(_give_back, runs, pages, specs))
    freed = (pages - _pragma(connection, "page_count")) * _pragma(connection, "page_size")
    return Pruned(runs, specs, max(0, freed))


def _some(connection: sqlite3.Connection, table: str, number: int, *, before: int | None = None) -> bool:
    """Remove some rows of a run, perhaps only those before an entry. Whether there may be more."""
    low, high = places(number)
    if before is not None:
        high = place(number, before)
    done = connection.execute(
        f"DELETE FROM {table} WHERE place IN (SELECT place FROM {table} WHERE place>=? AND place<? LIMIT {_ROWS})",
        (low, high),
    )
    return done.rowcount >= _ROWS


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
