"""Worker processes at work: what crosses, what is too large to cross, loading, many batches at once."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from ledger import requirement
from support.guests import actor
from support.shards import Told, problem_of, worker, working
from support.wat import OK, WatActor
from support.worker_guests import ONE, TWO, births, kinds, proc, said, steps, tell
from vespiary.model import frames
from vespiary.model.steps import Construct, Destroy, FailureKind, StepInput, StepResult
from vespiary.runtime.workers import WorkerShard, make_worker_shards
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests

pytestmark = pytest.mark.anyio

MIB = 2**20


@requirement("worker:lazy")
async def test_a_process_comes_with_the_first_batch_and_goes_with_the_shard() -> None:
    shards = make_worker_shards(3)
    assert [(shard.generation, shard.alive, shard.pid) for shard in shards] == [(0, False, None)] * 3
    for shard in shards:
        await shard.close()
    shard = worker()
    assert kinds(await shard.run(births())) == [None, None]
    assert (shard.generation, shard.alive) == (1, True)
    pid = shard.pid
    assert pid is not None
    await shard.close()
    assert (shard.generation, shard.alive) == (2, False)
    assert not proc(pid, "stat")


async def test_no_process_is_started_only_to_drop_actors() -> None:
    shard = worker()
    assert kinds(await shard.run(steps((ONE, Destroy()), (TWO, Destroy())))) == [None, None]
    assert shard.generation == 0
    await shard.close()


@requirement("worker:in-flight")
async def test_a_hundred_batches_in_flight_are_answered_in_order() -> None:
    async with working() as (shard, _):
        answered: list[int] = []

        async def ask(number: int) -> None:
            results = await shard.run([StepInput(ONE, number, 0, 0, tell(f"m{number}"))])
            assert said(results) == [f"m{number}"]
            answered.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(ask, number)
        assert answered == list(range(100))


async def test_batches_that_come_while_the_process_starts_are_all_answered() -> None:
    shard = worker()
    await asyncio.gather(*(shard.run(births()) for _ in range(20)))
    assert shard.generation == 1
    await shard.close()


@requirement("worker:large")
async def test_twenty_megabytes_cross_in_both_directions() -> None:
    async with working() as (shard, _):
        (result,) = await shard.run(steps((ONE, tell("say", str(20 * MIB)))))
        assert said([result]) == ["x" * (20 * MIB)]
        assert said(await shard.run(steps((ONE, tell("length", "é" * (10 * MIB)))))) == [str(10 * MIB)]


@requirement("worker:large")
async def test_what_is_too_large_to_cross_fails_its_own_step_only() -> None:
    async with working() as (shard, _):
        large = "x" * (frames.MAX_FRAME + 1)
        results = await shard.run(steps((TWO, tell("a")), (ONE, tell("length", large)), (TWO, tell("b"))))
        assert kinds(results) == [None, FailureKind.MEMORY, None]
        assert results[1].failure is not None
        assert "64.0 MiB are more than the 64 MiB that can cross" in results[1].failure.message
        results = await shard.run(steps((ONE, Construct(actor("one", config=large), None)), (TWO, tell("c"))))
        assert kinds(results) == [FailureKind.CONSTRUCT, None]
        results = await shard.run(steps((TWO, tell("a")), (ONE, tell("say", str(65 * MIB))), (TWO, tell("b"))))
        assert kinds(results) == [None, FailureKind.PROTOCOL, None]
        assert said(results) == ["a", "b"]


@requirement("worker:large")
async def test_a_batch_that_is_too_large_as_a_whole_is_divided_both_ways() -> None:
    async with working() as (shard, _):
        fifth = "x" * (30 * MIB)
        results = await shard.run(steps(*[(ONE, tell("length", fifth))] * 5, (TWO, tell("a"))))
        assert said(results) == [str(30 * MIB)] * 5 + ["a"]
        results = await shard.run(steps(*[(ONE, tell("say", str(30 * MIB)))] * 5, (TWO, tell("a"))))
        assert [len(text) for text in said(results)] == [30 * MIB] * 5 + [1]


async def test_an_input_that_has_no_form_fails_its_own_step_only() -> None:
    async with working() as (shard, _):
        results = await shard.run(steps((ONE, tell("length", "\ud800")), (TWO, tell("a"))))
        assert kinds(results) == [FailureKind.MEMORY, None]


@requirement("worker:load")
async def test_a_component_is_loaded_ahead_with_progress_or_a_reason() -> None:
    told = Told()
    shard = worker(told)
    assert await shard.load("python") == "identity"
    assert told.sentences == ["Compiling python …"]
    failed = await problem_of(shard.load("other"))
    assert (failed.code, failed.message, failed.hint) == ("component.missing", "There is none.", "Make one.")
    assert "secret" not in str(await problem_of(shard.load("bug")))
    assert kinds(await shard.run(births())) == [None, None]
    lost = await problem_of(shard.load("exit"))
    assert lost.code == "worker.failed"
    assert "ended with exit code 9" in lost.message
    await shard.close()
    assert (await problem_of(shard.load("python"))).code == "worker.failed"


async def test_progress_that_nobody_can_bear_hurts_nothing() -> None:
    def unable(sentence: str) -> None:
        raise RuntimeError(sentence)

    shard = WorkerShard(guests="support.worker_guests:make", progress=unable)
    assert await shard.load("python") == "identity"
    await shard.close()


async def test_a_caller_that_goes_away_leaves_the_process_at_work() -> None:
    async with working() as (shard, told):
        with anyio.move_on_after(0):
            await shard.load("python")
        with anyio.move_on_after(0):
            await shard.run(steps((ONE, tell("a"))))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shard.run, steps((ONE, tell("loop"))))
            await told.looping.wait()
            tasks.cancel_scope.cancel()
    # `working` closes it: the loop that nobody waits for any more was interrupted.


@requirement("worker:same-results")
async def test_a_step_gives_the_same_in_a_worker_as_here(tmp_path: Path) -> None:
    wat = WatActor()
    wat.handle = (
        f"(call $send {wat.text('test.done')} (local.get $payload) (local.get $payload_len) (i32.const 32)) {OK}"
    )
    path = tmp_path / "echo.wat"
    path.write_bytes(wat.bytes())
    batch = steps(
        (ONE, Construct(actor("one", str(path)), None)), (ONE, tell("go", '"é"')), (TWO, tell("a")), (ONE, Destroy())
    )
    guests = WasmGuests(ComponentStore(lambda text: None))
    here = [plain(guests.step(step)) for step in batch]
    shard = WorkerShard()
    assert [plain(result) for result in await shard.run(batch)] == here
    assert here[0].description is not None
    assert here[0].description.component == await shard.load(str(path))
    await shard.close()


def plain(result: StepResult) -> StepResult:
    return StepResult(result.actor, result.step, result.outputs, result.failure, result.description, result.state)


@requirement("worker:windows")
async def test_without_socket_pairs_a_worker_connects_and_shows_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    from vespiary.runtime import worker_command, worker_process

    class Windows:
        platform, executable, byteorder = "win32", sys.executable, sys.byteorder

    monkeypatch.setattr(worker_process, "sys", Windows)
    async with working() as (shard, _):
        assert said(await shard.run(steps((ONE, tell("a"))))) == ["a"]
        environment = said(await shard.run(steps((ONE, tell("environment")))))[0]
        assert frames.TOKEN_VARIABLE not in environment

    def doomed(settings: object) -> list[str]:
        return [sys.executable, "-c", "pass"]

    monkeypatch.setattr(worker_process, "worker_command", doomed)
    shard = worker()
    failure = (await shard.run(births()))[0].failure
    assert failure is not None
    assert "ended before it connected" in failure.message
    await shard.close()
    assert worker_command.worker_environment({"Path": "x", "SECRET": "y"}) == {}


def test_a_worker_imports_nothing_from_the_folder_that_the_server_was_started_in(tmp_path: Path) -> None:
    for name in ("wasmtime", "ormsgpack", "json", "lurking"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the workspace')", encoding="utf-8")
    code = """
import asyncio, os, sys
from support.shards import worker
from support.worker_guests import ONE, births, kinds, proc, said, steps, tell
async def main():
    sys.path[:0] = [os.getcwd(), ""]  # as `python -m` and `python -c` do
    shard = worker()
    await shard.run(births())
    print(said(await shard.run(steps((ONE, tell("import", "lurking")), (ONE, tell("import", "ormsgpack"))))))
    await shard.close()
asyncio.run(main())
"""
    tests = Path(__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout.strip() == "['no', 'yes']", done.stderr
