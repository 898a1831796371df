"""The secret by which a person's own journals are told from those that came with a cloned workspace.

One file of 32 random bytes in a folder that the caller names, outside of every workspace. Without it, journals that were made
with it are foreign.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from vespiary.journal.errors import JournalError

FILE_NAME = "journal.key"
SIZE = 32
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def load_key(folder: Path, *, fresh: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """The secret in `folder/journal.key`, made on first use; processes that make it at the same time agree on one.

    Raises `JournalError` for a file that is not such a secret, or that cannot be read or made.
    """
    path = folder / FILE_NAME
    try:
        found = _read(path)
        if found is None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path, fresh)
            found = _read(path)
    except OSError as error:
        raise JournalError(
            f"The journal's key {path} cannot be read or made: {error.strerror or error}.",
            hint="Make its folder writable, or set VESPIARY_STATE_DIR to one that is.",
            code="journal.key",
        ) from error
    if found is None or len(found) != SIZE:
        raise JournalError(
            f"{path} does not hold a journal's key.",
            hint="Remove it: a new one is made, and journals of before are set aside.",
            code="journal.key",
        )
    return found


def _read(path: Path) -> bytes | None:
    try:
        handle = os.open(path, _READ)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        return file.read(SIZE + 1)


def _make(path: Path, fresh: Callable[[int], bytes]) -> None:
    """Write the whole secret beside its place, then give it its name if that is still free."""
    temporary = path.with_name(f".{FILE_NAME}-{secrets.token_hex(8)}")
    handle = os.open(temporary, _MAKE, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(fresh(SIZE))
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces what another process put there first; a rename does on POSIX, and does not on Windows.
        with contextlib.suppress(FileExistsError):
            if os.name == "nt":
                temporary.rename(path)
            else:
                path.hardlink_to(temporary)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
