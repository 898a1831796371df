"""How far each run had come, beside the database: so that a journal that lost its last moments is not taken for a whole one.

SQLite takes a log that was cut short or changed for one that ends earlier. What a run did after that is done all the same, so going
on from there would do it again, on other files. A mark is a small file in `.vespiary/marks`, rewritten in place after each commit
and never flushed by itself: it survives the process, and after a loss of power it is at most older than the database. Knows files
and numbers; does not know the tables.
"""

import contextlib
import os
import re
from collections import OrderedDict
from functools import cache
from pathlib import Path

from vespiary.model.ids import RunId

ENDED = (1 << 62) - 1
"""The mark of a run that has ended: it takes no more entries."""
_NAME = re.compile(r"[A-Za-z0-9]{1,64}\Z")
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_OPEN = 64
_SIZE = 64


class Marks:
    """The marks of a workspace. Writing them never fails a commit: one that cannot be written warns of nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handles: OrderedDict[str, int] = OrderedDict()

    def put(self, run: str, number: int) -> None:
        """The run's next entry has this number. On the writer's thread."""
        with contextlib.suppress(OSError):
            handle = self._handle(run)
            if handle is not None:
                os.pwrite(handle, f"{number} {_boot()}".encode().ljust(_SIZE), 0)

    def get(self, run: str, *, since_boot: bool) -> int:
        """The number of the run's next entry as it was marked; 0 if it was not, or `since_boot` and not since then."""
        if _NAME.match(run) is None:
            return 0
        try:
            handle = os.open(self._folder / run, _FLAGS)
            try:
                number, _, boot = os.read(handle, _SIZE).decode("ascii").strip().partition(" ")
            finally:
                os.close(handle)
            return 0 if since_boot and (boot != _boot() or not boot) else int(number)
        except (OSError, ValueError):
            return 0

    def runs(self) -> list[RunId]:
        """The runs that have a mark."""
        try:
            return [RunId(each.name) for each in self._folder.iterdir() if _NAME.match(each.name)]
        except OSError:
            return []

    def drop(self, run: str) -> None:
        """The run is forgotten."""
        handle = self._handles.pop(run, None)
        if handle is not None:
            os.close(handle)
        if _NAME.match(run):
            with contextlib.suppress(OSError):
                (self._folder / run).unlink()

    def close(self) -> None:
        """Close the files."""
        while self._handles:
            os.close(self._handles.popitem()[1])

    def _handle(self, run: str) -> int | None:
        handle = self._handles.get(run)
        if handle is None and _NAME.match(run) and hasattr(os, "pwrite"):
            if len(self._handles) >= _OPEN:
                os.close(self._handles.popitem(last=False)[1])
            handle = self._handles[run] = os.open(self._folder / run, _FLAGS | os.O_CREAT, 0o600)
        return handle


@cache
def _boot() -> str:
    """What is another one after each start of the computer; nothing where that is not known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
