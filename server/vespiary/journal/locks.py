"""Locks on files that the system frees when their process ends, however it ends.

A lock belongs to the open file, not to the process: two stores of one process exclude one another as well. The files are opened
so that programs started later do not inherit them.
"""

import contextlib
import os
import stat
import sys
import time
from pathlib import Path

from vespiary.journal.errors import JournalError

_POLL_SECONDS = 0.02
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class FileLock:
    """A lock on a file that is held. Made by `acquire`; freed by `release` or the end of the process."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle

    def release(self, *, remove: bool = False) -> None:
        """Free the lock, and remove its file if nobody will want this one again."""
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        if remove and sys.platform != "win32":
            # While it is still held, so that no other's file is removed.
            with contextlib.suppress(OSError):
                self._path.unlink()
        os.close(handle)
        if remove and sys.platform == "win32":
            with contextlib.suppress(OSError):
                self._path.unlink()


def acquire(path: Path, *, seconds: float = 0.0) -> FileLock | None:
    """Lock the file, made if need be, within a time. None if another holds it. Raises `OSError` for what cannot be opened."""
    until = time.monotonic() + seconds
    while True:
        handle = os.open(path, _FLAGS | os.O_CREAT, 0o600)
        held = False
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise JournalError(
                    f"{path} is not a regular file.", hint="Remove it and try again.", code="journal.folder"
                )
            held = _try(handle, exclusive=True) and _is_still(path, handle)
            if held:
                return FileLock(path, handle)
        finally:
            if not held:
                os.close(handle)
        if time.monotonic() >= until:
            return None
        time.sleep(_POLL_SECONDS)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock of the file. A file that is not there is held by nobody."""
    for _ in range(3):
        try:
            handle = os.open(path, _FLAGS)
        except FileNotFoundError:
            return False
        except OSError:
            # What nobody of ours can have made, as a symlink, nobody of ours holds.
            return sys.platform == "win32" and path.is_file()
        try:
            # Shared, so that two who ask at the same time do not take one another for the owner.
            if _try(handle, exclusive=False):
                return False
        finally:
            os.close(handle)
        if sys.platform != "win32":
            return True
        time.sleep(_POLL_SECONDS)
    return True


def _try(handle: int, *, exclusive: bool) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_still(path: Path, handle: int) -> bool:
    """Whether the path still names the locked file: its last holder may have removed it in between."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except OSError:
        return False
