"""Worker processes that die, break the rules or never come up; and servers that die."""

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import anyio
import pytest
from ledger import requirement
from support.shards import worker, working
from support.wat import LOOP, WatActor
from support.worker_guests import ONE, TWO, births, kinds, proc, said, steps, tell, wait_gone
from vespiary.model import frames
from vespiary.model.ids import ActorId
from vespiary.model.steps import FailureKind
from vespiary.runtime import worker_process
from vespiary.runtime.shard import ShardLost
from vespiary.runtime.workers import ATTEMPTS, WorkerShard

pytestmark = pytest.mark.anyio


async def lost(shard: WorkerShard, *messages: tuple[ActorId, str, str]) -> ShardLost:
    """How the shard is lost by these steps."""
    with pytest.raises(ShardLost) as caught:
        await shard.run(steps(*((who, tell(kind, payload)) for who, kind, payload in messages)))
    return caught.value


@requirement("worker:lost")
async def test_a_process_killed_while_idle_is_replaced_by_the_next_batch() -> None:
    async with working() as (shard, _):
        pid = shard.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ShardLost, match=r"its worker process was killed \(signal 9\)") as caught:
            await shard.run(steps((ONE, tell("a"))))
        assert caught.value.running is None
        assert (shard.generation, shard.alive) == (2, False)
        # Its instances went with it.
        assert kinds(await shard.run(steps((ONE, tell("a"))))) == [FailureKind.TRAP]
        assert shard.generation == 3
        assert shard.pid != pid
        assert kinds(await shard.run(births())) == [None, None]


@requirement("worker:lost", "worker:blame")
async def test_all_batches_in_flight_are_lost_and_the_actor_that_ran_is_named() -> None:
    async with working() as (shard, told):
        reasons: list[ShardLost] = []

        async def ask(*messages: tuple[ActorId, str, str]) -> None:
            reasons.append(await lost(shard, *messages))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, (ONE, "a", ""), (TWO, "loop", ""))
            for _ in range(3):
                tasks.start_soon(ask, (ONE, "a", ""))
            await told.looping.wait()
            assert shard.pid is not None
            os.kill(shard.pid, signal.SIGKILL)
        assert [(reason.reason, reason.running) for reason in reasons] == [
            ("its worker process was killed (signal 9)", TWO)
        ] * 4
        assert kinds(await shard.run(births())) == [None, None]


@requirement("worker:lost", "worker:blame")
@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("exit", "3", "ended with exit code 3"),
        ("kill", str(int(signal.SIGABRT)), "crashed (signal 6, SIGABRT)"),
        ("kill", str(int(signal.SIGTERM)), "was ended (signal 15, SIGTERM)"),
        ("crash", "", "crashed (signal 11, SIGSEGV)"),
    ],
)
async def test_the_reason_says_how_a_process_died(kind: str, payload: str, reason: str) -> None:
    async with working() as (shard, _):
        gone = await lost(shard, (TWO, "a", ""), (ONE, kind, payload), (TWO, "b", ""))
        assert (gone.reason, gone.running) == (f"its worker process {reason}", ONE)
        assert kinds(await shard.run(births())) == [None, None]
        assert said(await shard.run(steps((TWO, tell("b"))))) == ["b"]


@requirement("worker:lost")
async def test_whenever_a_process_is_killed_every_batch_is_answered_or_lost() -> None:
    source = random.Random(7)
    async with working() as (shard, _):
        outcomes: Counter[str] = Counter()
        killing = True

        async def ask() -> None:
            while killing:
                try:
                    results = await shard.run([*births(), *steps(*[(ONE, tell("a"))] * 30)])
                except ShardLost:
                    outcomes["lost"] += 1
                else:
                    failed = {kind for kind in kinds(results) if kind is not None}
                    outcomes["refused" if failed else "answered"] += 1
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(ask)
            for _ in range(20):
                # At any point of a start, too.
                for _ in range(source.randrange(300)):
                    await anyio.lowlevel.checkpoint()
                while not shard._processes:
                    shard._rest_until = 0
                    await anyio.lowlevel.checkpoint()
                for process in list(shard._processes):
                    process.kill()
            killing = False
        assert outcomes["lost"] > 0
        shard._rest_until = 0
        assert kinds(await shard.run(births())) == [None, None]
    assert not shard._processes


@requirement("worker:broken-framing")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xff\xff\xff", "4096.0 MiB are more than the 64 MiB that can cross"),
        (b"\x00\x00\x00\x01\xc1", "invalid type Reserved"),
        (b"\x00\x00\x00\x00", "unexpected end of file"),
        (b"\x00\x00\x00\x01\x90", "a message is a list"),
        (b"\x00\x00\x10\x00" + b"\x91" * 4096, "Recursion limit reached"),
        (frames.frame((99, 1)), "an unknown kind of message"),
        (frames.frame(("x",)), "an unknown kind of message"),
        (frames.frame((frames.RESULTS, 77, [], False)), "results that nobody waits for"),
        (frames.frame((frames.RESULTS, 2, [], False)), "another number of results than there were steps"),
        (frames.frame((frames.RESULTS, 2, [1], False)), "This is not a result"),
        (frames.frame((frames.LOADED, 2, "x")), "an answer that nobody waits for"),
        (frames.frame((frames.HELLO, 1, "x")), "a second greeting"),
        (
            frames.frame((frames.RESULTS, 2, [(TWO, 0, (), None, None, None, 0)], False)),
            "the results of other steps",
        ),
    ],
)
async def test_a_process_that_breaks_the_framing_is_ended(data: bytes, reason: str) -> None:
    async with working() as (shard, _):
        pid = shard.pid
        assert pid is not None
        gone = await lost(shard, (ONE, "garbage", data.hex()))
        assert gone.reason.startswith("its worker process said something that is not understood")
        assert reason in gone.reason
        assert wait_gone(pid)
        assert kinds(await shard.run(births())) == [None, None]


@requirement("worker:no-start")
async def test_a_process_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def silent(settings: object) -> list[str]:
        started.append(1)
        return [sys.executable, "-I", "-c", "import signal; signal.pause()"]

    monkeypatch.setattr(worker_process, "worker_command", silent)
    shard = worker(start_seconds=0.2)
    results = await shard.run(births())
    assert kinds(results) == [FailureKind.CONSTRUCT] * 2
    assert results[0].failure is not None
    assert "could not be started: it did not answer within 0.2 s" in results[0].failure.message
    assert len(started) == ATTEMPTS
    # No process is tried for a while.
    with anyio.fail_after(0.1):
        assert kinds(await shard.run(births())) == [FailureKind.CONSTRUCT] * 2
    assert len(started) == ATTEMPTS
    assert shard.generation == 0
    await shard.close()
    assert not shard._processes


@requirement("worker:no-start")
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (
            [sys.executable, "-c", "import no_such_thing"],
            "exit code 1: ModuleNotFoundError: No module named 'no_such_thing'",
        ),
        (["/no/such/python"], "No such file or directory"),
        ([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"], "was killed (signal 9)"),
    ],
)
async def test_a_process_that_cannot_live_fails_constructions_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, command: list[str], reason: str
) -> None:
    def doomed(settings: object) -> list[str]:
        return command

    monkeypatch.setattr(worker_process, "worker_command", doomed)
    shard = worker()
    failure = (await shard.run(births()))[0].failure
    assert failure is not None
    assert failure.kind is FailureKind.CONSTRUCT
    assert reason in failure.message
    await shard.close()


@requirement("worker:no-start")
async def test_another_version_of_the_worker_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vespiary.__version__", "99")
    shard = worker()
    failure = (await shard.run(births()))[0].failure
    assert failure is not None
    assert "and this is 99; a restart brings them together" in failure.message
    await shard.close()


@requirement("worker:no-start")
async def test_processes_that_die_before_they_answer_anything_are_not_started_for_ever() -> None:
    shard = worker(factory="dying")
    reasons: list[str] = []
    for _ in range(ATTEMPTS):
        with pytest.raises(ShardLost) as caught:
            await shard.run(births())
        reasons.append(caught.value.reason)
    assert reasons == ["its worker process ended with exit code 5"] * ATTEMPTS
    failure = (await shard.run(births()))[0].failure
    assert failure is not None
    assert "ends as soon as it is started: it ended with exit code 5" in failure.message
    assert shard.generation == 2 * ATTEMPTS
    await shard.close()


@requirement("worker:stuck")
async def test_a_process_that_does_not_react_to_an_interrupt_is_ended() -> None:
    async with working(stuck_seconds=0.2) as (shard, told):
        reasons: list[ShardLost] = []

        async def work() -> None:
            reasons.append(await lost(shard, (TWO, "a", ""), (ONE, "stop", "")))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await told.looping.wait()
            shard.interrupt(ONE)
        assert reasons[0].reason == "its worker process did not react to an interrupt for 0.2 s"
        assert reasons[0].running == ONE
        assert kinds(await shard.run(births())) == [None, None]


@requirement("worker:close")
@pytest.mark.parametrize("how", ["loop", "spin", "stop"])
async def test_closing_a_busy_process_takes_two_seconds_at_most_and_leaves_nothing(how: str) -> None:
    async with working() as (shard, told):
        pid = shard.pid
        assert pid is not None
        results: list[FailureKind | None] = []
        async with anyio.create_task_group() as tasks:

            async def work() -> None:
                results.extend(kinds(await shard.run(steps((ONE, tell(how)), (TWO, tell("a"))))))

            tasks.start_soon(work)
            await told.looping.wait()
            with anyio.fail_after(2.2):
                await shard.close()
        assert results == [FailureKind.CANCELLED] * 2
        assert not proc(pid, "stat")
        assert not shard._processes


@requirement("worker:close")
@pytest.mark.parametrize("early", [True, False])
async def test_closing_while_the_process_starts_leaves_nothing(early: bool) -> None:
    shard = worker()
    results: list[FailureKind | None] = []

    async def work() -> None:
        results.extend(kinds(await shard.run(births())))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.lowlevel.checkpoint()
        while not early and not any(process.pid for process in shard._processes):
            await anyio.lowlevel.checkpoint()
        with anyio.fail_after(1):
            await shard.close()
    assert results == [FailureKind.CANCELLED] * 2
    assert not shard._processes


SERVER = """
import asyncio, sys
from support.shards import worker, Told
from support.worker_guests import ONE, TWO, births, steps, tell
from vespiary.model.steps import ActorSpec, Construct, Limits
from vespiary.runtime.workers import WorkerShard

async def main():
    state, path = sys.argv[1:]
    if state == "wasm":
        shard = WorkerShard()
        await shard.run(steps((ONE, Construct(ActorSpec("one", path, "{}", Limits(call_ms=3_600_000)), None))))
        looping = asyncio.create_task(shard.run(steps((ONE, tell("go")))))
        while shard._link.running() is None:
            await asyncio.sleep(0.01)
    else:
        told = Told()
        shard = worker(told)
        await shard.run(births())
        if state != "idle":
            looping = asyncio.create_task(shard.run(steps((ONE, tell(state)))))
            await told.looping.wait()
    print(shard.pid, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@requirement("worker:no-orphans")
@pytest.mark.parametrize("state", ["idle", "loop", "spin", "stop", "wasm"])
def test_a_server_that_is_killed_leaves_no_worker(state: str, tmp_path: Path) -> None:
    path = tmp_path / "loop.wat"
    path.write_bytes(WatActor(handle=LOOP).bytes())
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, state, str(path)], env=environment, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        server.kill()
    assert wait_gone(pid)
    assert b") Z " in (proc(pid, "stat") or b") Z ")  # gone, or waits to be reaped by somebody else


@requirement("worker:no-orphans")
@pytest.mark.parametrize("state", ["idle", "loop", "spin"])
async def test_a_worker_whose_connection_ends_ends_by_itself(state: str, caplog: pytest.LogCaptureFixture) -> None:
    async with working() as (shard, told):
        process = shard._link and shard._link.process
        assert process is not None
        work: asyncio.Task[object] | None = None
        if state != "idle":
            work = asyncio.ensure_future(shard.run(steps((ONE, tell(state)))))
            await told.looping.wait()
        assert shard._link is not None
        shard._link.abort()
        assert await process.ended == 0
        if work is not None:
            with pytest.raises(ShardLost, match="ended with exit code 0"):
                await work


@requirement("worker:stderr")
async def test_what_a_worker_says_is_in_the_log_and_a_flood_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with working() as (shard, _):
            await shard.run(steps((ONE, tell("complain", "a\x1b[31m\rb"))))
            assert said(await shard.run(steps((ONE, tell("flood", "50"))))) == ["done"]
            process = shard._link and shard._link.process
            assert process is not None
        assert await process.ended == 0
        assert process._listener is not None
        await anyio.to_thread.run_sync(process._listener.join)
    lines = [record.getMessage() for record in caplog.records]
    assert any("WARNING guest: trouble with a [31m b" in line for line in lines)
    assert any("on stdout" in line for line in lines)
    assert not any("on descriptor 1" in line for line in lines)
    assert len(lines) < 300
    assert max(map(len, lines)) < 2_100
    assert any("more lines were left out" in line for line in lines)


@requirement("worker:lost")
async def test_a_process_that_is_killed_while_it_starts_or_loads_is_replaced() -> None:
    shard = worker()
    loaded: list[str] = []

    async def load() -> None:
        loaded.append(await shard.load("python"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load)
        for _ in range(ATTEMPTS + 2):  # more often than one that dies by itself is tried
            while not any(process.pid for process in shard._processes):
                await anyio.lowlevel.checkpoint()
            (pid,) = {process.pid for process in shard._processes if process.pid}
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            while any(process.pid == pid for process in shard._processes):
                await anyio.lowlevel.checkpoint()
    assert loaded == ["identity"]
    await shard.close()
