"""Steps: their numbers, time and seeds, the journal before the effect, and what an end does to work under way."""

import random
import threading
from collections.abc import Awaitable, Sequence
from dataclasses import replace

import anyio
import pytest
from ledger import requirement
from support.colonies import OTHER, RUN, Desk, InlineShard, Stage, agent, staged
from support.guests import Scripted, ScriptedGuests
from vespiary.model.agents import AgentSpec
from vespiary.model.ids import Scope, actor_id
from vespiary.model.messages import Envelope
from vespiary.model.steps import Construct, StepInput, StepResult
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.colony import Colony, SpawnFailed, SpawnRefused
from vespiary.runtime.journal import Entry, Group, MemoryJournal

pytestmark = pytest.mark.anyio


class Relay(Scripted):
    listens = ("go",)

    def handle(self, envelope: Envelope) -> None:
        self.send("done", self.step.seed)
        self.request("desk")


class Quiet(Scripted):
    pass


class Sleeper(Scripted):
    """Its constructor never ends by itself."""

    def construct(self) -> None:
        self.loop_for_ever()


class Stuck(Scripted):
    listens = ("go",)

    def handle(self, envelope: Envelope) -> None:
        self.loop_for_ever()


class SlowJournal(MemoryJournal):
    """Commits steps when the test says so, and all else at once."""

    def __init__(self) -> None:
        self.steps: list[Entry] = []
        self.gate = anyio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.asked = anyio.Event()

    def commit(self, groups: Sequence[Group]) -> Awaitable[None] | None:
        steps = [entry for _, _, entries in groups for entry in entries if entry[0] == "step"]
        return self._commit(steps) if steps else None

    async def _commit(self, steps: Sequence[Entry]) -> None:
        self.asked.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.steps.extend(steps)


@requirement("runtime:step")
async def test_steps_are_numbered_without_gaps_and_get_time_and_seed_from_the_host() -> None:
    async def play(seed: int) -> tuple[list[int], list[int], Scope]:
        async with staged(Relay, seed=seed, capabilities={"desk": Desk()}) as stage:
            scope = await stage.colony.spawn(agent(Relay), run=RUN)
            stage.clock.time = 5_000
            for _ in range(3):
                stage.colony.send(scope, "go", "1")
            await stage.ear.until(lambda: len(stage.ear.said("done")) == 3)
            steps = [step for step in stage.guests[0].steps if step.actor == actor_id(scope, "relay")]
            assert [step.step for step in steps] == [1, 2, 3, 4]
            return [step.now for step in steps], [step.seed for step in steps], scope

    times, seeds, scope = await play(3)
    assert times == [1_000, 5_000, 5_000, 5_000]
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert await play(3) == (times, seeds, scope)
    assert (await play(4))[1] != seeds


@requirement("runtime:commit-first")
async def test_nothing_takes_effect_before_its_step_is_committed() -> None:
    journal, desk = SlowJournal(), Desk()
    async with staged(Relay, journal=journal, capabilities={"desk": desk}) as stage:
        scope = await stage.colony.spawn(agent(Relay), run=RUN)
        journal.gate, journal.asked = anyio.Event(), anyio.Event()
        stage.colony.send(scope, "go", "1")
        await journal.asked.wait()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert not stage.ear.said("done")
        assert not desk.callers
        journal.gate.set()
        await desk.asked()
        assert len(stage.ear.said("done")) == 1
        assert [entry[2] for entry in journal.steps] == [1, 2]
        assert len(journal.steps[1][6]) == 2


@requirement("runtime:commit-first")
async def test_a_run_whose_steps_cannot_be_journalled_ends_and_says_why() -> None:
    journal, desk = SlowJournal(), Desk()
    async with staged(Relay, journal=journal, capabilities={"desk": desk}) as stage:
        scope = await stage.colony.spawn(agent(Relay), run=RUN)
        journal.error = OSError("the disk is full")
        stage.colony.send(scope, "go", "1")
        await stage.ear.until(lambda: bool(stage.ear.exits))
        assert stage.ear.exits == [(RUN, scope, "its journal could not be written: the disk is full")]
        assert not stage.ear.said("done")
        assert not desk.callers
        journal.error = None
        await stage.colony.spawn(agent(Relay), run=OTHER)


@requirement("runtime:cancel-discards")
async def test_what_comes_back_for_a_run_that_has_ended_is_discarded() -> None:
    journal, desk = SlowJournal(), Desk()
    async with staged(Relay, journal=journal, capabilities={"desk": desk}) as stage:
        scope = await stage.colony.spawn(agent(Relay), run=RUN)
        journal.gate, journal.asked = anyio.Event(), anyio.Event()
        stage.colony.send(scope, "go", "1")
        stage.colony.send(scope, "go", "1")
        await journal.asked.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.colony.cancel, RUN)
            await stage.ear.until(lambda: bool(stage.ear.exits))
            journal.gate.set()
        assert not stage.ear.said("done")
        assert not desk.callers
        assert stage.step_numbers(actor_id(scope, "relay")) == [1, 2, 3]  # made, gone once, dropped
        assert stage.guests[0].living == {}
        assert stage.colony.statistics().actors == 0


async def test_a_run_that_is_cancelled_while_an_agent_is_made_fails_the_spawn() -> None:
    async with staged(Sleeper, Quiet) as stage:
        refused: list[SpawnFailed] = []

        async def make() -> None:
            try:
                await stage.colony.spawn(agent(Quiet, Sleeper), run=RUN)
            except SpawnFailed as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(make)
            while not stage.guests:
                await anyio.lowlevel.checkpoint()
            await stage.looping()
            with anyio.fail_after(1):
                await stage.colony.cancel(RUN)
        assert "the run was cancelled" in refused[0].reason
        assert stage.ear.exits == []
        assert stage.guests[0].living == {}


async def test_a_spawn_that_nobody_waits_for_any_more_is_undone() -> None:
    async with staged(Sleeper, Quiet) as stage:
        root = await stage.colony.spawn(agent(Quiet), run=RUN)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: stage.colony.spawn(agent(Sleeper), run=RUN, parent=root))
                await stage.looping()
                scope.cancel()
        assert list(stage.colony.descendants(root)) == []
        await stage.colony.cancel(RUN)
        assert stage.colony.statistics().actors == 0


@requirement("runtime:spawn-limits")
async def test_depth_and_number_of_agents_are_limited_per_run() -> None:
    async with staged(Quiet, bounds=Bounds(depth=2, scopes_per_run=3)) as stage:
        root = await stage.colony.spawn(agent(Quiet), run=RUN)
        child = await stage.colony.spawn(agent(Quiet), run=RUN, parent=root)
        with pytest.raises(SpawnRefused, match="2 deep"):
            await stage.colony.spawn(agent(Quiet), run=RUN, parent=child)
        await stage.colony.spawn(agent(Quiet), run=RUN, parent=root)
        with pytest.raises(SpawnRefused, match="3 agents at once"):
            await stage.colony.spawn(agent(Quiet), run=RUN, parent=root)
        await stage.colony.stop(child, "done")
        await stage.colony.spawn(agent(Quiet), run=RUN, parent=root)
        await stage.colony.spawn(agent(Quiet), run=OTHER)
        with pytest.raises(SpawnRefused, match="no agent in scope"):
            await stage.colony.spawn(agent(Quiet), run=OTHER, parent=root)
        with pytest.raises(SpawnRefused, match="no agent in scope"):
            await stage.colony.spawn(agent(Quiet), run=RUN, parent=child)


@pytest.mark.parametrize(
    "spec",
    [
        AgentSpec("none", ()),
        AgentSpec("twice", agent(Quiet).actors * 2),
        AgentSpec("no/name", agent(Quiet).actors),
        AgentSpec("bad-actor", (replace(agent(Quiet).actors[0], name="../etc"),)),
        agent(name="many", **{f"a{number}": Quiet for number in range(5)}),
    ],
)
async def test_an_agent_that_makes_no_sense_is_refused(spec: AgentSpec) -> None:
    async with staged(Quiet, bounds=Bounds(actors_per_agent=4)) as stage:
        with pytest.raises(SpawnFailed):
            await stage.colony.spawn(spec, run=RUN)
        assert stage.colony.statistics().runs == 0


async def test_a_child_is_told_its_parent_when_it_is_made() -> None:
    async with staged(Quiet) as stage:
        root = await stage.colony.spawn(agent(Quiet), run=RUN)
        await stage.colony.spawn(agent(Quiet), run=RUN, parent=root)
        made = [step.body for step in stage.guests[0].steps if isinstance(step.body, Construct)]
        assert [body.parent for body in made] == [None, root]


@requirement("runtime:close")
async def test_closing_with_work_in_flight_leaves_no_task_and_no_thread() -> None:
    desk, before = Desk(), {task.id for task in anyio.get_running_tasks()}
    async with staged(Stuck, Relay, capabilities={"desk": desk}, shards=2) as stage:
        loops = await stage.colony.spawn(agent(Stuck), run=RUN)
        waits = await stage.colony.spawn(agent(Relay), run=OTHER)
        stage.colony.send(waits, "go", "1")
        await desk.asked()
        stage.colony.send(loops, "go", "1")
        await stage.looping()
    assert not [thread for thread in threading.enumerate() if thread.name == "vespiary-guests"]
    assert len(desk.cancelled) == 1
    assert all(guests.closed for guests in stage.guests)
    assert {task.id for task in anyio.get_running_tasks()} == before
    assert sorted(reason for _, _, reason in stage.ear.exits) == ["the colony was closed"] * 2
    with pytest.raises(SpawnRefused, match="not running"):
        await stage.colony.spawn(agent(Relay), run=RUN)


async def test_the_failure_of_the_block_passes_through_the_colony_as_it_is() -> None:
    async def fail() -> None:
        async with staged(Relay) as stage:
            await stage.colony.spawn(agent(Relay), run=RUN)
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await fail()


async def test_a_shard_that_fails_costs_its_actors_a_restart_and_nothing_more() -> None:
    class Failing(InlineShard):
        async def run(self, batch: Sequence[StepInput]) -> Sequence[StepResult]:
            if (fault := faults.pop(0) if faults else None) is not None:
                raise fault
            return (await super().run(batch))[: cuts.pop(0) if cuts else None]

    faults: list[Exception | None] = []
    cuts: list[int] = []
    stage = Stage({"Relay": Relay}, 1, inline=True)
    guests = ScriptedGuests({"Relay": Relay})
    colony = Colony(
        shards=[Failing(guests)],
        capabilities={"desk": Desk()},
        observer=stage.ear,
        clock=stage.clock,
        source=random.Random(1),
    )
    async with colony:
        scope = await colony.spawn(agent(name="two", one=Relay, two=Relay), run=RUN)
        faults.append(OSError("the worker is gone"))
        colony.send(scope, "go", "1")
        await stage.ear.until(lambda: len(stage.ear.said("vespiary.actor.ready")) == 4)
        cuts.append(1)
        colony.send(scope, "go", "1")
        await stage.ear.until(lambda: len(stage.ear.said("vespiary.actor.ready")) == 6)
        colony.send(scope, "go", "1")
        await stage.ear.until(lambda: len(stage.ear.said("done")) == 2)
        assert len(stage.ear.failures) == 4


@requirement("runtime:statistics")
async def test_the_colony_counts_what_it_holds_and_what_it_did() -> None:
    desk = Desk()
    async with staged(Relay, capabilities={"desk": desk}) as stage:
        scope = await stage.colony.spawn(agent(Relay), run=RUN)
        stage.colony.send(scope, "go", "1")
        await desk.asked()
        now = stage.colony.statistics()
        assert (now.runs, now.scopes, now.actors, now.subscriptions, now.requests) == (1, 1, 1, 1, 1)
        assert (now.steps, now.messages, now.deliveries, now.waiting, now.failures) == (2, 4, 1, 0, 0)
