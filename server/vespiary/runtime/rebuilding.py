"""Brings an actor's instance back into its shard: made anew, given its last snapshot, and everything that it consumed since.

What it puts out then is compared with what it put out at first, and goes nowhere. Knows the journal and shards. Does not know why
an instance is gone, or what follows when it cannot be had again.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from vespiary.model.errors import VespiaryError
from vespiary.model.steps import ActorSpec, Construct, Restore, StepInput, StepResult, TakeSnapshot
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell, RunCell
from vespiary.runtime.checkpoint import digest
from vespiary.runtime.entries import Known, read_step
from vespiary.runtime.journal import Journal
from vespiary.runtime.scheduler import Lane, Scheduler
from vespiary.runtime.shard import ShardLost

logger = logging.getLogger(__name__)

Lost = Callable[[ActorCell, str, str | None], Awaitable[None]]
"""Told of an actor that cannot be had again: why, and its last known state if that is of use. Releases the actor."""


class CannotRebuild(Exception):
    """The instance cannot be had again. `state` is its last snapshot, if a new instance may begin with it."""

    def __init__(self, reason: str, state: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.state = state


class Rebuilder:
    """Rebuilds actors, a few at a time for each shard. `tasks` is where it works."""

    def __init__(
        self,
        journal: Journal,
        tasks: Callable[[], TaskGroup],
        scheduler: Callable[[], Scheduler],
        bounds: Bounds,
        lost: Lost,
    ) -> None:
        self._journal = journal
        self._tasks = tasks
        self._scheduler = scheduler
        self._bounds = bounds
        self._lost = lost
        self._room: dict[Lane, anyio.CapacityLimiter] = {}
        self._working: dict[ActorCell, None] = {}
        self.rebuilt = 0

    def start(self, cell: ActorCell) -> None:
        """Rebuild a busy actor in the background; it is released when that is done."""
        self._tasks().start_soon(self._rebuild, cell, name=f"rebuild {cell.id}")

    async def _rebuild(self, cell: ActorCell) -> None:
        room = self._room.get(cell.lane)
        if room is None:
            room = self._room[cell.lane] = anyio.CapacityLimiter(self._bounds.rebuilds_at_once)
        self._working[cell] = None
        try:
            async with room:
                if not cell.leaving:
                    await self._until_stable(cell)
        except CannotRebuild as error:
            logger.warning("%s in run %s cannot be rebuilt: %s", cell.id, cell.home.run.id, error.reason)
            await self._lost(cell, error.reason, error.state)
            return
        finally:
            self._working.pop(cell, None)
        self._scheduler().release(cell)

    def working(self, run: RunCell) -> bool:
        """Whether an actor of this run is being rebuilt."""
        return any(cell.home.run is run for cell in self._working)

    async def _until_stable(self, cell: ActorCell) -> None:
        reason = ""
        for _ in range(self._bounds.shard_losses):
            try:
                await self._once(cell)
            except ShardLost as error:
                reason = error.reason
                continue
            cell.generation = cell.lane.shard.generation
            self.rebuilt += 1
            return
        raise CannotRebuild(f"its worker process keeps ending: {reason}")

    async def _once(self, cell: ActorCell) -> None:
        if not self._journal.keeps:
            raise CannotRebuild("its shard is gone, and no journal is kept that it could be rebuilt from")
        if not cell.born:
            raise CannotRebuild("it had not been made yet when its shard ended")
        state = await self._saved(cell)
        saved = state.body.state if state is not None and isinstance(state.body, Restore) else None
        numbers = [cell.born, *cell.history]
        for at in range(0, len(numbers), self._bounds.rebuild_batch):
            part = numbers[at : at + self._bounds.rebuild_batch]
            steps = await self._read(cell, part)
            given = [step for step, _ in steps]
            expected: list[StepResult | None] = [result for _, result in steps]
            if at == 0 and state is not None:
                expected[0] = None  # made by an earlier version perhaps: its snapshot says all that counts
                given.insert(1, state)
                expected.insert(1, None)
            results = await cell.lane.shard.run(given)
            if cell.leaving:
                return
            _compare(part[0], given, expected, results, saved)

    async def _saved(self, cell: ActorCell) -> StepInput | None:
        if not cell.saved:
            return None
        ((step, result),) = await self._read(cell, [cell.saved])
        if not isinstance(step.body, TakeSnapshot) or result.state is None:
            raise CannotRebuild(f"entry {cell.saved} of the journal is not its snapshot")
        return replace(step, body=Restore(result.state))

    async def _read(self, cell: ActorCell, numbers: Sequence[int]) -> list[tuple[StepInput, StepResult]]:
        try:
            entries = await self._journal.read(cell.home.run.id, numbers)
            return [_step(cell.id, entry, cell.spec) for entry in entries]
        except (VespiaryError, ValueError) as error:
            raise CannotRebuild(f"the journal cannot be read: {error}") from error


def _step(actor: str, entry: Sequence[object], spec: ActorSpec) -> tuple[StepInput, StepResult]:
    step, result = read_step(entry, spec)
    if step.actor != actor:
        raise ValueError(f"a step of {step.actor} stands where one of {actor} was expected")
    return step, result


def _compare(
    first: int,
    given: Sequence[StepInput],
    expected: Sequence[StepResult | None],
    results: Sequence[StepResult],
    state: str | None,
) -> None:
    for step, wanted, got in zip(given, expected, results, strict=True):
        if wanted is None:
            if got.failure is not None:
                usable = state if isinstance(step.body, Construct) else None
                raise CannotRebuild(f"it could not be made again: {got.failure.message}", usable)
        elif (difference := differs(wanted, got)) is not None:
            why = f"step {step.step} does not repeat: {difference}"
            raise CannotRebuild(f"{why} (from entry {first} of the journal)", state)


def differs(recorded: StepResult, repeated: StepResult) -> str | None:
    """What is not the same in two results of one step; none if they agree. Time spent is no part of a result."""
    if repeated.failure != recorded.failure:
        return f"it {_ended(repeated)} now and {_ended(recorded)} then"
    if recorded.description is not None and repeated.description is not None:
        was, now = recorded.description, repeated.description
        if was.component != now.component:
            return f"it ran on the component {was.component or 'unknown'} then and runs on {now.component or 'unknown'} now"
    if repeated.description != recorded.description:
        return "it describes itself in another way"
    if repeated.state != recorded.state:
        return "its snapshot is another one"
    if isinstance(recorded, Known):
        return None if digest(repeated.outputs) == recorded.digest else "it puts out something else"
    for index, (was_out, now_out) in enumerate(zip(recorded.outputs, repeated.outputs, strict=False)):
        if was_out != now_out:
            return f"output {index} was {was_out!r:.300} and is {now_out!r:.300}"
    if len(recorded.outputs) != len(repeated.outputs):
        return f"it put out {len(repeated.outputs)} things now and {len(recorded.outputs)} then"
    return None


def _ended(result: StepResult) -> str:
    return f"fails ({result.failure.kind.value}: {result.failure.message:.200})" if result.failure else "succeeds"
