"""What a worker process is to the machine that it runs on: modest, without secrets, connected to nothing but its server."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from ledger import requirement
from support.shards import working
from support.worker_guests import ONE, TWO, descriptors, proc, said, steps, tell, wait_gone
from vespiary.runtime.worker_command import module_path, worker_environment
from vespiary.runtime.worker_log import LINES, MAX_LINE, SPAN, WorkerLog

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at a process through /proc"),
]


@requirement("worker:no-secrets")
async def test_the_environment_of_a_worker_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "PYTHONPATH",
        "LD_PRELOAD",
        "PYTHONSTARTUP",
    ):
        monkeypatch.setenv(name, "/secret")
    monkeypatch.setenv("VESPIARY_CACHE_DIR", "some/cache")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    async with working() as (shard, _):
        seen = json.loads(said(await shard.run(steps((ONE, tell("environment")))))[0])
        started_with = proc(shard.pid, "environ")
        command = proc(shard.pid, "cmdline")
    assert b"/secret" not in started_with + command
    assert "/secret" not in seen.values()
    assert seen["VESPIARY_CACHE_DIR"] == worker_environment()["VESPIARY_CACHE_DIR"] != "some/cache"
    assert seen["LC_ALL"] == "C.UTF-8"
    assert set(seen) <= {*worker_environment(), "VESPIARY_CACHE_DIR", "LC_ALL"}


@requirement("worker:modest")
async def test_a_worker_gives_way_and_dies_first_and_leaves_no_core() -> None:
    async with working() as (shard, _):
        assert shard.pid is not None
        niceness = os.getpriority(os.PRIO_PROCESS, shard.pid)
        assert niceness == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
        score = int(proc(shard.pid, "oom_score_adj"))
        assert score > int(proc(os.getpid(), "oom_score_adj"))
        limits = proc(shard.pid, "limits").decode()
        assert next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4:6] == ["0", "0"]
        status = proc(shard.pid, "status").decode()
        assert "NoNewPrivs:\t1" in status


@requirement("worker:ctrl-c")
async def test_a_worker_does_not_hear_ctrl_c() -> None:
    async with working() as (shard, _):
        assert shard.pid is not None
        os.kill(shard.pid, signal.SIGINT)
        os.kill(shard.pid, signal.SIGHUP)
        assert not wait_gone(shard.pid, 0.1)
        assert said(await shard.run(steps((TWO, tell("a"))))) == ["a"]


@requirement("worker:descriptors")
async def test_a_worker_has_no_descriptor_that_it_was_not_given(tmp_path: Path) -> None:
    with (tmp_path / "open").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        async with working() as (shard, _), working() as (other, _):
            for each in (shard, other):
                found = descriptors(each.pid)
                assert found.pop("0") == found.pop("1") == "/dev/null"
                assert found.pop("2").startswith("pipe:")
                # The second is where it notes which step it runs.
                assert sorted(name.split(":")[0] for name in found.values()) == ["/memfd", "socket"]


async def test_nothing_is_left_open_here_once_workers_are_gone() -> None:
    async def once() -> None:
        async with working() as (shard, _):
            process = shard._link and shard._link.process
            assert process is not None
        assert process._listener is not None
        process._listener.join()

    await once()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        await once()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@requirement("worker:two-threads")
async def test_a_worker_has_a_thread_for_guests_and_one_that_reads() -> None:
    async with working() as (shard, _):
        assert json.loads(said(await shard.run(steps((ONE, tell("threads")))))[0]) == ["MainThread", "vespiary-reader"]


def test_modules_come_from_where_the_server_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = str(Path(__file__).parents[2] / "server")
    assert home in module_path()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), "relative", "/some/packages"])
    assert module_path() == [home, str(tmp_path / "relative"), "/some/packages"]
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", ["", "/some/packages", home])
    assert module_path() == ["/some/packages", home]


@requirement("worker:stderr")
def test_a_log_keeps_lines_and_bounds_them(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = WorkerLog(7, clock=lambda: now)
    for part in (b"fir", b"st\nsecond\n\nthi", b"x" * 2 * MAX_LINE, b"y" * 10, b"\nlast"):
        log.feed(part)
    log.end()
    lines = [record.getMessage().removeprefix("Worker process 7: ") for record in caplog.records]
    assert lines == ["first", "second", "thi" + "x" * (MAX_LINE - 3), "last"]
    caplog.clear()
    log.feed(b"a\n" * LINES)
    log.feed(b"b\n" * 1000)
    assert log.last == "b"
    now = SPAN
    log.feed(b"c\n")
    lines = [record.getMessage().removeprefix("Worker process 7: ") for record in caplog.records]
    assert lines[-2:] == ["1004 more lines were left out.", "c"]
    assert len(lines) == LINES - 4 + 2
