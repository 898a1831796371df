"""What a step's result changes: commit first, then let its outputs take effect, in the order of the commits.

Knows every kind of input. What an output does is known by `effects`, what becomes of a failure by `supervision`. `settle` is the
same when a run is rebuilt from its journal, so that what follows from a step then is what followed from it at first.
"""

from array import array
from collections.abc import Sequence

from vespiary.model.steps import (
    Answer,
    Construct,
    Deliver,
    Destroy,
    Request,
    Restore,
    Send,
    StepInput,
    StepResult,
    TakeSnapshot,
)
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell
from vespiary.runtime.effects import Effects
from vespiary.runtime.entries import step_entry
from vespiary.runtime.lifecycle import Lifecycle
from vespiary.runtime.readiness import Readiness
from vespiary.runtime.scheduler import Scheduler, Settled
from vespiary.runtime.sequencer import Sequencer
from vespiary.runtime.supervision import Supervisor


class Settlement:
    """Settles the results of batches."""

    def __init__(
        self,
        sequencer: Sequencer,
        lifecycle: Lifecycle,
        supervisor: Supervisor,
        effects: Effects,
        readiness: Readiness,
        scheduler: Scheduler,
        bounds: Bounds,
        *,
        keeps: bool,
    ) -> None:
        self._sequencer = sequencer
        self._lifecycle = lifecycle
        self._supervisor = supervisor
        self._effects = effects
        self._readiness = readiness
        self._scheduler = scheduler
        self._bounds = bounds
        self._keeps = keeps
        self.busy_ns = 0

    async def __call__(self, batch: Sequence[Settled]) -> None:
        """Commit a batch and let it take effect. What its actors' scopes' end has overtaken is discarded."""
        living = [(cell, step, result) for cell, step, result in batch if not cell.leaving]
        gone = [each for each in batch if each[0].leaving]

        async def apply(numbers: Sequence[int]) -> None:
            for (cell, step, result), number in zip(living, numbers, strict=True):
                try:
                    await self.settle(cell, number, step, result)
                finally:
                    self._scheduler.release(cell)
            for cell, step, result in gone:
                await self.settle(cell, 0, step, result)
                self._scheduler.release(cell)

        entries = [(cell.home.run, step_entry(step, result)) for cell, step, result in living]
        for cell, step, result in living:
            cell.home.run.bytes += _size(step, result)
        await self._sequencer.submit(entries, apply).done.wait()

    async def settle(self, cell: ActorCell, number: int, step: StepInput, result: StepResult) -> None:
        """Let a step take effect that the journal keeps as the entry `number`."""
        body, failure = step.body, result.failure
        self.busy_ns += result.busy_ns
        if cell.leaving:
            if isinstance(body, Destroy):
                self._lifecycle.gone(cell)
            return
        _remember(cell, number, step, result)
        if failure is not None and (failure.fatal or isinstance(body, Construct | Restore)):
            await self._effects.logs(cell, result.outputs)
            if cell.leaving:
                return
            if cell.home.barrier is not None:
                self._supervisor.unborn(cell, failure)
            else:
                self._supervisor.died(cell, body, failure)
            return
        if isinstance(body, Construct | Restore):
            await self._readiness.made(cell, number, step, result)
            return
        await self._effects.apply(cell, number, step.now, result.outputs)
        if failure is not None and not cell.leaving:
            self._supervisor.stumbled(cell, failure)
        if isinstance(body, TakeSnapshot):
            if not self._keeps:
                cell.snapshot = result.state if result.state is not None else cell.snapshot
            asked, cell.asked = cell.asked, []
            for each in asked:
                each(result.state)
        elif isinstance(body, Deliver | Answer):
            self._count(cell)

    def _count(self, cell: ActorCell) -> None:
        every = self._bounds.snapshot_every
        if every is not None and not cell.leaving:
            cell.since_snapshot += 1
            if cell.since_snapshot >= every:
                cell.since_snapshot = 0
                cell.urgent.append(TakeSnapshot())


def _size(step: StepInput, result: StepResult) -> int:
    body = step.body
    size = (
        len(body.envelope.payload)
        if isinstance(body, Deliver)
        else len(body.payload)
        if isinstance(body, Answer)
        else 0
    )
    return size + sum(len(each.payload) for each in result.outputs if isinstance(each, Send | Request)) + 200


def _remember(cell: ActorCell, number: int, step: StepInput, result: StepResult) -> None:
    """Keep what the instance can be rebuilt from. A step that was fatal is no part of it: the instance never took it."""
    body, failure = step.body, result.failure
    if failure is not None and failure.fatal:
        return
    if isinstance(body, Construct):
        cell.born, cell.saved, cell.history = (number if failure is None else 0), 0, array("Q")
    elif isinstance(body, TakeSnapshot) and result.state is not None:
        cell.saved, cell.history = number, array("Q")
    else:
        cell.history.append(number)
