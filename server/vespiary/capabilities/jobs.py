"""A program and everything that it starts, as one thing that can be ended: what Windows has instead of process groups.

Knows Windows' job objects, through ctypes. Where one cannot be had, there is none, and the caller ends processes one by one. The
system ends what is in a job when its last handle is closed, so also when the host dies in whatever way.
"""

import ctypes
import sys
from typing import Any

_KILL_ON_CLOSE = 0x2000
_EXTENDED_LIMITS = 9
_MAY_JOIN = 0x0100 | 0x0001
"""The rights to put a process into a job: to set its quota and to terminate it."""


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("least_memory", ctypes.c_size_t),
        ("most_memory", ctypes.c_size_t),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
    )


class ExtendedLimits(ctypes.Structure):
    """`JOBOBJECT_EXTENDED_LIMIT_INFORMATION`."""

    _fields_ = (
        ("basic", _BasicLimits),
        ("io", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


class Job:
    """The processes that one program became. Use `Job.of`."""

    def __init__(self, kernel: Any, handle: int) -> None:
        self._kernel = kernel
        self._handle: int | None = handle

    @classmethod
    def of(cls, pid: int, kernel: Any = None) -> "Job | None":
        """A job with the process, which has only just been started; what it starts from now on belongs to the job too.

        None where there are no jobs, or this one cannot be had. `kernel` is for tests.
        """
        kernel = kernel or _kernel()
        if kernel is None:
            return None
        handle = kernel.CreateJobObjectW(None, None)
        if not handle:
            return None
        job = cls(kernel, handle)
        limits = ExtendedLimits()
        limits.basic.flags = _KILL_ON_CLOSE
        if kernel.SetInformationJobObject(
            handle, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
        ) and job._take(pid):
            return job
        job.end()
        return None

    def _take(self, pid: int) -> bool:
        process = self._kernel.OpenProcess(_MAY_JOIN, 0, pid)
        if not process:
            return False
        try:
            return bool(self._kernel.AssignProcessToJobObject(self._handle, process))
        finally:
            self._kernel.CloseHandle(process)

    def end(self) -> None:
        """End all that is in the job, and let go of it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._kernel.TerminateJobObject(handle, 1)
            self._kernel.CloseHandle(handle)


def _kernel() -> Any:
    if sys.platform != "win32":
        return None
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    handle, number = ctypes.c_void_p, ctypes.c_uint32
    # Without these, handles would be cut to 32 bits.
    for name, result, arguments in (
        ("CreateJobObjectW", handle, (handle, ctypes.c_wchar_p)),
        ("SetInformationJobObject", ctypes.c_int, (handle, ctypes.c_int, handle, number)),
        ("OpenProcess", handle, (number, ctypes.c_int, number)),
        ("AssignProcessToJobObject", ctypes.c_int, (handle, handle)),
        ("TerminateJobObject", ctypes.c_int, (handle, ctypes.c_uint)),
        ("CloseHandle", ctypes.c_int, (handle,)),
    ):
        function = getattr(kernel, name)
        function.restype, function.argtypes = result, arguments
    return kernel
