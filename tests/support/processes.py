"""Processes that are hard to end, and whether they ended."""

import os
import subprocess
import sys
from pathlib import Path

import anyio

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])  # inherits what is ignored
with open("pids.new", "w", encoding="ascii") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename("pids.new", "pids")
time.sleep(60)
"""


async def pids(root: Path) -> list[int]:
    """The processes that `STUBBORN` became in that folder, once there are both."""
    with anyio.fail_after(10):
        while not (root / "pids").exists():  # noqa: ASYNC110 - a file is all that the child can give
            await anyio.sleep(0.01)
    return [int(pid) for pid in (root / "pids").read_text(encoding="utf-8").split()]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has reaped yet does not."""
    try:
        os.kill(pid, 0)
        if sys.platform == "linux":
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].strip()
        else:
            state = subprocess.run(
                ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False
            ).stdout.decode()
    except OSError:
        return False
    return state[:1] not in ("", "Z")


async def gone(pid: int) -> None:
    """Until a process has ended."""
    with anyio.fail_after(5):
        while alive(pid):  # noqa: ASYNC110 - nothing tells of the end of somebody else's child
            await anyio.sleep(0.01)
