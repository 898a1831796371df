"""What both kinds of shards promise, and the in-process one: one thread, made late, ended for certain."""

import threading

import anyio
import pytest
from ledger import requirement
from support.guests import ScriptedGuests
from support.shards import Hive, hive
from support.worker_guests import ONE, TWO, Worker, births, kinds, said, steps, tell
from vespiary.model.steps import Destroy, FailureKind, StepResult
from vespiary.runtime.inprocess import InProcessShard

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("kind", ["thread", "process"])


@requirement("runtime:one-thread")
async def test_the_thread_comes_with_the_first_batch_and_goes_with_the_shard() -> None:
    before = set(threading.enumerate())
    guests = ScriptedGuests({"one": Worker, "two": Worker})
    shard = InProcessShard(lambda: guests)
    assert set(threading.enumerate()) == before
    assert kinds(await shard.run(births())) == [None, None]
    (thread,) = set(threading.enumerate()) - before
    await shard.run(steps((ONE, tell("a")), (TWO, tell("b"))))
    assert guests.threads == {thread.ident}
    await shard.close()
    assert guests.closed
    assert not thread.is_alive()


@both
async def test_steps_are_run_in_order_and_answered_in_order(kind: str) -> None:
    async with hive(kind) as made:
        await made.shard.run(births())
        results = await made.shard.run(steps((ONE, tell("a")), (TWO, tell("b")), (ONE, tell("c"))))
        assert said(results) == ["a", "b", "c"]
        assert [(result.actor, result.step) for result in results] == [(ONE, 0), (TWO, 1), (ONE, 2)]
        assert await made.shard.run([]) == []


@both
async def test_an_actor_that_dies_leaves_the_others_alone(kind: str) -> None:
    async with hive(kind) as made:
        await made.shard.run(births())
        generation = made.shard.generation
        results = await made.shard.run(steps((ONE, tell("die")), (TWO, tell("a")), (ONE, tell("a"))))
        assert kinds(results) == [FailureKind.TRAP, None, FailureKind.TRAP]
        assert made.shard.generation == generation


@both
async def test_a_closed_shard_cancels_what_it_is_given(kind: str) -> None:
    async with hive(kind) as made:
        await made.shard.run(births())
        await made.shard.close()
        await made.shard.close()
        assert kinds(await made.shard.run(births())) == [FailureKind.CANCELLED] * 2


@both
@requirement("runtime:interrupt")
async def test_an_interrupt_ends_the_running_step_and_skips_one_that_has_not_begun(kind: str) -> None:
    async with hive(kind) as made:
        shard = made.shard
        await shard.run(births())
        results: list[StepResult] = []

        async def work() -> None:
            results.extend(await shard.run(steps((ONE, tell("loop")), (TWO, tell("a")), (TWO, Destroy()))))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await made.told.looping.wait()
            shard.interrupt(TWO)
            shard.interrupt(ONE)
        assert kinds(results) == [FailureKind.CANCELLED, FailureKind.CANCELLED, None]
        assert kinds(await shard.run(steps((TWO, tell("a")), (ONE, Destroy())))) == [FailureKind.TRAP, None]
        await shard.run(births())
        shard.interrupt(TWO)
        assert kinds(await shard.run(steps((TWO, tell("a"))))) == [None]


@both
@requirement("runtime:interrupt")
async def test_a_step_is_skipped_in_a_batch_that_waits_behind_another(kind: str) -> None:
    async with hive(kind) as made:
        await made.shard.run(births())
        results: list[StepResult] = []

        async def wait_behind() -> None:
            results.extend(await made.shard.run(steps((TWO, tell("a")))))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.shard.run, steps((ONE, tell("loop"))))
            await made.told.looping.wait()
            tasks.start_soon(wait_behind)
            await anyio.wait_all_tasks_blocked()
            made.shard.interrupt(TWO)
            made.shard.interrupt(ONE)
        assert kinds(results) == [FailureKind.CANCELLED]
        assert said(await made.shard.run(steps((TWO, tell("b"))))) == ["b"]


@both
async def test_a_step_is_skipped_while_the_shard_is_being_made(kind: str) -> None:
    async with hive(kind) as made:
        results: list[StepResult] = []

        async def work() -> None:
            results.extend(await made.shard.run([*births(), *steps((TWO, Destroy()))]))

        if kind == "thread":
            await made.shard.run(births())  # it has no start to speak of
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await anyio.lowlevel.checkpoint()
            made.shard.interrupt(TWO)
        assert kinds(results) == [None, FailureKind.CANCELLED, None]


@both
@requirement("runtime:close")
async def test_closing_interrupts_a_guest_that_loops_and_leaves_no_thread(kind: str) -> None:
    before = threading.active_count()
    async with hive(kind) as made:
        await made.shard.run(births())
        results: list[StepResult] = []

        async def work(made: Hive) -> None:
            results.extend(await made.shard.run(steps((TWO, tell("loop")), (ONE, Destroy()))))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.shard.run, steps((ONE, tell("loop"))))
            tasks.start_soon(work, made)
            await made.told.looping.wait()
            with anyio.fail_after(1):
                await made.shard.close()
    assert kinds(results) == [FailureKind.CANCELLED, None]
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("vespiary-guests")] == []
    for thread in threading.enumerate():
        if thread.name.startswith("vespiary-worker"):
            thread.join(5)
    assert threading.active_count() <= before


@both
async def test_a_sandbox_that_cannot_be_made_fails_the_steps_with_its_reason_and_is_tried_again(kind: str) -> None:
    async with hive(kind, reluctant=True) as made:
        first = (await made.shard.run(births()))[0].failure
        assert first is not None
        assert (first.kind, first.message) == (FailureKind.CONSTRUCT, "No component. Build it.")
        second = (await made.shard.run(births()))[0].failure
        assert second is not None
        assert "secret" not in second.message
        assert kinds(await made.shard.run(births())) == [None, None]


@both
async def test_guests_that_break_their_promise_and_raise_cost_their_actor_only(kind: str) -> None:
    async with hive(kind) as made:
        await made.shard.run(births())
        results = await made.shard.run(steps((ONE, tell("break")), (TWO, tell("a")), (ONE, tell("b"))))
        assert kinds(results) == [FailureKind.TRAP, None, None]
