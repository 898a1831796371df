"""A private folder of files whose names hold their checksum, and a lock between processes.

Made for a cache whose content is trusted as code: a file counts only if it belongs to this user, nobody else may write it, and
its bytes have the sum that its name says. One rename puts a file there whole or not at all. Knows nothing of what is stored.
"""

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

MAX_BYTES = 768 * 2**20
"""Beyond this the least recently used files go: each version of the Python component takes about 90 MiB."""

_KEEP_SECONDS = 60 * 86_400
_TOUCH_SECONDS = 3_600
_IN_USE_SECONDS = 600
_POLL_SECONDS = 0.05
_WAIT_SECONDS = 900.0
_CONTENT = (".cwasm", ".wasm", ".tmp")
_LOOSE = stat.S_IWGRP | stat.S_IWOTH


def checksum(data: bytes | bytearray | memoryview) -> str:
    """The sum that goes into a name: 32 hexadecimal digits."""
    digest = _digest()
    digest.update(data)
    return digest.hexdigest()


def _digest() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=16)


class PrivateFolder:
    """A folder that only this user can write. `usable` is false when that cannot be had; then nothing is found or kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.usable = self._prepare()

    def _prepare(self) -> bool:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = self.path.lstat()
        except OSError:
            return False
        if not stat.S_ISDIR(state.st_mode):
            return False
        if sys.platform == "win32":
            return True  # the folders of a Windows user are private by their access list
        if state.st_uid != os.geteuid():
            return False
        if state.st_mode & _LOOSE:
            # Somebody else could have put files here: none of them counts.
            try:
                self.path.chmod(0o700)
            except OSError:
                return False
            for file in self._files(*_CONTENT):
                _remove(file)
        return True

    def _files(self, *suffixes: str) -> list[Path]:
        try:
            return [file for file in self.path.iterdir() if file.suffix in suffixes]
        except OSError:
            return []

    def peek(self, key: str, suffix: str) -> str | None:
        """The sum that the name of the file under `key` states; its bytes are not looked at."""
        if not self.usable:
            return None
        names = (file.name for file in self._files(suffix))
        return next((name[len(key) + 1 : -len(suffix)] for name in names if name.startswith(f"{key}-")), None)

    def find(self, key: str, suffix: str) -> Path | None:
        """The file kept under `key`, checked now. One that is damaged or not ours is removed."""
        if not self.usable:
            return None
        for file in self._files(suffix):
            if not file.name.startswith(f"{key}-"):
                continue
            if self._sound(file, file.name[len(key) + 1 : -len(suffix)]):
                return file
            _remove(file)
        return None

    def _sound(self, file: Path, expected: str) -> bool:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            with os.fdopen(os.open(file, flags), "rb") as source:
                state = os.fstat(source.fileno())
                if not stat.S_ISREG(state.st_mode):
                    return False
                if sys.platform != "win32" and (state.st_uid != os.geteuid() or state.st_mode & _LOOSE):
                    return False
                if hashlib.file_digest(source, _digest).hexdigest() != expected:
                    return False
            if time.time() - state.st_mtime > _TOUCH_SECONDS:
                os.utime(file)  # keeps it from being cleared away as unused
        except OSError:
            return False
        return True

    def keep(self, key: str, suffix: str, data: bytes | bytearray) -> Path:
        """Put a file there, whole or not at all. Raises `OSError`."""
        if not self.usable:
            raise PermissionError(f"{self.path} is not private to this user")
        target = self.path / f"{key}-{checksum(data)}{suffix}"
        handle, name = tempfile.mkstemp(prefix=f"{key}-", suffix=".tmp", dir=self.path)  # mode 0600
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as sink:
                sink.write(data)
                sink.flush()
                os.fsync(sink.fileno())
            try:
                temporary.replace(target)
            except PermissionError:
                if not target.exists():  # Windows refuses to replace a file in use; its name says that it is the same
                    raise
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(self.path)
        self._clear(target)
        return target

    def _clear(self, fresh: Path) -> None:
        now = time.time()
        used: list[tuple[float, int, Path]] = []
        for file in self._files(*_CONTENT, ".lock"):
            with contextlib.suppress(OSError):
                state = file.stat()
                used.append((now - state.st_mtime, state.st_size, file))
        total = sum(size for _, size, _ in used)
        for age, size, file in sorted(used, reverse=True):
            if file != fresh and (age > _KEEP_SECONDS or (total > MAX_BYTES and size and age > _IN_USE_SECONDS)):
                _remove(file)
                total -= size

    @contextlib.contextmanager
    def locked(self, key: str, waiting: Callable[[], None]) -> Generator[None]:
        """Hold the lock of `key` between processes and threads. `waiting` is called once if somebody else has it.

        The system frees the lock of a process that dies. Where locks do not work (some network folders), or after a quarter of an
        hour, goes on without: two processes then do the same work twice, and either result is good.
        """
        if not self.usable:
            yield
            return
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            handle = os.open(self.path / f"{key}.lock", flags, 0o600)
        except OSError:
            yield
            return
        try:
            _acquire(handle, waiting)
            yield
        finally:
            os.close(handle)  # frees the lock


def _acquire(handle: int, waiting: Callable[[], None]) -> None:
    until = time.monotonic() + _WAIT_SECONDS
    told = False
    while time.monotonic() < until:
        try:
            _try_lock(handle)
        except (BlockingIOError, PermissionError):
            if not told:
                waiting()
                told = True
            time.sleep(_POLL_SECONDS)
        except OSError:
            return
        else:
            return


def _try_lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(path: Path) -> None:
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()
