"""Connections for reading, on any thread, each used by one at a time; and what a reader makes of SQLite's errors."""

import contextlib
import sqlite3
import threading
from collections.abc import Generator

from vespiary.journal.errors import UNREADABLE, JournalDamaged, JournalError, is_busy, written
from vespiary.journal.opening import Place

_KEEP = 3


class Readers:
    """A few connections that only read."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._free: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def use(self, *, snapshot: bool = False) -> Generator[sqlite3.Connection]:
        """A connection; with `snapshot`, all that is read is of one moment. SQLite's errors become `JournalError`s."""
        connection = self._get()
        try:
            if snapshot:
                connection.execute("BEGIN")
            yield connection
            if snapshot:
                connection.execute("COMMIT")
        except UNREADABLE as error:
            connection.close()
            raise (written(error) if is_busy(error) else JournalDamaged(f"it cannot be read ({error})")) from error
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if not self._closed and len(self._free) < _KEEP:
                self._free.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close what is not in use; what is, closes after it."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _get(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise JournalError("The journal is closed.", code="journal.closed")
            if self._free:
                return self._free.pop()
        try:
            return self._place.connect()
        except sqlite3.Error as error:
            raise JournalDamaged(f"it cannot be read ({error})") from error
