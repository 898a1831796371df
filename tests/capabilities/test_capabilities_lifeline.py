"""Programs do not outlive a host that is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.abc
import pytest
from ledger import requirement
from support.processes import STUBBORN, alive, gone, pids
from vespiary.capabilities.lifeline import Lifeline

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name == "nt", reason="process groups of POSIX")]

HOST = f"""
import os, sys, anyio
from pathlib import Path
from vespiary.capabilities import processes

async def main():
    done = await processes.run_program([sys.executable, "-c", ""], cwd=Path("."), env=os.environ, timeout=60, cap=10)
    assert done.code == 0
    async with anyio.create_task_group() as group:
        command = [sys.executable, "-c", {STUBBORN!r}]
        group.start_soon(lambda: processes.run_program(command, cwd=Path("."), env=os.environ, timeout=60, cap=10))
        while not os.path.exists("pids"):
            await anyio.sleep(0.01)
        print(processes._lifeline.pid, flush=True)
        if sys.argv[1] == "stay":
            await anyio.sleep(60)
        group.cancel_scope.cancel()

anyio.run(main)
"""


async def host(root: Path, *args: str) -> "anyio.abc.Process":
    return await anyio.open_process([sys.executable, "-c", HOST, *args], cwd=root, stderr=None)


@requirement("command:killed-host")
async def test_a_killed_host_takes_its_commands_and_the_watcher_with_it(root: Path) -> None:
    async with await host(root, "stay") as process:
        assert process.stdout is not None
        watcher = int(await process.stdout.receive())
        found = await pids(root)
        assert alive(watcher)
        assert all(map(alive, found))
        process.send_signal(signal.SIGKILL)
        await process.wait()
        for pid in (*found, watcher):
            await gone(pid)


@requirement("command:killed-host")
async def test_a_host_that_ends_leaves_no_watcher(root: Path) -> None:
    async with await host(root, "leave") as process:
        assert process.stdout is not None
        watcher = int(await process.stdout.receive())
        assert await process.wait() == 0
    for pid in (*await pids(root), watcher):
        await gone(pid)


@contextmanager
def sleeper() -> Generator[int]:
    """A program in a group of its own."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def add(lifeline: Lifeline, group: int) -> None:
    with lifeline.starting() as start:
        start.became(group)


@requirement("command:killed-host")
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_program_that_was_just_being_started_is_found() -> None:
    lifeline = Lifeline()
    with lifeline.starting() as failed:
        pass
    code = "import time; time.sleep(60)"
    with lifeline.starting() as start:
        found: list[subprocess.Popen[bytes]] = []
        for mark in (start, failed):
            env = {**mark.environment(os.environ)}
            found.append(subprocess.Popen([sys.executable, "-c", code], env=env, start_new_session=True))  # noqa: ASYNC220
        lifeline.close()
        await gone(found[0].pid)
        assert alive(found[1].pid)
    found[1].kill()
    for process in found:
        process.wait()
    lifeline.close()


@requirement("command:killed-host")
async def test_only_groups_that_still_live_are_ended() -> None:
    lifeline = Lifeline()
    with sleeper() as first, sleeper() as second, sleeper() as third:
        for pid in (first, second, third):
            add(lifeline, pid)
        lifeline.remove(second)
        lifeline.remove(second)
        lifeline.close()
        await gone(first)
        await gone(third)
        assert alive(second)


@requirement("command:killed-host")
async def test_a_watcher_that_was_ended_is_replaced_with_the_next_program() -> None:
    lifeline = Lifeline()
    assert lifeline.pid is None
    with sleeper() as first, sleeper() as second:
        add(lifeline, first)
        watcher = lifeline.pid
        assert watcher is not None
        os.kill(watcher, signal.SIGKILL)
        await gone(watcher)
        add(lifeline, second)
        assert lifeline.pid not in (None, watcher)
        lifeline.close()
        assert lifeline.pid is None
        await gone(first)
        await gone(second)


@requirement("command:killed-host")
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_watcher_holds_none_of_the_host_s_streams() -> None:
    lifeline = Lifeline()
    with sleeper() as pid:
        add(lifeline, pid)
        folder = Path(f"/proc/{lifeline.pid}/fd")
        found = {int(name): os.readlink(folder / name) for name in os.listdir(folder)}  # noqa: PTH115, PTH208
        lifeline.close()
    assert found.pop(0).startswith("pipe:")
    assert found.pop(1) == found.pop(2) == os.devnull
    assert found == {}
