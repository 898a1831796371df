"""Which stores live: each has a random token and a lock that the system frees when its process ends."""

import contextlib
import re
import secrets
from pathlib import Path

from vespiary.journal.errors import JournalError
from vespiary.journal.locks import FileLock, acquire, is_held

_NAME = re.compile(r"[0-9a-f]{32}\.lock\Z")


class Owners:
    """The owners of a journal's runs, of which this store is one. Begun while the lock on opening is held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.token = secrets.token_hex(16)
        self._lock: FileLock | None = None

    def begin(self) -> None:
        """Live."""
        self._lock = acquire(self._path(self.token))
        if self._lock is None:
            raise JournalError("The journal's owner file cannot be locked.", code="journal.folder")

    def end(self) -> None:
        """Live no more."""
        if self._lock is not None:
            self._lock.release(remove=True)

    def lives(self, token: str) -> bool:
        """Whether a store lives. Any text may be asked about."""
        return _NAME.match(f"{token}.lock") is not None and is_held(self._path(token))

    def others(self) -> bool:
        """Whether any other store lives. Lock files of those that do not are removed."""
        found = False
        for path in self._folder.iterdir():
            if _NAME.match(path.name) and path.stem != self.token:
                lock = None
                with contextlib.suppress(OSError, JournalError):
                    lock = acquire(path)
                if lock is not None:
                    lock.release(remove=True)
                elif is_held(path):
                    found = True
        return found

    def _path(self, token: str) -> Path:
        return self._folder / f"{token}.lock"
