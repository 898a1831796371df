"""File operations that stay inside a folder even while somebody moves things around in it.

Paths come resolved from `paths`, so none of their components is a symbolic link any more. Where the system can (`dir_fd`), each
folder is opened relative to the one above it and without following links, so that a link put there in the meantime is an error, not
a way out. Elsewhere the path is used as it is. Knows bytes; knows nothing of texts, editors or grants. Everything here blocks.
"""

import errno
import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

from vespiary.capabilities.texts import MAX_BYTES, too_large
from vespiary.model.errors import RequestRefused

Parts = tuple[str, ...]

_RELATIVE = (
    {os.open, os.stat, os.unlink, os.rename, os.mkdir, os.link} <= os.supports_dir_fd
    and hasattr(os, "O_NOFOLLOW")
    and hasattr(os, "O_DIRECTORY")
)
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | (_READ & ~os.O_RDONLY)
_FOLDER = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_TRIES = 6
"""How often a replacement is tried where another process may hold the file open (Windows)."""


class Folder:
    """One folder, held open where the system can. Names are single components."""

    def __init__(self, path: Path, fd: int | None) -> None:
        self._path = path
        self._fd = fd

    def _at(self, name: str) -> str:
        return name if self._fd is not None else str(self._path / name)

    def stat(self, name: str) -> os.stat_result:
        """What is there, a symbolic link itself included."""
        return os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)

    def exists(self, name: str) -> bool:
        """Whether anything has that name."""
        try:
            self.stat(name)
        except FileNotFoundError:
            return False
        return True

    def names(self) -> list[str]:
        """What is in the folder."""
        return os.listdir(self._path if self._fd is None else self._fd)  # noqa: PTH208 - a path knows no open folder

    def read(self, name: str, label: str) -> tuple[bytes, os.stat_result]:
        """A regular file's bytes. Raises `RequestRefused` when it is none or too large."""
        # Without O_NONBLOCK, opening a named pipe would wait for somebody to write to it.
        fd = os.open(self._at(name), _READ | getattr(os, "O_NONBLOCK", 0), dir_fd=self._fd)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
                raise RequestRefused(f"{label!r} is {kind}.", code="workspace.path")
            if status.st_size > MAX_BYTES:
                raise too_large(label, status.st_size)
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise too_large(label, len(data))
        return data, status

    def write_new(self, name: str, data: bytes, mode: int | None) -> None:
        """Make a file that does not exist, durable on return. `mode` is given exactly; without it, the system's default."""
        fd = os.open(self._at(name), _MAKE, 0o666 if mode is None else 0o600, dir_fd=self._fd)
        try:
            with os.fdopen(fd, "wb") as file:
                if mode is not None and hasattr(os, "fchmod"):
                    os.fchmod(fd, mode)
                file.write(data)
                file.flush()
                os.fsync(fd)
        except BaseException:
            self.unlink(name)
            raise

    def writable(self, name: str) -> bool:
        """Whether its permissions allow writing to a file."""
        return os.access(self._at(name), os.W_OK, dir_fd=self._fd)

    def replace(self, source: str, target: str) -> None:
        """Put `source` in the place of `target`, at once."""
        self._patiently(
            lambda: os.replace(self._at(source), self._at(target), src_dir_fd=self._fd, dst_dir_fd=self._fd)
        )
        self._sync()

    def claim(self, source: str, target: str) -> None:
        """Give `source` the name `target`, which must not exist. Raises `FileExistsError`."""
        if os.name == "nt":
            os.rename(self._at(source), self._at(target))  # noqa: PTH104 - refuses an existing target there
            return
        try:
            os.link(self._at(source), self._at(target), src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links: take the name, then fill it.
            os.close(os.open(self._at(target), _MAKE, 0o666, dir_fd=self._fd))
            self.replace(source, target)
        else:
            self.unlink(source)
        self._sync()

    def move(self, name: str, folder: "Folder", to: str) -> None:
        """Rename an entry; the caller has seen that the target is free."""
        self._patiently(lambda: os.rename(self._at(name), folder._at(to), src_dir_fd=self._fd, dst_dir_fd=folder._fd))
        folder._sync()
        self._sync()

    def unlink(self, name: str) -> None:
        """Remove an entry that is no folder."""
        self._patiently(lambda: os.unlink(self._at(name), dir_fd=self._fd))
        self._sync()

    def _sync(self) -> None:
        if self._fd is not None:
            with suppress(OSError):  # some file systems do not know it; the content is synced
                os.fsync(self._fd)

    @staticmethod
    def _patiently(act: Callable[[], None]) -> None:
        for attempt in range(_TRIES):
            try:
                return act()
            except PermissionError:
                if os.name != "nt" or attempt == _TRIES - 1:
                    raise
                sleep(0.02 * 2**attempt)  # a virus scanner or an indexer may hold it for a moment
        return None


class SafeFiles:
    """The folders of one tree. `relative` says whether to walk by open folders; only tests choose it."""

    def __init__(self, root: Path, *, relative: bool = _RELATIVE) -> None:
        self._root = root
        self._relative = relative

    @contextmanager
    def folder(self, parts: Parts, *, create: bool = False) -> Generator[Folder]:
        """The folder at resolved parts. With `create`, what is missing is made. Raises `OSError`."""
        if not self._relative:
            path = self._root.joinpath(*parts)
            if create:
                path.mkdir(parents=True, exist_ok=True)
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
            yield Folder(path, None)
            return
        fd = os.open(self._root, _FOLDER)
        try:
            for part in parts:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=fd)
                below = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = below
            yield Folder(self._root.joinpath(*parts), fd)
        finally:
            os.close(fd)


def refusal(error: OSError, path: str) -> RequestRefused:
    """What the file system said, in words for people and models."""
    code = error.errno
    if isinstance(error, FileNotFoundError):
        return RequestRefused(
            f"There is no file {path!r}.", code="workspace.missing", hint="List the folder to see what is there."
        )
    if isinstance(error, FileExistsError):
        return RequestRefused(f"{path!r} exists already.", code="workspace.exists")
    if isinstance(error, NotADirectoryError) or code == errno.ELOOP:
        return RequestRefused(f"A part of {path!r} is not a folder.", code="workspace.path")
    if isinstance(error, IsADirectoryError):
        return RequestRefused(f"{path!r} is a folder.", code="workspace.path")
    if code == errno.ENAMETOOLONG:
        return RequestRefused(f"{path!r} is too long a name.", code="workspace.path")
    if isinstance(error, PermissionError):
        return RequestRefused(f"The system does not let Vespiary use {path!r}.", code="workspace.denied")
    return RequestRefused(f"{path!r} could not be used: {error.strerror or 'unknown error'}.", code="workspace.failed")
