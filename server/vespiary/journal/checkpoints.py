"""Moving what was committed from the log into the database, by a thread of its own, so that commits do not wait for it."""

import contextlib
import logging
import sqlite3
import threading

from vespiary.journal.opening import Place, Sync

_log = logging.getLogger(__name__)
_AFTER_BYTES = 4 << 20
_TOO_LONG_PAGES = 16 << 8  # 16 MiB
_IDLE_SECONDS = 2.0


class Checkpoints:
    """Checkpoints when some 4 MiB were written. `turn` is the writer's: while it is held, nothing is written."""

    def __init__(self, place: Place, sync: Sync, turn: threading.Lock) -> None:
        # It never waits for readers: what it cannot move now it moves later.
        self._connection = place.connect(sync=sync, busy_ms=0)
        self._turn = turn
        self._written = 0
        self._writes = 0
        self._dirty = False
        self._ending = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="vespiary-journal-checkpoints", daemon=True)
        self._thread.start()

    def wrote(self, size: int) -> None:
        """About so many bytes were written to the log."""
        self._written += size
        self._writes += 1
        first, self._dirty = not self._dirty, True
        if self._written >= _AFTER_BYTES or first:
            self._wake.set()

    def close(self) -> None:
        """End, with an empty log if no reader is in the way. Blocks; the writer has ended."""
        self._ending = True
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        writes = 0
        while not self._ending:
            idle = not self._wake.wait(_IDLE_SECONDS if self._dirty else None)
            self._wake.clear()
            if self._ending:
                break
            if idle and writes != self._writes:
                writes = self._writes
            elif idle:
                self._dirty = False
                self._checkpoint("TRUNCATE")
            elif self._written >= _AFTER_BYTES:
                self._written = 0
                if self._checkpoint("PASSIVE") > _TOO_LONG_PAGES:
                    # A writer that never pauses appends while this moves, so the log never begins anew. Only what came since is
                    # left to move: the pause is short.
                    self._checkpoint("PASSIVE")
                    with self._turn:
                        self._checkpoint("PASSIVE")
        self._checkpoint("TRUNCATE")
        self._connection.close()

    def _checkpoint(self, kind: str) -> int:
        """Move what can be moved. Gives the number of pages in the log."""
        with contextlib.suppress(sqlite3.Error):
            return int(self._connection.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()[1])
        _log.debug("A checkpoint was not possible")
        return 0
