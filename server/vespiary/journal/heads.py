"""The head of a run: which entries it has, the seals at both ends of its chain of frames, and who may write it."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vespiary.journal.errors import JournalDamaged, JournalError
from vespiary.journal.seals import START, Seals

_COLUMNS = "number, run, owner, base, base_mac, next, last_mac, size, seal"


@dataclass(slots=True)
class Head:
    """`base` and `base_mac`: the first entry that is there and what its frame follows. `next` and `last_mac`: the end."""

    number: int
    run: str
    owner: str
    base: int
    base_mac: bytes
    next: int
    last_mac: bytes
    size: int
    seal: bytes = b""

    def values(self) -> tuple[Any, ...]:
        """What the seal covers, in the order of the columns."""
        return (
            self.number,
            self.run,
            self.owner,
            self.base,
            self.base_mac,
            self.next,
            self.last_mac,
            self.size,
        )


def unknown(run: str) -> JournalError:
    """There is no such run."""
    return JournalError(f"The journal knows no run {run}.", code="journal.unknown")


def head_of(row: Sequence[Any], seals: Seals, run: str | None = None) -> Head:
    """The head in a row of `heads`. Raises `JournalDamaged` if it is not as it was written."""
    *values, seal = row
    if not seals.holds("heads", values, seal) or (run is not None and values[1] != run):
        raise JournalDamaged("what it says of its entries was changed", run=run or str(values[1]))
    return Head(*values, seal=seal)


def read_head(connection: sqlite3.Connection, seals: Seals, run: str) -> Head | None:
    """The head of a run, if there is one."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM heads WHERE run=?", (run,)).fetchone()
    return None if row is None else head_of(row, seals, run)


def all_heads(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """All rows of heads, as they are."""
    return connection.execute(f"SELECT {_COLUMNS} FROM heads ORDER BY number").fetchall()


class Heads:
    """The heads that the writer knows, so that an append reads nothing. Valid only as long as `save` finds them unchanged."""

    _MOST = 1024

    def __init__(self, connection: sqlite3.Connection, seals: Seals) -> None:
        self._connection = connection
        self._seals = seals
        self._known: dict[str, Head] = {}

    def clear(self) -> None:
        """Forget what is known: a transaction was undone."""
        self._known.clear()

    def get(self, run: str) -> Head:
        """The head of a run. Raises `JournalError` if there is none, `JournalDamaged` if it is damaged."""
        known = self._known.get(run)
        if known is not None:
            return known
        if len(self._known) >= self._MOST:
            self._known.clear()
        found = read_head(self._connection, self._seals, run)
        if found is None:
            raise unknown(run)
        self._known[run] = found
        return found

    def add(self, number: int, run: str, owner: str) -> None:
        """A run begins."""
        head = Head(number, run, owner, 1, START, 1, START, 0)
        head.seal = self._seals.row("heads", head.values())
        self._connection.execute("INSERT INTO heads VALUES (?,?,?,?,?,?,?,?,?)", (*head.values(), head.seal))
        self._known[run] = head

    def save(self, head: Head) -> bool:
        """Write a changed head. False if what was read is no longer there: another process changed it."""
        seal = self._seals.row("heads", head.values())
        done = self._connection.execute(
            "UPDATE heads SET owner=?, base=?, base_mac=?, next=?, last_mac=?, size=?, seal=? WHERE number=? AND seal=?",
            (head.owner, head.base, head.base_mac, head.next, head.last_mac, head.size, seal, head.number, head.seal),
        )
        head.seal = seal
        return done.rowcount == 1

    def forget(self, run: str) -> None:
        """The run is gone, or may have been changed."""
        self._known.pop(run, None)
