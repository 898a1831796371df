"""What a sandbox cannot do, said in Python's own exceptions with a way out, instead of a trap that kills the actor.

Files, processes, threads, sockets, terminals, waiting. Libraries that probe for them find them missing and go on.
"""

import asyncio
import builtins
import errno
import importlib
import io
import json
import linecache
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

_FILES = "An actor has no files. Use `await workspace.read(path)` and its siblings."
_PROCESSES = "An actor cannot start programs. Use `await command.run(program, args)`."
_NOBODY = "Nothing could end this wait: an actor has no threads. Use Lock, Event or Queue of asyncio and `await`."
_NETWORK = "An actor has no network. Use `await http.request(url)`."

_FILE_CALLS = """
access chdir chmod chown close close_range closerange copy_file_range dup dup2 fchdir fchmod fchown fdatasync
fdopen fpathconf fstat fstatvfs fsync ftruncate futimens getcwdb isatty lchown link listdir lockf lseek lstat
makedirs mkdir mkfifo mknod open pathconf pipe pipe2 posix_fadvise posix_fallocate pread preadv pwrite pwritev
read readinto readlink readv remove removedirs rename renames replace rmdir scandir sendfile set_blocking stat
statvfs symlink sync truncate ttyname umask unlink utime walk fwalk write writev get_blocking get_inheritable
set_inheritable get_terminal_size
"""
_PROCESS_CALLS = """
execl execle execlp execlpe execv execve execvp execvpe fork forkpty kill killpg popen posix_spawn
posix_spawnp register_at_fork spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe startfile system
wait wait3 wait4 waitid waitpid
"""

_NETWORK_CALLS = """
create_connection create_server socketpair fromfd getaddrinfo gethostbyname gethostbyname_ex gethostbyaddr gethostname
getfqdn getnameinfo
"""


MAX_JSON_DEPTH = 500
"""Python's JSON reader recurses in C; in WebAssembly it would run out of stack at about twice this."""

_NO_BRACKETS = re.compile(r"[^][{}]+")


def install() -> None:
    """Put all guards up. Called once, while the component is built. `posix` stays as it is: imports still need it then."""
    _guard_files()
    _guard_processes()
    _guard_waiting()
    _guard_network()
    _guard_terminal()
    _guard_depth()
    # Lines of tracebacks come from memory; there is nothing to check them against.
    linecache.checkcache = lambda filename=None: None
    linecache.updatecache = lambda filename, module_globals=None: []  # pyright: ignore[reportAttributeAccessIssue]


def _refuse(error: Callable[[], BaseException]) -> Callable[..., NoReturn]:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise error()

    return refuse


def _guard_files() -> None:
    refuse = _refuse(lambda: PermissionError(errno.EPERM, _FILES))
    builtins.open = refuse
    io.open = refuse
    io.open_code = refuse
    _replace("os", _FILE_CALLS.split(), refuse)
    _replace("io", ["FileIO"], refuse)
    os.getcwd = lambda: "/"


def _guard_processes() -> None:
    refuse = _refuse(lambda: PermissionError(errno.EPERM, _PROCESSES))
    _replace("os", _PROCESS_CALLS.split(), refuse)
    os.system = refuse  # missing in WebAssembly
    _replace("subprocess", ["Popen"], refuse)
    _replace("multiprocessing", ["Process", "Pool"], refuse)

    _replace("os", ["_exit", "abort"], _refuse(lambda: SystemExit("os._exit and os.abort")))


def _guard_waiting() -> None:
    time.sleep = _refuse(
        lambda: RuntimeError(
            "time.sleep would stop everything. Use `await sleep(seconds)` from vespiary_sdk or asyncio."
        )
    )
    threads = _refuse(
        lambda: RuntimeError("can't start new thread: an actor has none. Use `async def` and asyncio.gather.")
    )
    threading.Thread.start = threads
    _replace("_thread", ["start_new_thread", "start_new", "start_joinable_thread"], threads)
    loops = _refuse(
        lambda: RuntimeError("A handler already runs in an event loop. Make it `async def` and use `await`.")
    )
    for name in ("run", "new_event_loop", "Runner"):
        setattr(asyncio, name, loops)
    _replace("asyncio.runners", ["run", "Runner"], loops)
    _replace("asyncio.events", ["new_event_loop"], loops)
    _guard_locks()
    _replace("select", ["select", "poll", "epoll", "kqueue"], _refuse(lambda: OSError(errno.EPERM, _NETWORK)))
    _replace("signal", ["alarm", "pause", "raise_signal", "setitimer", "sigwait"], loops)


class _Lock:
    """`threading.Lock` where nobody else could release it: what would wait for ever, and end the actor, is an error."""

    def __init__(self) -> None:
        self._held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As of a lock."""
        if self._held and blocking and timeout != 0:
            raise RuntimeError(_NOBODY)
        free, self._held = not self._held, True
        return free

    def release(self) -> None:
        """As of a lock."""
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held = False

    def locked(self) -> bool:
        """As of a lock."""
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


def _guard_locks() -> None:
    plain = threading.Condition.wait

    def wait(self: threading.Condition, timeout: float | None = None) -> bool:
        if timeout is None or timeout > 0:
            raise RuntimeError(_NOBODY)
        return plain(self, timeout)

    # Events, semaphores, barriers, queues and the futures of `concurrent` all wait with it.
    threading.Condition.wait = wait
    threading.Lock = _Lock  # pyright: ignore[reportAttributeAccessIssue]
    queue.SimpleQueue = queue._PySimpleQueue  # pyright: ignore[reportAttributeAccessIssue] - the other one waits in C


def _guard_network() -> None:
    refuse = _refuse(lambda: PermissionError(errno.EPERM, _NETWORK))
    for module in ("socket", "_socket"):
        _replace(module, _NETWORK_CALLS.split(), refuse)
    socket = sys.modules.get("socket")
    if socket is not None:
        socket.socket.__init__ = refuse  # pyright: ignore[reportAttributeAccessIssue] - stays a class for isinstance


def _guard_terminal() -> None:
    builtins.input = _refuse(
        lambda: EOFError("An actor has no terminal to read from. People talk to agents by messages.")
    )
    sys.breakpointhook = _refuse(
        lambda: RuntimeError("An actor has no debugger. Run its class natively with vespiary_sdk.testing.FakeHost.")
    )


def _replace(module: str, names: Iterable[str], value: Any) -> None:
    try:
        found = importlib.import_module(module)
    except ImportError:
        return
    for name in names:
        if hasattr(found, name):
            setattr(found, name, value)


def _guard_depth() -> None:
    plain = json.JSONDecoder.raw_decode

    def raw_decode(self: json.JSONDecoder, s: str, idx: int = 0) -> tuple[Any, int]:
        if s.count("[", idx) + s.count("{", idx) > MAX_JSON_DEPTH and too_deep(s[idx:]):
            raise json.JSONDecodeError(f"Nested more than {MAX_JSON_DEPTH} deep", s, idx)
        return plain(self, s, idx)

    json.JSONDecoder.raw_decode = raw_decode


def too_deep(text: str) -> bool:
    """Whether the brackets of a JSON text, well-formed or not, go deeper than the limit."""
    # Without escapes, every second piece between quotes is a string. (A pattern for strings would run out of memory on long ones.)
    outside = text.replace("\\\\", "").replace('\\"', "").split('"')[::2]
    brackets = _NO_BRACKETS.sub("", "".join(outside))
    for _ in range(MAX_JSON_DEPTH):
        # Each round takes the innermost pairs away.
        rest = brackets.replace("[]", "").replace("{}", "")
        if len(rest) == len(brackets):
            break
        brackets = rest
    return len(brackets) > MAX_JSON_DEPTH or "[]" in brackets or "{}" in brackets
