"""Ends: of a scope with all below it, and of a run. Synchronous, so that nothing takes effect of what has ended.

Knows the order of an end. Dropping the guests is left to their shards, and may be waited for.
"""

from collections.abc import Iterable

import anyio

from vespiary.model.steps import Destroy
from vespiary.model.vocabulary import AGENT_EXITED
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell, Phase, RunCell, ScopeCell
from vespiary.runtime.exchange import Exchange
from vespiary.runtime.observer import Observer
from vespiary.runtime.population import Population
from vespiary.runtime.requests import Requests
from vespiary.runtime.router import Router
from vespiary.runtime.scheduler import Scheduler


class Lifecycle:
    """Ends scopes and runs."""

    def __init__(
        self,
        population: Population,
        router: Router[ActorCell],
        requests: Requests,
        scheduler: Scheduler,
        exchange: Exchange,
        observer: Observer,
        bounds: Bounds,
    ) -> None:
        self._population = population
        self._router = router
        self._requests = requests
        self._scheduler = scheduler
        self._exchange = exchange
        self._observer = observer
        self._bounds = bounds

    def end(self, cell: ScopeCell, reason: str) -> list[ActorCell]:
        """End a scope and everything below it, now. Gives the actors whose guests are being dropped."""
        if cell.ended:
            return []
        family = cell.family()
        # An agent that never was ready is only known to whoever waits for it.
        known = [member for member in family if member.barrier is None]
        for member in family:
            member.ended = True
        self._population.remove(family)
        leaving = [actor for member in family for actor in member.actors if self._retire(actor)]
        for member in family:
            if (barrier := member.barrier) is not None:
                barrier.abandon(reason)
                if member.parent is not None:
                    member.run.unmade[member.scope] = (barrier.failed, barrier.reason or reason)
        for member in known:
            self._observer.exited(member.run.id, member.scope, reason)
        if cell in known and cell.parent is not None and not cell.parent.ended:
            self._exchange.host(cell.parent, AGENT_EXITED, {"scope": cell.scope, "name": cell.name, "reason": reason})
        return leaving

    def end_run(self, run: RunCell, reason: str) -> None:
        """End everything of a run."""
        for root in run.roots:
            self.end(root, reason)

    async def farewell(self, run: RunCell, leaving: Iterable[ActorCell]) -> None:
        """Wait until cancelled requests have cleaned up and the guests are gone, for as long as the bounds allow."""
        with anyio.move_on_after(self._bounds.farewell_seconds):
            await self._requests.quiet(run)
            for cell in leaving:
                if cell.gone is not None:
                    await cell.gone.wait()

    def gone(self, cell: ActorCell) -> None:
        """An actor's guest was dropped."""
        cell.phase = Phase.GONE
        self._population.forget(cell)
        if cell.gone is not None:
            cell.gone.set()

    def _retire(self, cell: ActorCell) -> bool:
        self._router.remove(cell)
        self._requests.cancel_all(cell)
        cell.mailbox.clear()
        cell.urgent.clear()
        cell.phase = Phase.LEAVING
        cell.put_back = None
        if cell.generation != cell.lane.shard.generation and not cell.busy:  # no shard has anything of it
            self.gone(cell)
            return False
        cell.gone = anyio.Event()
        cell.urgent.append(Destroy())
        if cell.busy:
            cell.lane.shard.interrupt(cell.id)
        else:
            self._scheduler.wake(cell)
        return True
