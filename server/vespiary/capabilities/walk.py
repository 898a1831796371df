"""Walking through the files of a workspace, without what git ignores and without following links to folders.

Blocking, for use in a thread or in a process of its own. Knows names and kinds of entries; reads no file but `.gitignore`.
"""

import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vespiary.capabilities.ignore import NEVER, Ignore
from vespiary.capabilities.paths import protected

_RULES_BYTES = 1_000_000
"""The largest `.gitignore` that is read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder. `path` is relative to the root with `/`; `size` is a file's, in bytes."""

    path: str
    kind: Literal["file", "folder"]
    size: int | None = None


class Walk:
    """One walk below `start`, breadth first and sorted within a folder.

    `depth` 1 is the folder itself, none is without bound. `stopped` is asked at every folder; once it says yes the walk ends and
    `stopped_early` is set.
    """

    def __init__(
        self, root: Path, start: str = "", *, depth: int | None = None, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._root = root
        self._start = start
        self._depth = depth
        self._stopped = stopped
        self.stopped_early = False

    def __iter__(self) -> Iterator[Entry]:
        todo: deque[tuple[str, int, Ignore]] = deque([(self._start, 1, self._rules_above())])
        while todo:
            if self._stopped():
                self.stopped_early = True
                return
            folder, level, ignore = todo.popleft()
            ignore = ignore.below(folder, self._rules(folder))
            for entry in self._entries(folder):
                is_folder = entry.kind == "folder"
                if ignore.ignores(entry.path, is_folder=is_folder):
                    continue
                yield entry
                if is_folder and (self._depth is None or level < self._depth):
                    todo.append((entry.path, level + 1, ignore))

    def _rules_above(self) -> Ignore:
        """The rules of the folders above the start, and git's own list for this clone."""
        ignore = Ignore().below("", self._text(self._root / ".git" / "info" / "exclude"))
        parts = self._start.split("/") if self._start else []
        for count in range(len(parts)):
            folder = "/".join(parts[:count])
            ignore = ignore.below(folder, self._rules(folder))
        return ignore

    def _rules(self, folder: str) -> str:
        return self._text(self._root / folder / ".gitignore")

    @staticmethod
    def _text(path: Path) -> str:
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > _RULES_BYTES:
                return ""
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _entries(self, folder: str) -> list[Entry]:
        """What is in a folder, sorted; nothing if it cannot be read. Links are followed to files of the workspace only."""
        found: list[Entry] = []
        try:
            with os.scandir(self._root / folder) as entries:
                for item in entries:
                    if (kept := self._entry(folder, item)) is not None:
                        found.append(kept)
        except OSError:
            return []
        return sorted(found, key=lambda entry: entry.path)

    def _entry(self, folder: str, item: "os.DirEntry[str]") -> Entry | None:
        name = item.name
        if name in NEVER or protected(name) or not usable(name) or name.startswith(".vespiary-"):
            return None
        path = f"{folder}/{name}" if folder else name
        try:
            if item.is_dir(follow_symlinks=False):
                return None if _junction(item) else Entry(path, "folder")
            if item.is_symlink():
                real = Path(os.path.realpath(item.path))
                # Neither out of the workspace, nor to what is not for agents: `.git/config` may hold a token.
                if not real.is_relative_to(self._root) or any(map(protected, real.relative_to(self._root).parts)):
                    return None
                status = real.stat()
            else:
                status = item.stat(follow_symlinks=False)
        except OSError:
            return None
        return Entry(path, "file", status.st_size) if stat.S_ISREG(status.st_mode) else None


_UNUSABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\\\\]")


def usable(name: str) -> bool:
    """Whether a name can be used in a path that actors give: no control characters, no backslash, valid Unicode."""
    return _UNUSABLE.search(name) is None


def _junction(item: "os.DirEntry[str]") -> bool:
    """Whether a Windows folder is really a link to another one (`DirEntry.is_junction` is new in Python 3.12)."""
    if os.name != "nt":
        return False
    tag = getattr(item.stat(follow_symlinks=False), "st_reparse_tag", 0)
    return tag != 0 and tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)
