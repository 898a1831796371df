"""The colony: actors that work, from their making to their end. Puts the parts of the runtime together and owns their tasks.

Knows nothing of editors, models, tools or WebAssembly. One event loop; every method is called on it.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType

import anyio
from anyio.abc import TaskGroup

from vespiary.model.agents import AgentSpec
from vespiary.model.ids import RunId, Scope
from vespiary.runtime.bounds import Bounds, ScopeEnded, SpawnFailed, SpawnRefused
from vespiary.runtime.capability import Capability
from vespiary.runtime.cells import ActorCell, RunCell
from vespiary.runtime.clock import Clock
from vespiary.runtime.deadletters import DeadLetter, DeadLetters
from vespiary.runtime.effects import Effects
from vespiary.runtime.exchange import Exchange
from vespiary.runtime.journal import Journal, MemoryJournal
from vespiary.runtime.lifecycle import Lifecycle
from vespiary.runtime.mailbox import MemorySpill, Spill
from vespiary.runtime.observer import Observer
from vespiary.runtime.population import Population
from vespiary.runtime.readiness import Readiness
from vespiary.runtime.requests import Requests
from vespiary.runtime.router import Router
from vespiary.runtime.scheduler import Scheduler, Settled
from vespiary.runtime.settlement import Settlement
from vespiary.runtime.shard import Shard
from vespiary.runtime.statistics import Statistics
from vespiary.runtime.supervision import Supervisor

__all__ = ["Bounds", "Colony", "ScopeEnded", "SpawnFailed", "SpawnRefused"]


class Colony:
    """An async context manager; leaving it ends every run, cancels every request and closes the shards.

    `capabilities` are the requests that actors may make, by name. `source` gives the seeds of steps and the names of scopes.
    """

    def __init__(
        self,
        *,
        shards: Sequence[Shard],
        capabilities: Mapping[str, Capability],
        observer: Observer,
        clock: Clock,
        source: random.Random,
        journal: Journal | None = None,
        bounds: Bounds | None = None,
        spill: Spill | None = None,
    ) -> None:
        if not shards:
            raise ValueError("a colony needs a shard")
        bounds = bounds or Bounds()
        self._shards = tuple(shards)
        self._tasks: TaskGroup | None = None
        self._closing = False
        self._router: Router[ActorCell] = Router()
        self._dead = DeadLetters(bounds.dead_letters, bounds.dead_letter_bytes)
        self._scheduler = Scheduler(shards, clock, source, bounds, self._settle)
        self._population = Population(bounds, source, spill or MemorySpill(), self._scheduler.place)
        self._exchange = Exchange(self._router, self._scheduler, observer, self._dead, clock, source, self._overfull)
        self._requests = Requests(capabilities, bounds, self._exchange.answer)
        self._lifecycle = Lifecycle(
            self._population, self._router, self._requests, self._scheduler, self._exchange, observer, bounds
        )
        self._supervisor = Supervisor(self._lifecycle, self._exchange, self._requests, observer, bounds)
        effects = Effects(self._exchange, self._requests, self._lifecycle, observer, self._task_group, bounds)
        readiness = Readiness(effects, self._exchange, self._router, self._scheduler)
        self._settlement = Settlement(
            journal or MemoryJournal(), self._lifecycle, self._supervisor, effects, readiness, self._scheduler, bounds
        )

    async def __aenter__(self) -> "Colony":
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._scheduler.start(self._tasks)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        tasks = self._task_group()
        self._closing = True
        try:
            for run in tuple(self._population.runs.values()):
                self._lifecycle.end_run(run, "the colony was closed")
            tasks.cancel_scope.cancel()
            # The block's own failure goes on as it is; the task group would wrap it.
            if isinstance(error, Exception):
                await tasks.__aexit__(None, None, None)
                return False
            return await tasks.__aexit__(kind, error, trace)
        finally:
            with anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as closing:
                    for shard in self._shards:
                        closing.start_soon(shard.close)

    async def spawn(self, agent: AgentSpec, *, run: RunId, parent: Scope | None = None) -> Scope:
        """Make an agent, as a child of `parent` or as the root of a run, and wait until all its actors are ready.

        It is there as a whole or not at all: what its constructors put out takes effect once all of them succeeded.
        Raises `SpawnRefused` when the bounds forbid it, `SpawnFailed` when an actor cannot be made or the run ends meanwhile.
        """
        if self._closing or self._tasks is None:
            raise SpawnRefused("The colony is not running.")
        home = self._population.admit(agent, run, parent)
        barrier = home.barrier
        assert barrier is not None
        for cell in home.actors:
            cell.urgent.append(cell.birth())
            self._scheduler.wake(cell)
        try:
            await barrier.done.wait()
        except BaseException:
            self._lifecycle.end(home, "nobody waits for it any more")
            raise
        if barrier.reason is not None:
            raise SpawnFailed(agent.name, barrier.failed, barrier.reason)
        return home.scope

    def send(self, scope: Scope, message_type: str, payload: str) -> None:
        """Publish a message of the host in a scope. `payload` is JSON text. Raises `ScopeEnded`."""
        self._exchange.host(self._population.scope(scope), message_type, payload)

    async def stop(self, scope: Scope, reason: str) -> None:
        """End a scope and its children. All effects end at once; then waits, within the bounds, until their guests are gone."""
        cell = self._population.scopes.get(scope)
        if cell is not None:
            await self._lifecycle.farewell(cell.run, self._lifecycle.end(cell, reason))

    async def cancel(self, run: RunId) -> None:
        """End everything of a run. Returns within a second, even if guests loop."""
        cell = self._population.runs.get(run)
        if cell is not None:
            self._lifecycle.end_run(cell, "the run was cancelled")
        # Also for those of its agents that had ended before.
        leaving = [actor for actor in self._population.actors.values() if actor.home.run.id == run]
        if leaving:
            await self._lifecycle.farewell(leaving[0].home.run, leaving)

    # Questions

    def parent(self, scope: Scope) -> Scope | None:
        """The scope above; none for the root of a run and for a scope that has ended."""
        cell = self._population.scopes.get(scope)
        return cell.parent.scope if cell is not None and cell.parent is not None else None

    def descendants(self, scope: Scope) -> Iterable[Scope]:
        """The scopes below a scope, children before their parents."""
        cell = self._population.scopes.get(scope)
        return [member.scope for member in cell.family() if member is not cell] if cell is not None else []

    def agent_name(self, scope: Scope) -> str:
        """The name of the agent in a scope. Raises `ScopeEnded`."""
        return self._population.scope(scope).name

    def run_of(self, scope: Scope) -> RunId | None:
        """The run that a scope belongs to; none if it has ended."""
        cell = self._population.scopes.get(scope)
        return cell.run.id if cell is not None else None

    def quiet(self, run: RunId) -> bool:
        """Whether nothing of a run is under way or waits to be: without a message from outside, nothing will ever happen in it."""
        cell = self._population.runs.get(run)
        if cell is None or cell.requests:
            return cell is None
        scopes = cell.scopes.values()
        return all(
            scope.barrier is None and all(not actor.busy and actor.idle() for actor in scope.actors) for scope in scopes
        )

    def dead_letters(self, run: RunId) -> tuple[DeadLetter, ...]:
        """What could not be delivered in a run or was fatal to its receiver, oldest first. Bounded."""
        return self._dead.of(run)

    def statistics(self) -> Statistics:
        """How the colony stands."""
        boxes = [cell.mailbox for cell in self._population.actors.values()]
        return Statistics(
            runs=len(self._population.runs),
            scopes=len(self._population.scopes),
            actors=len(self._population.actors),
            subscriptions=len(self._router),
            ready=sum(len(lane.ready) for lane in self._scheduler.lanes),
            in_flight=sum(lane.in_flight for lane in self._scheduler.lanes),
            waiting=sum(map(len, boxes)),
            spilled=sum(box.spilled for box in boxes),
            waiting_bytes=sum(run.account.held for run in self._population.runs.values()),
            requests=len(self._requests),
            dead_letters=len(self._dead),
            steps=self._scheduler.steps,
            messages=self._exchange.messages,
            deliveries=self._exchange.deliveries,
            failures=self._supervisor.failures,
            restarts=self._supervisor.restarts,
            guest_seconds=self._settlement.busy_ns / 1e9,
        )

    # What the parts need of one another

    async def _settle(self, batch: Sequence[Settled]) -> None:
        await self._settlement(batch)

    def _task_group(self) -> TaskGroup:
        if self._tasks is None:
            raise RuntimeError("the colony is not running")
        return self._tasks

    def _overfull(self, run: RunCell) -> None:
        fullest = max(
            (actor for scope in run.scopes.values() for actor in scope.actors), key=lambda actor: len(actor.mailbox)
        )
        reason = (
            f"more than {run.account.limit // (1024 * 1024)} MiB of messages wait for its actors; "
            f"{len(fullest.mailbox)} of them for {fullest.id}, which is too slow for what it is sent"
        )
        self._lifecycle.end_run(run, reason)
