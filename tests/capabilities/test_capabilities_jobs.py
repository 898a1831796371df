"""Windows' jobs. The order of the calls is shown with a kernel of our own, the effect on Windows alone."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from vespiary.capabilities.jobs import ExtendedLimits, Job
from vespiary.capabilities.processes import run_program


class Kernel:
    """Writes down what it is asked, and does not do what is in `fails`."""

    def __init__(self, *fails: str) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._fails = fails

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            self.calls.append((name, *arguments))
            if name in self._fails:
                return 0
            return {"CreateJobObjectW": 7, "OpenProcess": 8}.get(name, 1)

        return call

    def names(self) -> list[str]:
        return [name for name, *_ in self.calls]


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the layout of 64 bits")
def test_the_limits_of_a_job_have_the_layout_that_windows_knows() -> None:
    assert ctypes.sizeof(ExtendedLimits) == 144
    assert (ExtendedLimits.io.offset, ExtendedLimits.process_memory.offset) == (64, 112)


def test_a_process_is_put_into_a_job_that_is_ended_once() -> None:
    kernel = Kernel()
    job = Job.of(42, kernel)
    assert job is not None
    assert kernel.names() == [
        "CreateJobObjectW",
        "SetInformationJobObject",
        "OpenProcess",
        "AssignProcessToJobObject",
        "CloseHandle",
    ]
    assert kernel.calls[2][-1] == 42
    assert kernel.calls[3:] == [("AssignProcessToJobObject", 7, 8), ("CloseHandle", 8)]
    del kernel.calls[:]
    job.end()
    job.end()
    assert kernel.calls == [("TerminateJobObject", 7, 1), ("CloseHandle", 7)]


@pytest.mark.parametrize(
    "fails", ["CreateJobObjectW", "SetInformationJobObject", "OpenProcess", "AssignProcessToJobObject"]
)
def test_where_a_job_cannot_be_had_there_is_none_and_nothing_is_kept_open(fails: str) -> None:
    kernel = Kernel(fails)
    assert Job.of(42, kernel) is None
    opened = {handle for name, handle in (("CreateJobObjectW", 7), ("OpenProcess", 8)) if name in kernel.names()}
    closed = {handle for name, *rest in kernel.calls if name == "CloseHandle" for handle in rest}
    assert closed == opened - {7 if fails == "CreateJobObjectW" else 8 if fails == "OpenProcess" else None}


@pytest.mark.skipif(sys.platform == "win32", reason="there are jobs")
def test_elsewhere_there_are_no_jobs() -> None:
    assert Job.of(42) is None


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "win32", reason="needs jobs")
async def test_what_a_program_left_behind_ends_with_it(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    child = f"import time, pathlib\nwhile True: pathlib.Path({str(beat)!r}).touch(); time.sleep(0.02)"
    parent = (
        f"import subprocess, sys, pathlib, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"while not pathlib.Path({str(beat)!r}).exists(): time.sleep(0.01)"
    )
    ended = await run_program([sys.executable, "-c", parent], cwd=tmp_path, env=os.environ, timeout=20, cap=1000)
    assert ended.status == "exited"
    beat.unlink()
    await anyio.sleep(0.5)  # what does not happen cannot be waited for
    assert not beat.exists()
