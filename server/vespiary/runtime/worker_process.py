"""One worker process: started, listened to, ended and reaped, all away from the event loop.

Knows processes, and how a socket gets to one on each system. Does not know what is said over it. A thread starts the process and
waits for its end (on Linux the process dies with this thread); another reads its stderr. Both tell the loop what happened.
"""

import asyncio
import contextlib
import hmac
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vespiary.model.frames import TOKEN_BYTES, TOKEN_VARIABLE
from vespiary.runtime.worker_command import worker_command, worker_environment
from vespiary.runtime.worker_log import WorkerLog

_SHOW_SECONDS = 2.0
"""How long a connection has to show the token."""
_LOOK_SECONDS = 0.1
"""How often the wait for a connection looks whether the process lives."""

_LAST_WORDS_SECONDS = 0.2
"""How long the end of a process waits for its last words: something that it started may hold its stderr."""


class WorkerProcess:
    """Starts when made. `connected` gives the socket or raises `OSError`; `ended` gives the exit code once it is reaped.

    An exit code below zero is a signal. Both futures belong to the loop that is running now.
    """

    def __init__(self, *, guests: str | None, start_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._guests = guests
        self._start_seconds = start_seconds
        self.connected: asyncio.Future[socket.socket] = self._loop.create_future()
        self.ended: asyncio.Future[int | None] = self._loop.create_future()
        self.pid: int | None = None
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None
        self._reaped = False
        self._unwanted = False
        self._log: WorkerLog | None = None
        self._listener: threading.Thread | None = None
        self._cell = _shared_cell()
        threading.Thread(target=self._live, name="vespiary-worker", daemon=True).start()

    @property
    def last_words(self) -> str:
        """The last line that it wrote to its stderr."""
        return self._log.last if self._log is not None else ""

    def marked(self) -> tuple[int, int]:
        """What the process noted in the memory that it shares: two numbers, 0 and 0 if nothing."""
        if self._cell is None:
            return (0, 0)
        # Read, not mapped: nothing that the process does to it can hurt here.
        with contextlib.suppress(OSError):
            data = os.pread(self._cell, 8, 0)
            if len(data) == 8:
                value = int.from_bytes(data, sys.byteorder)
                return (value >> 32, value & 0xFFFFFFFF)
        return (0, 0)

    def kill(self) -> None:
        """End it now; `ended` tells when it is gone. Any thread, any time."""
        with self._lock:
            self._unwanted = True
            # Not reaped: the number is still its own.
            if self._popen is not None and not self._reaped:
                with contextlib.suppress(OSError):
                    self._popen.kill()

    def forget(self) -> None:
        """Let go of the shared memory, once nobody asks for it any more."""
        cell, self._cell = self._cell, None
        if cell is not None:
            os.close(cell)

    # On the thread

    def _live(self) -> None:
        try:
            popen, connection = self._start()
        except (OSError, ValueError, subprocess.SubprocessError) as error:  # told to whoever waits for the connection
            self._tell(_fail, self.connected, error)
            if self._popen is None:
                self._tell(_settle, self.ended, None)
                return
            popen = self._popen
        else:
            if not self._tell(_hand_over, self.connected, connection):
                connection.close()
            del connection  # the loop's now: once that lets go of it, the process ends
        code = self._reap(popen)
        if self._listener is not None:
            self._listener.join(_LAST_WORDS_SECONDS)
        self._tell(_settle, self.ended, code)

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        shared = [] if self._cell is None else [self._cell]
        settings: dict[str, Any] = {"parent": os.getpid(), "guests": self._guests, "running": self._cell}
        if sys.platform != "win32":
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    settings["socket"] = theirs.fileno()
                    popen = self._popen_of(settings, {}, [*shared, theirs.fileno()])
            except BaseException:
                ours.close()
                raise
            return popen, ours
        with socket.create_server(("127.0.0.1", 0)) as listener:
            token = secrets.token_bytes(TOKEN_BYTES)
            settings["port"] = listener.getsockname()[1]
            popen = self._popen_of(settings, {TOKEN_VARIABLE: token.hex()}, shared)
            return popen, _accept(listener, popen, token, time.monotonic() + self._start_seconds)

    def _popen_of(
        self, settings: dict[str, Any], more: dict[str, str], descriptors: list[int]
    ) -> subprocess.Popen[bytes]:
        popen = subprocess.Popen(
            worker_command(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=Path(sys.executable).parent,  # a folder that nobody wants to remove meanwhile
            env=worker_environment() | more,
            pass_fds=descriptors,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        with self._lock:
            self._popen = popen
            if self._unwanted:
                popen.kill()
        self.pid = popen.pid
        self._log = WorkerLog(popen.pid)
        self._listener = threading.Thread(
            target=_listen, args=(popen, self._log), name="vespiary-worker-stderr", daemon=True
        )
        self._listener.start()
        return popen

    def _reap(self, popen: subprocess.Popen[bytes]) -> int:
        if hasattr(os, "waitid") and hasattr(os, "WNOWAIT"):
            with contextlib.suppress(OSError):
                os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                self._reaped = True
                return popen.wait()
        code = popen.wait()
        with self._lock:
            self._reaped = True
        return code

    def _tell(self, call: Callable[..., object], *args: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return False
        return True


def ending(code: int | None) -> str:
    """How a process with this exit code ended, in words."""
    if code is None:
        return "could not be started"
    if code >= 0 or sys.platform == "win32":
        return f"ended with exit code {code}"
    if -code == getattr(signal, "SIGKILL", None):
        return f"was killed (signal {-code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"crashed (signal {-code})"
    return f"{'was ended' if name in ('SIGTERM', 'SIGHUP', 'SIGINT') else 'crashed'} (signal {-code}, {name})"


def _shared_cell() -> int | None:
    """A descriptor of eight bytes that a process can map; none where there is no such thing."""
    if sys.platform == "win32":
        return None
    try:
        if hasattr(os, "memfd_create"):
            cell = os.memfd_create("vespiary-worker", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                cell = os.dup(file.fileno())
        os.ftruncate(cell, 8)
    except OSError:
        return None
    return cell


def _accept(listener: socket.socket, popen: "subprocess.Popen[bytes]", token: bytes, until: float) -> socket.socket:
    """The connection that shows the token. Others are turned away. Raises `OSError`."""
    listener.settimeout(_LOOK_SECONDS)
    while time.monotonic() < until:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            if popen.poll() is not None:
                raise ConnectionError("the process ended before it connected") from None
            continue
        connection.settimeout(_SHOW_SECONDS)
        with contextlib.suppress(OSError):
            if hmac.compare_digest(_exactly(connection, TOKEN_BYTES), token):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
        connection.close()
    raise TimeoutError("the process did not connect in time")


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


def _listen(popen: "subprocess.Popen[bytes]", log: WorkerLog) -> None:
    assert popen.stderr is not None
    descriptor = popen.stderr.fileno()
    with popen.stderr, contextlib.suppress(OSError):
        while data := os.read(descriptor, 65_536):
            log.feed(data)
    log.end()


def _hand_over(future: "asyncio.Future[socket.socket]", connection: socket.socket) -> None:
    if future.done():
        connection.close()
    else:
        future.set_result(connection)


def _settle(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # it may be that nobody waits
