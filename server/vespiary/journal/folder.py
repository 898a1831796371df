"""The folder `.vespiary` of a workspace: made so that git and other users leave it alone, and distrusted when it was there before.

A cloned workspace may bring its own. Knows names and kinds of files; does not know what is in a database.
"""

import contextlib
import os
import stat
import sys
from pathlib import Path

from vespiary.journal.errors import JournalError

DATABASE = "journal.db"
_BESIDE = ("-wal", "-shm")
_REPARSE = 0x400
_HINT = "Move it away: Vespiary makes its own."


def prepare(folder: Path) -> None:
    """Make the folder, or see that it is one of ours. Raises `JournalError` for what cannot be used."""
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        _ours(folder, stat.S_ISDIR, "a folder")
        if sys.platform != "win32" and stat.S_IMODE(folder.lstat().st_mode) & 0o077:
            folder.chmod(0o700)
        _ignore(folder / ".gitignore")
        for name in ("owners", "marks"):
            with contextlib.suppress(FileExistsError):
                (folder / name).mkdir(mode=0o700)
            _ours(folder / name, stat.S_ISDIR, "a folder")
    except OSError as error:
        raise JournalError(
            f"{error.filename or folder} cannot be used: {error.strerror or error}.",
            hint="Vespiary keeps its journal there: make it writable for you.",
            code="journal.folder",
        ) from error


def look(folder: Path) -> None:
    """See that folder and database are there and ours, changing nothing."""
    try:
        _ours(folder, stat.S_ISDIR, "a folder")
        if not check_file(folder / DATABASE):
            raise JournalError(
                "This workspace has no journal yet.", hint="It gets one with its first run.", code="journal.none"
            )
        for beside in _BESIDE:
            check_file(folder / (DATABASE + beside))
    except FileNotFoundError:
        raise JournalError(
            "This workspace has no journal yet.", hint="It gets one with its first run.", code="journal.none"
        ) from None


def check_file(path: Path) -> bool:
    """Whether the file is there. Raises `JournalError` if it is anything but a regular file of this user."""
    try:
        _ours(path, stat.S_ISREG, "a regular file")
    except FileNotFoundError:
        return False
    return True


def set_aside(folder: Path, why: str) -> Path:
    """Move the database, with what belongs to it, to a free name `journal.db.<why>-<n>`, and give that."""
    number = 1
    while any(os.path.lexists(folder / f"{DATABASE}.{why}-{number}{beside}") for beside in ("", *_BESIDE)):
        number += 1
    target = folder / f"{DATABASE}.{why}-{number}"
    try:
        # Looking at it made these, if they hold nothing: the one is an index of the other.
        log = folder / f"{DATABASE}-wal"
        if check_file(log) and log.stat().st_size == 0:
            log.unlink()
        (folder / f"{DATABASE}-shm").unlink(missing_ok=True)
        # What belongs to it first: a crash in between must not leave another's log beside a new database.
        for beside in (*_BESIDE, ""):
            with contextlib.suppress(FileNotFoundError):
                (folder / (DATABASE + beside)).rename(folder / (target.name + beside))
    except OSError as error:
        raise JournalError(
            f"{folder / DATABASE} cannot be used, and cannot be moved aside: {error.strerror or error}.",
            hint="End other programs that have it open, then try again.",
            code="journal.folder",
        ) from error
    return target


def _ours(path: Path, kind: object, name: str) -> None:
    found = path.lstat()
    is_kind = kind(found.st_mode) if callable(kind) else False
    reparse = getattr(found, "st_file_attributes", 0) & _REPARSE
    if stat.S_ISLNK(found.st_mode) or reparse:
        raise JournalError(f"{path} is a link, which Vespiary does not follow.", hint=_HINT, code="journal.folder")
    if not is_kind:
        raise JournalError(f"{path} is not {name}.", hint=_HINT, code="journal.folder")
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise JournalError(f"{path} belongs to another user.", hint=_HINT, code="journal.owner")


def _ignore(path: Path) -> None:
    """Git is told to leave the folder alone; a file that says anything else is replaced."""
    try:
        if not path.is_symlink() and path.is_file() and path.read_bytes().strip() == b"*":
            return
    except OSError:
        pass
    temporary = path.with_name(f".gitignore-{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with temporary.open("xb") as file:
        file.write(b"*\n")
    temporary.replace(path)
