"""Noticing the end: that the client's process has died (in case its pipes live on in a child of it), or that we are told to go.

Knows processes of each system; does not know what is done about it. A pid that names no process when it is told belongs to another
machine or container, and is not watched.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable

logger = logging.getLogger("vespiary.lsp")

POLL_SECONDS = 2.0


def watch_process(pid: int, died: Callable[[], None]) -> None:
    """Call `died` once, on the loop, when the process ends: at once where the system tells, else within two seconds."""
    if pid <= 0 or pid == os.getpid():
        return
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        try:
            fd = os.pidfd_open(pid)
        except (ProcessLookupError, OverflowError):  # The latter: more than any process has for a number here.
            logger.info("The client's process %s is not on this machine and is not watched", pid)
            return
        except OSError:
            pass  # An old kernel, or a sandbox without the call.
        else:
            _wait(fd, died)
            return
    alive = _windows_probe(pid) if sys.platform == "win32" else _posix_probe(pid)
    if alive is None or not alive():
        logger.info("The client's process %s is not on this machine and is not watched", pid)
        return
    _poll(alive, died)


def when_told_to_go(go: Callable[[], None]) -> None:
    """Call `go` on the loop for the signals that ask a process to end. Where the loop cannot take signals, they do what they do."""
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(getattr(signal, name), go)


def _wait(fd: int, died: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        died()

    loop.add_reader(fd, ended)


def _poll(alive: Callable[[], bool], died: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()

    def look() -> None:
        if alive():
            loop.call_later(POLL_SECONDS, look)
        else:
            died()

    loop.call_later(POLL_SECONDS, look)


def _posix_probe(pid: int) -> Callable[[], bool]:
    def alive() -> bool:
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except OSError:
            return True  # It is somebody else's, but it is there.
        return True

    return alive


def _windows_probe(pid: int) -> Callable[[], bool] | None:
    if sys.platform != "win32":
        return None
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    synchronize, timeout = 0x00100000, 0x00000102
    handle = kernel.OpenProcess(synchronize, False, pid)
    if not handle:
        return None
    return lambda: kernel.WaitForSingleObject(handle, 0) == timeout
