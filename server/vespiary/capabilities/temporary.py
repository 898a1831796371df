"""The files in which a change is prepared before it takes its place: their names, and what a crash left behind of them.

Knows names and processes; knows nothing of what is written. Everything here blocks.
"""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress

from vespiary.capabilities.safe_files import Folder

_NAME = re.compile(r"\.vespiary-([1-9][0-9]{0,9})-[0-9A-Za-z]+\.tmp\Z")
_under_way: set[str] = set()
"""The names that this process uses now."""


@contextmanager
def temporary(folder: Folder, fresh: str) -> Generator[str]:
    """A name for a file that is not there yet. What has it at the end is removed. `fresh` is different each time."""
    name = f".vespiary-{os.getpid()}-{fresh}.tmp"
    _under_way.add(name)
    try:
        yield name
    finally:
        _under_way.discard(name)
        if folder.exists(name):
            folder.unlink(name)


def left_behind(folder: Folder) -> list[str]:
    """The files of processes that are no more. Raises `OSError`."""
    return [
        name
        for name in folder.names()
        if (found := _NAME.match(name)) is not None and name not in _under_way and not _lives(int(found[1]))
    ]


def tidy(folder: Folder) -> None:
    """Remove what was left behind. What cannot be removed stays."""
    with suppress(OSError):
        for name in left_behind(folder):
            with suppress(OSError):
                folder.unlink(name)


def _lives(pid: int) -> bool:
    """Whether another process has this id. In doubt it does; Windows is not asked, for there the question is a signal."""
    if pid == os.getpid():
        return False
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
