"""Whose turn it is: a ready queue per shard, and the pumps that carry batches to it and back.

Knows that an actor has at most one step under way, that batches are bounded and never waited for, and that results settle in the
order in which they were committed. Does not know what an input means: cells give inputs, `settle` takes results.
"""

import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import anyio
from anyio.abc import TaskGroup

from vespiary.model.steps import FailureKind, StepFailure, StepInput, StepResult
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell
from vespiary.runtime.clock import Clock
from vespiary.runtime.shard import Shard

logger = logging.getLogger(__name__)

Settled = tuple[ActorCell, StepInput, StepResult]
Settle = Callable[[Sequence[Settled]], Awaitable[None]]


class Lane:
    """A shard and the actors that are ready for it, in the order in which they became so."""

    __slots__ = ("_pumps", "actors", "in_flight", "ready", "shard")

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.ready: deque[ActorCell] = deque()
        self.actors = 0
        """Actors that live here, for placement."""
        self.in_flight = 0
        """Steps that the shard has."""
        self._pumps: list[anyio.Event] = []
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
            woken = anyio.Event()
            self._pumps.append(woken)
            await woken.wait()


class Scheduler:
    """The ready queues and pumps of all shards."""

    def __init__(
        self, shards: Sequence[Shard], clock: Clock, source: random.Random, bounds: Bounds, settle: Settle
    ) -> None:
        self.lanes = [Lane(shard) for shard in shards]
        self.steps = 0
        """Steps that came back, ever."""
        self._clock = clock
        self._source = source
        self._bounds = bounds
        self._settle = settle
        self._now = 0

    def start(self, tasks: TaskGroup) -> None:
        """Start the pumps."""
        for lane in self.lanes:
            for _ in range(self._bounds.batches_in_flight):
                tasks.start_soon(self._pump, lane)

    def place(self) -> Lane:
        """Where the next agent goes: the shard with the fewest actors."""
        return min(self.lanes, key=lambda lane: lane.actors)

    def wake(self, cell: ActorCell) -> None:
        """Let an actor take its turn, if it has an input and is not at it already."""
        if not (cell.queued or cell.busy or cell.idle()):
            cell.lane.push(cell)

    def release(self, cell: ActorCell) -> None:
        """The outputs of an actor's step have taken effect: it may take its next turn, behind the others."""
        cell.busy = False
        self.wake(cell)

    async def _pump(self, lane: Lane) -> None:
        while True:
            await lane.wait()
            cells, batch = self._batch(lane)
            if not batch:
                continue
            lane.in_flight += len(batch)
            try:
                results = await self._run(lane, batch)
            finally:
                lane.in_flight -= len(batch)
            self.steps += len(batch)
            await self._settle(list(zip(cells, batch, results, strict=True)))

    def _batch(self, lane: Lane) -> tuple[list[ActorCell], list[StepInput]]:
        cells: list[ActorCell] = []
        batch: list[StepInput] = []
        # Guests see a time that never goes back, whatever is done to the host's clock.
        now = self._now = max(self._now, self._clock.now())
        while lane.ready and len(batch) < self._bounds.batch:
            cell = lane.ready.popleft()
            cell.queued = False
            body = cell.take()
            if body is None:  # it lost its inputs while it stood in the queue
                continue
            cell.busy = True
            cell.step += 1
            cells.append(cell)
            # 63 bits: what SQLite and msgpack keep as a plain integer.
            batch.append(StepInput(cell.id, cell.step, now, self._source.getrandbits(63), body))
        if lane.ready:
            lane.signal()
        return cells, batch

    async def _run(self, lane: Lane, batch: Sequence[StepInput]) -> Sequence[StepResult]:
        try:
            results = await lane.shard.run(batch)
            if [(result.actor, result.step) for result in results] == [(step.actor, step.step) for step in batch]:
                return results
            logger.error("A shard gave back other steps than it was given (%d of %d).", len(results), len(batch))
        except Exception:  # the shard as a whole is at fault: its actors are rebuilt as after a crash
            logger.exception("A shard failed with %d steps.", len(batch))
        lost = StepFailure(FailureKind.TRAP, "The shard that the actor lives in failed.")
        return [StepResult(step.actor, step.step, failure=lost) for step in batch]
