"""Running one program to its end, whatever it does: floods, hangs, leaves children behind.

Knows processes and process groups of the three systems. Knows nothing of actors, grants or the workspace. A program gets no input
and a group of its own; when it has ended, timed out or been cancelled, what is left of its group is ended too.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio
from anyio.abc import ByteReceiveStream, Process

from vespiary.capabilities.output import HeadTail

TERM_GRACE = 0.4
"""Seconds from the polite signal to the one that cannot be ignored. A cancelled run ends within a second."""
OUTPUT_GRACE = 0.5
"""Seconds that output may still come in after the program's end, from something that holds its pipes."""
REAP_GRACE = 2.0
"""Seconds to wait for a killed process to be gone."""

_living: set[int] = set()
"""Groups to be ended when the host exits."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, and what it said."""

    status: Literal["exited", "signaled", "timed-out", "failed-to-start"]
    stdout: str = ""
    stderr: str = ""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    code: int | None = None
    signal: str | None = None
    reason: str | None = None
    duration_ms: int = 0


async def run_program(
    command: Sequence[str] | str,
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    cap: int,
    clock: Callable[[], float] = time.monotonic,
) -> Finished:
    """Run a program; a `str` is a line for the system's shell. `timeout` is in seconds, `cap` in bytes per stream.

    Never raises for what the program does. When cancelled, the program's group is ended before the cancellation goes on.
    """
    begun = clock()
    try:
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env,
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
            | getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, ValueError) as error:
        return Finished("failed-to-start", reason=_why(error), duration_ms=_ms(clock() - begun))
    _living.add(process.pid)
    out, err = HeadTail(cap), HeadTail(cap)
    timed_out = True
    try:
        async with anyio.create_task_group() as readers:
            if process.stdout is not None:
                readers.start_soon(_drain, process.stdout, out)
            if process.stderr is not None:
                readers.start_soon(_drain, process.stderr, err)
            with anyio.move_on_after(timeout):
                await process.wait()
                timed_out = False
            if timed_out:
                await _end(process)
            else:
                _signal(process, kill=True)  # what it left behind in its group
            readers.cancel_scope.deadline = anyio.current_time() + OUTPUT_GRACE
    finally:
        await _finish(process)
    ended = _ended(process.returncode) if not timed_out else Finished("timed-out")
    return Finished(
        status=ended.status,
        stdout=out.text(),
        stderr=err.text(),
        stdout_truncated=out.truncated,
        stderr_truncated=err.truncated,
        code=ended.code,
        signal=ended.signal,
        duration_ms=_ms(clock() - begun),
    )


async def _drain(stream: ByteReceiveStream, into: HeadTail) -> None:
    """Read to the end, for a writer must never block or find its pipe closed."""
    with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            into.add(await stream.receive(65536))


async def _finish(process: Process) -> None:
    """End whatever still runs and let go of the process. Not interrupted by a cancellation, but bounded."""
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            await _end(process)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(anyio.get_cancelled_exc_class()):
                    await stream.aclose()
    _living.discard(process.pid)


async def _end(process: Process) -> None:
    """Ask the group to end, then end it."""
    _signal(process, kill=False)
    with anyio.move_on_after(TERM_GRACE, shield=True):
        await process.wait()
    _signal(process, kill=True)
    with anyio.move_on_after(REAP_GRACE, shield=True):
        await process.wait()


def _signal(process: Process, *, kill: bool) -> None:
    if os.name == "nt":
        if process.returncode is None and kill:
            _end_tree(process.pid)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        if not kill:
            os.killpg(process.pid, signal.SIGCONT)  # a stopped process acts on its signals only then


def _end_tree(pid: int) -> None:
    """End a process and its descendants on Windows, which has no process groups to signal."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        system = os.environ.get("SYSTEMROOT", r"C:\Windows")
        taskkill = str(Path(system, "System32", "taskkill.exe"))
        subprocess.run([taskkill, "/T", "/F", "/PID", str(pid)], capture_output=True, timeout=5, check=False)


@atexit.register
def _end_all() -> None:
    for pid in tuple(_living):
        if os.name == "nt":
            _end_tree(pid)
        else:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)


def _ended(code: int | None) -> Finished:
    if code is not None and code < 0 and os.name != "nt":
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Finished("signaled", signal=name)
    return Finished("exited", code=code)


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "There is no such program."
    if isinstance(error, PermissionError):
        return "It is not a program that may be run."
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
