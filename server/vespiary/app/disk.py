"""The editor port for when there is no editor: changes go to the files, each at once or not at all.

Knows files and texts. Does not know who asks or whether they may; `capabilities.workspace` decided that.
"""

import os
import secrets
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
import anyio.to_thread

from vespiary.capabilities.paths import Located, Paths
from vespiary.capabilities.ports import Buffer
from vespiary.capabilities.safe_files import Folder, SafeFiles, refusal
from vespiary.capabilities.temporary import temporary
from vespiary.capabilities.texts import decode, encode, plain
from vespiary.changes.diff import EditsInvalid, apply_edits
from vespiary.model.edits import (
    ApplyResult,
    ApplyState,
    CreateFile,
    DeleteFile,
    FileChange,
    RenameFile,
    ReplaceText,
    content_hash,
)
from vespiary.model.errors import RequestRefused, VespiaryError

_APPLIED = ApplyResult(ApplyState.APPLIED)


class DiskEditor:
    """Implements `EditorPort` on the folder `root`. No document is ever open.

    A file is written beside its place, synced and moved into it, so that neither a crash nor a reader sees half of it; its
    permissions, byte order mark and line endings stay. `fresh` names temporary files.
    """

    def __init__(
        self,
        root: Path,
        *,
        files: Callable[[Path], SafeFiles] = SafeFiles,
        fresh: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._paths = Paths(root)
        self._files = files(self._paths.root)
        self._fresh = fresh
        self._limiter = anyio.CapacityLimiter(4)

    def buffer(self, path: str) -> Buffer | None:
        """None: nothing is open."""
        return None

    def buffers(self) -> Iterable[str]:
        """Nothing is open."""
        return ()

    async def apply(self, change: FileChange, label: str) -> ApplyResult:
        """Apply a change to the files. Runs to its end even when the caller is cancelled: a write is never left half known."""
        return await anyio.to_thread.run_sync(self._apply, change, limiter=self._limiter)

    def _apply(self, change: FileChange) -> ApplyResult:
        try:
            match change:
                case ReplaceText():
                    return self._replace(change)
                case CreateFile():
                    return self._create(change)
                case DeleteFile():
                    return self._delete(change)
                case RenameFile():
                    return self._rename(change)
        except VespiaryError as error:
            return ApplyResult(ApplyState.REFUSED, str(error))
        except OSError as error:
            return ApplyResult(ApplyState.REFUSED, str(refusal(error, change.path)))

    def _replace(self, change: ReplaceText) -> ApplyResult:
        located = self._paths.locate(change.path)
        if not located.real:
            return _refused(f"{change.path!r} is a folder.")
        name = located.real[-1]
        with self._files.folder(located.real[:-1]) as folder:
            try:
                data, status = folder.read(name, change.path)
            except FileNotFoundError:
                return _stale(f"{change.path!r} is gone.")
            old, marked = decode(data, change.path)
            if content_hash(old) != change.base:
                return _stale(f"{change.path!r} has changed.")
            if not folder.writable(name):
                return _refused(f"{change.path!r} is read-only.")
            try:
                new = apply_edits(old, change.edits)
            except EditsInvalid as error:
                return _refused(error.message)
            if content_hash(new) != change.after:
                return _refused(f"The edits to {change.path!r} do not give the text that they promise.")
            written = encode(new, change.path, marked=marked)
            with temporary(folder, self._fresh()) as prepared:
                folder.write_new(prepared, written, stat.S_IMODE(status.st_mode))
                if _identity(folder.stat(name)) != _identity(status):
                    return _stale(f"{change.path!r} has changed.")
                folder.replace(prepared, name)
            return self._confirm(folder, name, change.path, change.after)

    def _create(self, change: CreateFile) -> ApplyResult:
        located = self._paths.locate(change.path)
        if not located.entry:
            return _refused(f"{change.path!r} is a folder.")
        data = encode(change.text, change.path)
        name = located.entry[-1]
        with self._files.folder(located.entry[:-1], create=True) as folder:
            if folder.exists(name):
                return _refused(f"{change.path!r} exists already.")
            with temporary(folder, self._fresh()) as prepared:
                folder.write_new(prepared, data, None)
                folder.claim(prepared, name)
            return self._confirm(folder, name, change.path, content_hash(plain(change.text)))

    def _delete(self, change: DeleteFile) -> ApplyResult:
        located = self._paths.locate(change.path)
        with self._files.folder(located.entry[:-1]) as folder:
            if (problem := self._differs(located, change.base)) is not None:
                return problem
            folder.unlink(located.entry[-1])
            return _refused(f"{change.path!r} is still there.") if folder.exists(located.entry[-1]) else _APPLIED

    def _rename(self, change: RenameFile) -> ApplyResult:
        source, target = self._paths.locate(change.path), self._paths.locate(change.to)
        if not target.entry:
            return _refused(f"{change.to!r} is a folder.")
        if (problem := self._differs(source, change.base)) is not None:
            return problem
        name, to = source.entry[-1], target.entry[-1]
        with (
            self._files.folder(source.entry[:-1]) as from_folder,
            self._files.folder(target.entry[:-1], create=True) as to_folder,
        ):
            if to_folder.exists(to) and not _same_entry(from_folder.stat(name), to_folder.stat(to), source, target):
                return _refused(f"{change.to!r} exists already.")
            from_folder.move(name, to_folder, to)
        return self._differs(self._paths.locate(change.to), change.base) or _APPLIED

    def _differs(self, located: Located, base: str) -> ApplyResult | None:
        """What is wrong with a file that should hash to `base`, if anything."""
        if not located.real:
            return _refused(f"{located.path!r} is a folder.")
        try:
            with self._files.folder(located.real[:-1]) as folder:
                data, _ = folder.read(located.real[-1], located.path)
        except FileNotFoundError:
            return _stale(f"{located.path!r} is gone.")
        return None if content_hash(decode(data, located.path)[0]) == base else _stale(f"{located.path!r} has changed.")

    def _confirm(self, folder: Folder, name: str, path: str, expected: str) -> ApplyResult:
        """Success is what the file says, not what we did."""
        try:
            found = content_hash(decode(folder.read(name, path)[0], path)[0])
        except (OSError, RequestRefused):
            found = None
        if found == expected:
            return _APPLIED
        return _refused(f"{path!r} was written, but somebody else changed it at the same moment. Read it again.")


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_dev, status.st_size, status.st_mtime_ns


def _same_entry(a: os.stat_result, b: os.stat_result, source: Located, target: Located) -> bool:
    """Whether a rename only changes the case of letters, on a file system where that names the same file."""
    return (a.st_ino, a.st_dev) == (b.st_ino, b.st_dev) and source.path.casefold() == target.path.casefold()


def _stale(reason: str) -> ApplyResult:
    return ApplyResult(ApplyState.STALE, reason)


def _refused(reason: str) -> ApplyResult:
    return ApplyResult(ApplyState.REFUSED, reason)
