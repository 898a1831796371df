"""How a worker process behaves towards the machine: it gives way to the editor, dies first when memory is short, leaves no dumps.

Each of these is a courtesy: where the system refuses one, the process works without it. Knows nothing of what the process does.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

NICENESS = 10
"""With this, the ticks of the server's loop came as punctually as without any guest."""
_OOM_SCORE = 500
_BELOW_NORMAL = 0x4000
_DIE_WITH_PARENT, _NO_NEW_PRIVILEGES = 1, 38


def behave(parent: int) -> None:
    """Take the place of a helper of the process `parent`. Ends the process if that one has died already."""
    # Ctrl-C and a closed terminal are the server's matter: it ends its workers in order.
    for name in ("SIGINT", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.SIG_IGN)
    if sys.platform == "win32":
        with contextlib.suppress(OSError, AttributeError):
            kernel = ctypes.WinDLL("kernel32")
            kernel.SetPriorityClass(ctypes.c_void_p(-1), _BELOW_NORMAL)  # -1: this process
        return
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")
        with contextlib.suppress(OSError, AttributeError):
            system = ctypes.CDLL(None)
            # Comes to a stopped process too. It is about the thread that started this one, which waits for its end.
            system.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
            system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
