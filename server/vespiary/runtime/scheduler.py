"""Whose turn it is: a ready queue per shard, and the pumps that carry batches to it and back.

Knows that an actor has at most one step under way, that batches are bounded and never waited for, and that results settle in the
order in which they were committed. Does not know what an input means: cells give inputs, `settle` takes results.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from anyio.abc import TaskGroup

from vespiary.model.errors import VespiaryError
from vespiary.model.steps import Construct, Destroy, FailureKind, StepBody, StepFailure, StepInput, StepResult
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell, RunCell
from vespiary.runtime.clock import Clock
from vespiary.runtime.outside import ENDED_WITH_IT, KEEPS_ENDING, SHARD_FAILED
from vespiary.runtime.shard import Shard, ShardLost

logger = logging.getLogger(__name__)

Settled = tuple[ActorCell, StepInput, StepResult]
Settle = Callable[[Sequence[Settled]], Awaitable[None]]


class Lane:
    """A shard and the actors that are ready for it, in the order in which they became so."""

    __slots__ = ("_pumps", "actors", "in_flight", "losses", "ready", "shard")

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.ready: deque[ActorCell] = deque()
        self.actors = 0
        """Actors that live here, for placement."""
        self.in_flight = 0
        """Steps that the shard has."""
        self.losses = 0
        """How often in a row the shard was lost with a batch."""
        self._pumps: list[asyncio.Event] = []
        """Pumps that wait for work."""

    def push(self, cell: ActorCell) -> None:
        """Add an actor at the end."""
        cell.queued = True
        self.ready.append(cell)
        self.signal()

    def signal(self) -> None:
        """Let one pump go on, if one waits."""
        if self._pumps:
            self._pumps.pop().set()

    async def wait(self) -> None:
        """Until an actor is ready."""
        if not self.ready:
            woken = asyncio.Event()
            self._pumps.append(woken)
            await woken.wait()


class Scheduler:
    """The ready queues and pumps of all shards. `rebuild` is given an actor whose instance its shard does not have."""

    def __init__(
        self,
        shards: Sequence[Shard],
        clock: Clock,
        source: random.Random,
        bounds: Bounds,
        settle: Settle,
        rebuild: Callable[[ActorCell], None],
        broken: Callable[[RunCell, VespiaryError], None],
    ) -> None:
        self.lanes = [Lane(shard) for shard in shards]
        self.steps = 0
        """Steps that came back, ever."""
        self._clock = clock
        # Guests see nothing of a seed but what is hashed from it, and asking the system for each one takes long.
        self._source = random.Random(source.getrandbits(256))
        self._bounds = bounds
        self._settle = settle
        self._rebuild = rebuild
        self._broken = broken
        self._now = 0

    def start(self, tasks: TaskGroup) -> None:
        """Start the pumps."""
        for lane in self.lanes:
            for _ in range(self._bounds.batches_in_flight):
                tasks.start_soon(self._pump, lane)

    def place(self) -> Lane:
        """Where the next agent goes: the shard with the fewest actors, but a further one only when those in use have enough."""
        used = [lane for lane in self.lanes if lane.actors]
        if used and len(used) < len(self.lanes):
            least = min(used, key=lambda lane: lane.actors)
            if least.actors < self._bounds.actors_before_next_shard:
                return least
        return min(self.lanes, key=lambda lane: lane.actors)

    def not_before(self, now: int) -> None:
        """Guests have seen this time already: they see no earlier one."""
        self._now = max(self._now, now)

    def wake(self, cell: ActorCell) -> None:
        """Let an actor take its turn, if it has an input and is not at it already."""
        if not (cell.queued or cell.busy or cell.home.run.recovering or cell.idle()):
            cell.lane.push(cell)

    def release(self, cell: ActorCell) -> None:
        """The outputs of an actor's step have taken effect: it may take its next turn, behind the others."""
        cell.busy = False
        cell.under_way = None
        self.wake(cell)

    async def _pump(self, lane: Lane) -> None:
        while True:
            await lane.wait()
            cells, batch = self._batch(lane)
            if not batch:
                continue
            lane.in_flight += len(batch)
            try:
                results = await self._run(lane, cells, batch)
            finally:
                lane.in_flight -= len(batch)
            if results is None:
                continue
            self.steps += len(batch)
            await self._settle(list(zip(cells, batch, results, strict=True)))

    def _batch(self, lane: Lane) -> tuple[list[ActorCell], list[StepInput]]:
        cells: list[ActorCell] = []
        batch: list[StepInput] = []
        # Guests see a time that never goes back, whatever is done to the host's clock.
        now = self._now = max(self._now, self._clock.now())
        while lane.ready and len(batch) < self._bounds.batch:
            if lane.ready[0].crashes and batch:
                break
            cell = lane.ready.popleft()
            cell.queued = False
            if cell.idle():  # it lost its inputs while it stood in the queue
                continue
            if cell.generation != lane.shard.generation and not isinstance(cell.next_urgent, Construct | Destroy):
                cell.busy = True
                self._rebuild(cell)
                continue
            body = self._take(cell)
            if body is None:
                continue
            cell.busy = True
            cell.under_way = body
            cell.step += 1
            cells.append(cell)
            # 63 bits: what SQLite and msgpack keep as a plain integer.
            batch.append(StepInput(cell.id, cell.step, now, self._source.getrandbits(63), body))
            if cell.crashes:  # alone, to learn whether it is what the shard dies of
                break
        if lane.ready:
            lane.signal()
        return cells, batch

    def _take(self, cell: ActorCell) -> StepBody | None:
        try:
            return cell.take()
        except VespiaryError as error:  # what was spilled cannot be read again
            self._broken(cell.home.run, error)
            return None

    async def _run(
        self, lane: Lane, cells: Sequence[ActorCell], batch: Sequence[StepInput]
    ) -> Sequence[StepResult] | None:
        """The results; none if the shard was lost with the batch, whose inputs are back in their places then."""
        try:
            results = await lane.shard.run(batch)
            if [(result.actor, result.step) for result in results] != [(step.actor, step.step) for step in batch]:
                raise RuntimeError(f"it gave back other steps than it was given ({len(results)} of {len(batch)})")
        except ShardLost as error:
            return self._lost(lane, cells, batch, error)
        except Exception:  # the shard as a whole is at fault: its actors are rebuilt as after a crash
            logger.exception("A shard failed with %d steps.", len(batch))
            return [_failed(step, SHARD_FAILED) for step in batch]
        lane.losses = 0
        for cell, step, result in zip(cells, batch, results, strict=True):
            cell.crashes = 0
            if result.failure is not None and result.failure.fatal:
                cell.generation = -1
            elif isinstance(step.body, Construct):
                cell.generation = lane.shard.generation
        return results

    def _lost(
        self, lane: Lane, cells: Sequence[ActorCell], batch: Sequence[StepInput], error: ShardLost
    ) -> Sequence[StepResult] | None:
        """Put the inputs back, or let them fail if the shard died of them, or dies of everything."""
        lane.losses += 1
        logger.warning("A shard was lost with %d steps: %s", len(batch), error.reason)
        if lane.losses > self._bounds.shard_losses:
            return [_failed(step, f"{KEEPS_ENDING}: {error.reason}.") for step in batch]
        for cell in cells:
            if not error.killed and error.running in (None, cell.id):
                cell.crashes += 1
                if cell.crashes >= self._bounds.crashes_per_input and len(batch) == 1:
                    cell.crashes = 0
                    return [_failed(batch[0], f"{ENDED_WITH_IT}: {error.reason}.")]
        for cell, step in zip(cells, batch, strict=True):
            cell.step -= 1
            if cell.leaving:
                cell.urgent.clear()
                cell.urgent.append(Destroy())
            else:
                cell.put_back, cell.under_way = step.body, None
            self.release(cell)
        return None


def _failed(step: StepInput, why: str) -> StepResult:
    return StepResult(step.actor, step.step, failure=StepFailure(FailureKind.TRAP, why))
