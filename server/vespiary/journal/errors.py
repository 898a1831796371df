"""What can go wrong with a journal, in words for people, and how SQLite's and the system's errors become them."""

import errno
import sqlite3

from vespiary.model.errors import VespiaryError
from vespiary.model.ids import RunId

_FULL_HINT = "Free some space, then resume the run: it goes on where its last kept step was."
UNREADABLE = (sqlite3.Error, MemoryError, OverflowError, UnicodeError)
"""What comes of reading a damaged file: sizes in it may be anything, and SQLite's own message may quote what is no text."""
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class JournalError(VespiaryError):
    """The journal cannot do what it was asked to."""

    code = "journal"


class JournalDamaged(JournalError):
    """What the journal holds is not what was written to it. `run` and `number` say where, as far as that is known."""

    code = "journal.damaged"

    def __init__(self, what: str, *, run: RunId | str | None = None, number: int | None = None) -> None:
        place = f" of run {run}" if run is not None else ""
        if run is not None and number is not None:
            place = f" of run {run} at entry {number}"
        super().__init__(
            f"The journal{place} is damaged: {what}.",
            hint="Nothing of it is used. `.vespiary/journal.db` may be restored from a copy, or the run deleted.",
        )
        self.run = run
        self.number = number


def primary(error: BaseException) -> int | None:
    """SQLite's primary result code of an error, if it is one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def is_busy(error: BaseException) -> bool:
    """Whether the error says that another process held the database for too long."""
    return primary(error) in _BUSY


def written(error: BaseException) -> JournalError:
    """Why something could not be written, for people."""
    if isinstance(error, JournalError):
        return error
    if primary(error) == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno in _FULL):
        return JournalError("The disk is full: the journal cannot be written.", hint=_FULL_HINT, code="journal.full")
    if is_busy(error):
        return JournalError(
            "Another process has kept the journal to itself for too long.",
            hint="End other Vespiary processes on this workspace that hang, then resume the run.",
            code="journal.busy",
        )
    if isinstance(error, sqlite3.Error) and primary(error) in _DAMAGE:
        return JournalDamaged(f"it cannot be written ({error})")
    return JournalError(
        f"The journal cannot be written: {error}.",
        hint="Once `.vespiary` can be written again, resume the run: it goes on where its last kept step was.",
        code="journal.write",
    )
