"""The workspace as the editor sees it: open buffers first, files otherwise.

Knows how to find and read one text. Blocking work runs in threads of its own, so that slow disks do not hold up models or
the editor. Knows nothing of grants or of the form of requests.
"""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from vespiary.capabilities.paths import Located, Paths
from vespiary.capabilities.ports import Buffer, EditorPort
from vespiary.capabilities.safe_files import SafeFiles, refusal
from vespiary.capabilities.texts import decode, encode
from vespiary.model.edits import content_hash
from vespiary.model.errors import RequestRefused

P = ParamSpec("P")
T = TypeVar("T")

Kind = Literal["file", "folder", "missing"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One text at one moment. `size` is in bytes; `modified`: the editor has not saved it."""

    path: str
    text: str
    hash: str
    size: int
    modified: bool = False


class View:
    """Reads one workspace."""

    def __init__(self, root: Path, editor: EditorPort) -> None:
        self.editor = editor
        self.paths = Paths(root)
        self.files = SafeFiles(self.paths.root)
        self._limiter = anyio.CapacityLimiter(8)

    async def io(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Blocking work, in a thread; a cancelled caller waits for it."""
        return await anyio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=self._limiter)

    async def locate(self, path: str) -> Located:
        """Where a path leads. Raises `RequestRefused`."""
        return await self.io(self.paths.locate, path)

    def buffer(self, located: Located) -> tuple[str, Buffer] | None:
        """The open document that a path names, by either of its names, and the name it is open under."""
        for path in dict.fromkeys((located.path, located.real_path)):
            found = self.editor.buffer(path)
            if found is not None:
                return path, found
        return None

    async def snapshot(self, located: Located) -> Snapshot:
        """The text at a path. Raises `RequestRefused`: missing, a folder, binary, too large, not allowed by the system."""
        opened = self.buffer(located)
        if opened is not None:
            path, buffer = opened
            return await self.io(_of_buffer, path, buffer)
        return await self.io(self._of_file, located)

    async def kind(self, located: Located) -> tuple[Kind, int | None]:
        """What is at a path, and the size of a file in bytes. Anything but files and folders counts as missing."""
        if self.buffer(located) is not None:
            snapshot = await self.snapshot(located)
            return "file", snapshot.size
        return await self.io(self._kind, located)

    def _of_file(self, located: Located) -> Snapshot:
        if not located.real:
            raise RequestRefused(f"{located.path!r} is a folder.", code="workspace.path")
        try:
            with self.files.folder(located.real[:-1]) as folder:
                data, _ = folder.read(located.real[-1], located.path)
        except OSError as error:
            raise refusal(error, located.path) from None
        text, _ = decode(data, located.path)
        return Snapshot(located.path, text, content_hash(text), len(data))

    def _kind(self, located: Located) -> tuple[Kind, int | None]:
        if not located.real:
            return "folder", None
        try:
            with self.files.folder(located.real[:-1]) as folder:
                status = folder.stat(located.real[-1])
        except (FileNotFoundError, NotADirectoryError):
            return "missing", None
        except OSError as error:
            raise refusal(error, located.path) from None
        if stat.S_ISDIR(status.st_mode):
            return "folder", None
        return ("file", status.st_size) if stat.S_ISREG(status.st_mode) else ("missing", None)


def _of_buffer(path: str, buffer: Buffer) -> Snapshot:
    size = len(encode(buffer.text, path))
    return Snapshot(path, buffer.text, content_hash(buffer.text), size, buffer.modified)
