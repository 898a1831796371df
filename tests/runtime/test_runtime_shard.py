"""The in-process shard: one thread, made late, ended for certain."""

import threading
from collections.abc import Sequence

import anyio
import pytest
from ledger import requirement
from support.guests import Dies, Scripted, ScriptedGuests, actor
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId
from vespiary.model.messages import Envelope
from vespiary.model.steps import Construct, Deliver, Destroy, FailureKind, StepBody, StepInput, StepResult
from vespiary.runtime.inprocess import InProcessShard

pytestmark = pytest.mark.anyio

ONE, TWO = ActorId("aaaaaa/one"), ActorId("aaaaaa/two")


class Worker(Scripted):
    def handle(self, envelope: Envelope) -> None:
        if envelope.type == "loop":
            self.loop_for_ever()
        if envelope.type == "die":
            raise Dies
        self.log(envelope.type)


def made() -> tuple[InProcessShard, ScriptedGuests]:
    guests = ScriptedGuests({"one": Worker, "two": Worker})
    return InProcessShard(lambda: guests), guests


def steps(*bodies: tuple[ActorId, StepBody]) -> list[StepInput]:
    return [StepInput(who, number, 0, 0, body) for number, (who, body) in enumerate(bodies)]


def tell(message_type: str) -> Deliver:
    return Deliver(Envelope("root:1", message_type, ONE, "aaaaaa", "1"))  # pyright: ignore[reportArgumentType]


def births() -> list[StepInput]:
    return steps((ONE, Construct(actor("one"), None)), (TWO, Construct(actor("two"), None)))


def kinds(results: Sequence[StepResult]) -> list[FailureKind | None]:
    return [result.failure.kind if result.failure else None for result in results]


@requirement("runtime:one-thread")
async def test_the_thread_comes_with_the_first_batch_and_goes_with_the_shard() -> None:
    before = set(threading.enumerate())
    shard, guests = made()
    assert set(threading.enumerate()) == before
    assert kinds(await shard.run(births())) == [None, None]
    (thread,) = set(threading.enumerate()) - before
    await shard.run(steps((ONE, tell("a")), (TWO, tell("b"))))
    assert guests.threads == {thread.ident}
    await shard.close()
    assert guests.closed
    assert not thread.is_alive()
    await shard.close()
    assert kinds(await shard.run(births())) == [FailureKind.CANCELLED] * 2


@requirement("runtime:interrupt")
async def test_an_interrupt_ends_the_running_step_and_skips_one_that_has_not_begun() -> None:
    shard, guests = made()
    await shard.run(births())
    results: list[StepResult] = []

    async def work() -> None:
        results.extend(await shard.run(steps((ONE, tell("loop")), (TWO, tell("a")))))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.to_thread.run_sync(guests.looping.wait)
        shard.interrupt(TWO)
        shard.interrupt(ONE)
    assert kinds(results) == [FailureKind.CANCELLED] * 2
    assert kinds(await shard.run(steps((TWO, tell("a")), (ONE, Destroy())))) == [None, None]
    shard.interrupt(TWO)
    assert kinds(await shard.run(steps((TWO, tell("a"))))) == [None]
    await shard.close()


@requirement("runtime:close")
async def test_closing_interrupts_a_guest_that_loops_and_leaves_no_thread() -> None:
    before = threading.active_count()
    shard, guests = made()
    await shard.run(births())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shard.run, steps((ONE, tell("loop"))))
        tasks.start_soon(shard.run, steps((TWO, tell("loop"))))
        await anyio.to_thread.run_sync(guests.looping.wait)
        with anyio.fail_after(1):
            await shard.close()
    assert sum(thread.name == "vespiary-guests" for thread in threading.enumerate()) == 0
    assert threading.active_count() <= before + 1  # anyio keeps the thread that waited above


async def test_a_sandbox_that_cannot_be_made_fails_the_steps_with_its_reason_and_is_tried_again() -> None:
    attempts: list[Exception] = [VespiaryError("No component.", hint="Build it."), RuntimeError("secret")]

    def make() -> ScriptedGuests:
        if attempts:
            raise attempts.pop(0)
        return ScriptedGuests({"one": Worker, "two": Worker})

    shard = InProcessShard(make)
    first = (await shard.run(births()))[0].failure
    assert first is not None
    assert (first.kind, first.message) == (FailureKind.CONSTRUCT, "No component. Build it.")
    second = (await shard.run(births()))[0].failure
    assert second is not None
    assert "secret" not in second.message
    assert kinds(await shard.run(births())) == [None, None]
    await shard.close()


async def test_guests_that_break_their_promise_and_raise_cost_their_actor_only() -> None:
    class Raising(ScriptedGuests):
        def step(self, step: StepInput) -> StepResult:
            if step.actor == ONE and isinstance(step.body, Deliver):
                raise OSError("broken")
            return super().step(step)

    shard = InProcessShard(lambda: Raising({"one": Worker, "two": Worker}))
    await shard.run(births())
    assert kinds(await shard.run(steps((ONE, tell("a")), (TWO, tell("a"))))) == [FailureKind.TRAP, None]
    await shard.close()
