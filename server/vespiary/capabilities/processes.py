"""Running one program to its end, whatever it does: floods, hangs, leaves children behind.

Knows processes and process groups of the three systems. Knows nothing of actors, grants or the workspace. A program gets no input
and a group of its own; when it has ended, timed out or been cancelled, what is left of its group is ended too.

Built on asyncio's transports, because anyio's processes have no way to let go of a pipe that somebody else still holds.
"""

import asyncio
import atexit
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio

from vespiary.capabilities.jobs import Job
from vespiary.capabilities.lifeline import Lifeline
from vespiary.capabilities.output import HeadTail

TERM_GRACE = 0.4
"""Seconds from the polite signal to the one that cannot be ignored. A cancelled run ends within a second."""
OUTPUT_GRACE = 0.5
"""Seconds that output may still come in after the program's end, from something that holds its pipes."""
REAP_GRACE = 2.0
"""Seconds to wait for a killed process to be gone."""

_living: set[int] = set()
"""Groups to be ended when the host exits."""
_lifeline = Lifeline()
"""Ends them when the host cannot."""


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
    feed: bytes | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Finished:
    """Run a program; a `str` is a line for the system's shell. `timeout` is in seconds, `cap` in bytes per stream.

    `feed` is its input; without it there is none. Never raises for what the program does. When cancelled, the program's group is
    ended before the cancellation goes on.
    """
    begun = clock()
    watch = _Watch(cap)
    try:
        with _lifeline.starting() as start:
            transport = await _start(watch, command, cwd=cwd, env=start.environment(env), fed=feed is not None)
            start.became(transport.get_pid())
    except (OSError, ValueError) as error:
        return Finished("failed-to-start", reason=_why(error), duration_ms=_ms(clock() - begun))
    pid = transport.get_pid()
    watch.job = Job.of(pid)
    _living.add(pid)
    try:
        stdin = transport.get_pipe_transport(0)
        if feed is not None and isinstance(stdin, asyncio.WriteTransport):
            stdin.write(feed)
            stdin.write_eof() if stdin.can_write_eof() else stdin.close()
        with anyio.move_on_after(timeout) as waiting:
            await watch.exited.wait()
        if waiting.cancelled_caught:
            await _end(pid, watch)
        _signal(pid, watch, kill=True)  # what it left behind in its group
        with anyio.move_on_after(OUTPUT_GRACE):
            await watch.silent.wait()
    finally:
        if not watch.exited.is_set():
            await _end(pid, watch)
        _signal(pid, watch, kill=True)
        transport.close()
        _living.discard(pid)
        _lifeline.remove(pid)
    ended = Finished("timed-out") if waiting.cancelled_caught else _ended(transport.get_returncode())
    return Finished(
        status=ended.status,
        stdout=watch.out.text(),
        stderr=watch.err.text(),
        stdout_truncated=watch.out.truncated,
        stderr_truncated=watch.err.truncated,
        code=ended.code,
        signal=ended.signal,
        duration_ms=_ms(clock() - begun),
    )


class _Watch(asyncio.SubprocessProtocol):
    """Hears what a program says, as it says it: a writer never blocks and never finds its pipe closed."""

    def __init__(self, cap: int) -> None:
        self.out, self.err = HeadTail(cap), HeadTail(cap)
        self.exited, self.silent = anyio.Event(), anyio.Event()
        self._talking = {1, 2}
        self.job: Job | None = None

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        (self.out if fd == 1 else self.err).add(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._talking.discard(fd)
        if not self._talking:
            self.silent.set()

    def process_exited(self) -> None:
        self.exited.set()


async def _start(
    watch: _Watch, command: Sequence[str] | str, *, cwd: Path, env: Mapping[str, str], fed: bool
) -> asyncio.SubprocessTransport:
    options: dict[str, Any] = {
        "stdin": subprocess.PIPE if fed else subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "cwd": cwd,
        "env": env,
        "start_new_session": os.name != "nt",
        "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        | getattr(subprocess, "CREATE_NO_WINDOW", 0),
    }
    loop = asyncio.get_running_loop()
    with anyio.CancelScope(shield=True):  # what has been started must be known, or nobody would end it
        if isinstance(command, str):
            transport, _ = await loop.subprocess_shell(lambda: watch, command, **options)
        else:
            transport, _ = await loop.subprocess_exec(lambda: watch, *command, **options)
        return transport
    raise AssertionError("a shielded scope that nobody cancels was left early")


async def _end(pid: int, watch: _Watch) -> None:
    """Ask the group to end, then end it. Not interrupted by a cancellation, but bounded."""
    _signal(pid, watch, kill=False)
    with anyio.move_on_after(TERM_GRACE, shield=True):
        await watch.exited.wait()
    _signal(pid, watch, kill=True)
    with anyio.move_on_after(REAP_GRACE, shield=True):
        await watch.exited.wait()


def _signal(pid: int, watch: _Watch, *, kill: bool) -> None:
    if os.name == "nt":
        if kill and watch.job is not None:
            watch.job.end()
        elif kill and not watch.exited.is_set():
            _end_tree(pid)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL if kill else signal.SIGTERM)
        if not kill:
            os.killpg(pid, signal.SIGCONT)  # a stopped process acts on its signals only then


def _end_tree(pid: int) -> None:
    """End a process and its descendants on Windows, where no job holds them."""
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
        _lifeline.remove(pid)
    _lifeline.close()


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
