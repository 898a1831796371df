"""What a step's result changes: commit first, then let its outputs take effect, in the order of the commits.

Knows every kind of input and output. Lets the event loop breathe: a bounded number of outputs take effect at a time.
"""

import json
import logging
from collections.abc import Callable, Sequence

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from vespiary.model.steps import (
    Answer,
    CancelRequest,
    Construct,
    Deliver,
    Description,
    Destroy,
    Log,
    Output,
    Request,
    Restore,
    Send,
    StepInput,
    StepResult,
    TakeSnapshot,
)
from vespiary.model.vocabulary import ACTOR_READY, AGENT_EXIT, AGENT_READY, AGENT_SPAWNED
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell, Phase, ScopeCell
from vespiary.runtime.exchange import Exchange
from vespiary.runtime.journal import Journal
from vespiary.runtime.lifecycle import Lifecycle
from vespiary.runtime.observer import Observer
from vespiary.runtime.requests import Requests
from vespiary.runtime.router import Router
from vespiary.runtime.scheduler import Scheduler, Settled
from vespiary.runtime.supervision import Supervisor

logger = logging.getLogger(__name__)


class Settlement:
    """Settles the results of batches. `tasks` is where requests are started."""

    def __init__(
        self,
        journal: Journal,
        lifecycle: Lifecycle,
        supervisor: Supervisor,
        exchange: Exchange,
        requests: Requests,
        router: Router[ActorCell],
        scheduler: Scheduler,
        observer: Observer,
        tasks: Callable[[], TaskGroup],
        bounds: Bounds,
    ) -> None:
        self._journal = journal
        self._lifecycle = lifecycle
        self._supervisor = supervisor
        self._exchange = exchange
        self._requests = requests
        self._router = router
        self._scheduler = scheduler
        self._observer = observer
        self._tasks = tasks
        self._bounds = bounds
        self._committed = 0
        self._settled = 0
        self._turns: dict[int, anyio.Event] = {}
        """Batches that wait for those before them, by their number."""
        self._spent = 0
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
            await self._apply(cell, [output for output in result.outputs if isinstance(output, Log)])
            if cell.leaving:
                return
            if cell.home.barrier is not None:
                self._supervisor.unborn(cell, failure)
            else:
                self._supervisor.died(cell, body, failure)
            return
        if isinstance(body, Construct | Restore):
            await self._made(cell, body, result)
            return
        await self._apply(cell, result.outputs)
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

    # Becoming ready

    async def _made(self, cell: ActorCell, body: Construct | Restore, result: StepResult) -> None:
        if result.description is not None or isinstance(body, Construct):
            cell.description = result.description or Description()
        barrier = cell.home.barrier
        if barrier is not None:
            await self._apply(cell, [output for output in result.outputs if isinstance(output, Log)])
            barrier.held.append((cell, tuple(output for output in result.outputs if not isinstance(output, Log))))
            barrier.missing -= 1
            if not barrier.missing:
                await self._open(cell.home)
            return
        if isinstance(body, Construct) and cell.snapshot is not None:
            cell.urgent.append(Restore(cell.snapshot))
        else:
            self._listen(cell)
            self._exchange.host(cell.home, ACTOR_READY, {"actor": cell.id})
        await self._apply(cell, result.outputs)

    async def _open(self, home: ScopeCell) -> None:
        """Every actor of an agent is made: what their constructors put out takes effect, then everybody is told."""
        barrier, home.barrier = home.barrier, None
        assert barrier is not None
        for cell in home.actors:
            self._listen(cell)
        for cell, outputs in barrier.held:
            await self._apply(cell, outputs)
        self._announce(home)
        if home.ended:
            barrier.abandon("it ended as soon as it had started.")
        barrier.done.set()

    def _announce(self, home: ScopeCell) -> None:
        names = [cell.spec.name for cell in home.actors]
        tools = [
            {"name": tool.name, "description": tool.description, "parameters": _schema(tool.parameters)}
            for cell in home.actors
            if cell.description is not None
            for tool in cell.description.tools
        ]
        about = {"scope": home.scope, "name": home.name, "actors": names}
        for cell in home.actors:
            if not home.ended:
                self._exchange.host(home, ACTOR_READY, {"actor": cell.id})
        if not home.ended:
            self._exchange.host(home, AGENT_READY, {**about, "tools": tools})
        if home.parent is not None and not home.ended:
            self._exchange.host(home.parent, AGENT_SPAWNED, {**about, "parent": home.parent.scope})

    def _listen(self, cell: ActorCell) -> None:
        if cell.leaving or cell.description is None:
            return
        self._router.remove(cell)
        self._router.add(cell, cell.home.run.id, cell.home.scope, cell.description.subscriptions)
        cell.phase = Phase.LIVE
        self._scheduler.wake(cell)

    # Outputs

    async def _apply(self, cell: ActorCell, outputs: Sequence[Output]) -> None:
        farewell: str | None = None
        for output in outputs:
            if cell.leaving:
                return
            spent = 1
            if isinstance(output, Send):
                spent += self._exchange.send(cell, output)
                if output.type == AGENT_EXIT and output.to in (None, cell.home.scope):
                    farewell = farewell or _reason(output.payload)
            elif isinstance(output, Request):
                self._requests.start(self._tasks(), cell, output)
            elif isinstance(output, CancelRequest):
                self._requests.cancel(cell, output.id)
            else:
                self._observer.log(cell.home.run.id, cell.id, output)
            await self._breathe(spent)
        if farewell is not None:
            self._lifecycle.end(cell.home, farewell)
        await self._breathe(1)

    async def _breathe(self, spent: int) -> None:
        """Let the event loop do something else once enough took effect."""
        self._spent += spent
        if self._spent >= self._bounds.turn:
            self._spent = 0
            await checkpoint()


def _reason(payload: str) -> str:
    try:
        reason = json.loads(payload)["reason"]
    except (ValueError, TypeError, KeyError, RecursionError):
        reason = None
    return reason[:500] if isinstance(reason, str) and reason else "it is done"


def _schema(parameters: str) -> object:
    try:
        return json.loads(parameters)
    except (ValueError, RecursionError):
        return {}
