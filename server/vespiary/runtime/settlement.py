"""What a step's result changes: commit first, then let its outputs take effect, in the order of the commits.

Knows every kind of input. What an output does is known by `effects`, what becomes of a failure by `supervision`.
"""

import logging
from collections.abc import Sequence

import anyio

from vespiary.model.steps import (
    Answer,
    Construct,
    Deliver,
    Destroy,
    Restore,
    StepInput,
    StepResult,
    TakeSnapshot,
)
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell
from vespiary.runtime.effects import Effects
from vespiary.runtime.journal import Journal
from vespiary.runtime.lifecycle import Lifecycle
from vespiary.runtime.readiness import Readiness
from vespiary.runtime.scheduler import Scheduler, Settled
from vespiary.runtime.supervision import Supervisor

logger = logging.getLogger(__name__)


class Settlement:
    """Settles the results of batches."""

    def __init__(
        self,
        journal: Journal,
        lifecycle: Lifecycle,
        supervisor: Supervisor,
        effects: Effects,
        readiness: Readiness,
        scheduler: Scheduler,
        bounds: Bounds,
    ) -> None:
        self._journal = journal
        self._lifecycle = lifecycle
        self._supervisor = supervisor
        self._effects = effects
        self._readiness = readiness
        self._scheduler = scheduler
        self._bounds = bounds
        self._committed = 0
        self._settled = 0
        self._turns: dict[int, anyio.Event] = {}
        """Batches that wait for those before them, by their number."""
        self.busy_ns = 0

    async def __call__(self, batch: Sequence[Settled]) -> None:
        """Commit a batch and let it take effect. What its actors' scopes' end has overtaken is discarded."""
        number = self._committed
        self._committed += 1
        try:
            await self._commit(batch)
            if self._settled != number:
                turn = self._turns[number] = anyio.Event()
                await turn.wait()
            for cell, step, result in batch:
                try:
                    await self._settle(cell, step, result)
                except Exception:  # the actor boundary: a fault of ours ends the run that met it, not the colony
                    logger.exception("Step %d of %s in run %s", step.step, cell.id, cell.home.run.id)
                    self._lifecycle.end_run(cell.home.run, "something in Vespiary itself failed; its log says what")
                self._scheduler.release(cell)
        finally:
            self._settled = number + 1
            if (following := self._turns.pop(self._settled, None)) is not None:
                following.set()

    async def _commit(self, batch: Sequence[Settled]) -> None:
        living = [(step, result) for cell, step, result in batch if not cell.leaving]
        if not living:
            return
        try:
            await self._journal.commit(living)
        except Exception as error:  # without a journal nothing may take effect
            logger.exception("The journal did not take %d steps", len(living))
            for cell, _, _ in batch:
                self._lifecycle.end_run(cell.home.run, f"its journal could not be written: {error}")

    async def _settle(self, cell: ActorCell, step: StepInput, result: StepResult) -> None:
        body, failure = step.body, result.failure
        self.busy_ns += result.busy_ns
        if cell.leaving:
            if isinstance(body, Destroy):
                self._lifecycle.gone(cell)
            return
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
            await self._readiness.made(cell, body, result)
            return
        await self._effects.apply(cell, result.outputs)
        if failure is not None and not cell.leaving:
            self._supervisor.stumbled(cell, failure)
        if isinstance(body, TakeSnapshot):
            cell.snapshot = result.state if result.state is not None else cell.snapshot
        elif isinstance(body, Deliver | Answer):
            self._count(cell)

    def _count(self, cell: ActorCell) -> None:
        every = self._bounds.snapshot_every
        if every is not None and not cell.leaving:
            cell.since_snapshot += 1
            if cell.since_snapshot >= every:
                cell.since_snapshot = 0
                cell.urgent.append(TakeSnapshot())
