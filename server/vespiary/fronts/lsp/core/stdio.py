"""The connection over standard input and output. Knows file descriptors and what each system can do with them.

Both descriptors are taken away from everybody else: whatever the process or a library prints goes to stderr, and a child that
reads its standard input reads nothing. asyncio watches pipes and sockets; what it cannot watch (files, terminals, /dev/null,
everything on Windows), and what shares its open file with stderr (non-blocking mode would leak there), is read and written by
threads of its own.
"""

import asyncio
import contextlib
import os
import stat
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from vespiary.fronts.lsp.core.server import Server
from vespiary.fronts.lsp.core.session import Session
from vespiary.fronts.lsp.core.watch import watch_process, when_told_to_go
from vespiary.fronts.lsp.core.writing import Sink, ThreadSink, TransportSink

CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Channel:
    """The descriptors that carry the protocol."""

    source: int
    target: int


def take_over() -> Channel:
    """Take standard input and output for the protocol alone."""
    sys.stdout.flush()
    source, target = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    try:
        os.dup2(2, 1)
    except OSError:  # There is no stderr.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
    if sys.platform == "win32":
        import msvcrt

        for fd in (source, target):
            msvcrt.setmode(fd, os.O_BINARY)
    return Channel(source, target)


async def serve_stdio(
    make_server: Callable[[], Server], channel: Channel | None = None, ended: Callable[[int], None] | None = None
) -> int:
    """Serve one client until it leaves. Gives the exit code: 0 after `shutdown`, else 1.

    `ended` is told the exit code as soon as the client is gone, while the tasks of the server are still being put away.
    """
    channel = channel or take_over()
    session = Session(make_server(), ended=ended)
    when_told_to_go(session.eof)
    session.server.watch_parent_with(lambda pid: watch_process(pid, session.eof))
    restore: list[Callable[[], None]] = []

    async def connect(session: Session) -> Sink:
        sink = await _output(channel.target, session, restore)
        await _input(channel.source, session, restore)
        return sink

    try:
        return await session.run(connect)
    finally:
        for undo in restore:
            with contextlib.suppress(OSError):
                undo()


async def _input(fd: int, session: Session, restore: list[Callable[[], None]]) -> None:
    if not _watchable(fd):
        _read_in_thread(fd, session)
        return
    restore.append(lambda: os.set_blocking(fd, True))
    loop = asyncio.get_running_loop()
    copy = os.fdopen(os.dup(fd), "rb", buffering=0)  # The transport closes what it is given.
    await loop.connect_read_pipe(lambda: _Input(session), copy)


async def _output(fd: int, session: Session, restore: list[Callable[[], None]]) -> Sink:
    if not _watchable(fd):
        return ThreadSink(fd, session.eof)
    restore.append(lambda: os.set_blocking(fd, True))
    loop = asyncio.get_running_loop()
    copy = os.fdopen(os.dup(fd), "wb", buffering=0)
    _, sink = await loop.connect_write_pipe(lambda: TransportSink(session.eof), copy)
    return sink


class _Input(asyncio.Protocol):
    def __init__(self, session: Session) -> None:
        self._session = session

    def data_received(self, data: bytes) -> None:
        self._session.data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.eof()


def _watchable(fd: int) -> bool:
    """Whether asyncio can watch the descriptor without harm to stderr."""
    if sys.platform == "win32":
        return False
    mine = os.fstat(fd)
    if not (stat.S_ISFIFO(mine.st_mode) or stat.S_ISSOCK(mine.st_mode)):
        return False
    try:
        theirs = os.fstat(2)
    except OSError:
        return True
    return (mine.st_dev, mine.st_ino) != (theirs.st_dev, theirs.st_ino)


def _read_in_thread(fd: int, session: Session) -> None:
    loop = asyncio.get_running_loop()

    def run() -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody listens any more.
            try:
                while data := os.read(fd, CHUNK):
                    loop.call_soon_threadsafe(session.data, data)
            except OSError:
                pass
            loop.call_soon_threadsafe(session.eof)

    threading.Thread(target=run, name="vespiary-stdin", daemon=True).start()
