"""The colony: actors that work, from their making to their end. Puts the parts of the runtime together and owns their tasks.

Knows nothing of editors, models, tools or WebAssembly. One event loop; every method is called on it.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import TaskGroup

from vespiary.model.agents import AgentSpec
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.steps import Answer, TakeSnapshot
from vespiary.runtime.bounds import Bounds, ScopeEnded, SpawnFailed, SpawnRefused
from vespiary.runtime.capability import Capability
from vespiary.runtime.cells import ActorCell, RunCell, ScopeCell
from vespiary.runtime.clock import Clock
from vespiary.runtime.cutting import Cutting
from vespiary.runtime.deadletters import DeadLetter, DeadLetters
from vespiary.runtime.effects import Effects
from vespiary.runtime.entries import Cause, First, Spawn, answer_entry
from vespiary.runtime.exchange import Exchange
from vespiary.runtime.journal import Entry, Journal, MemoryJournal
from vespiary.runtime.lifecycle import Lifecycle
from vespiary.runtime.mailbox import MemorySpill, Spill
from vespiary.runtime.observer import Observer
from vespiary.runtime.outline import Outline, outline_of
from vespiary.runtime.population import Population
from vespiary.runtime.readiness import Readiness
from vespiary.runtime.rebuilding import Rebuilder
from vespiary.runtime.recovery import OnNote, Recovery, begin
from vespiary.runtime.requests import Requests
from vespiary.runtime.router import Router
from vespiary.runtime.scheduler import Scheduler, Settled
from vespiary.runtime.sequencer import Sequencer
from vespiary.runtime.settlement import Settlement
from vespiary.runtime.shard import Shard
from vespiary.runtime.spill import JournalSpill
from vespiary.runtime.statistics import Statistics
from vespiary.runtime.supervision import Supervisor

__all__ = ["Bounds", "Colony", "ScopeEnded", "SpawnFailed", "SpawnRefused"]


_NOTES = 64
"""Facts of a run after which those that are worthless are forgotten."""


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
        journal = journal or MemoryJournal()
        self._shards = tuple(shards)
        self._observer = observer
        self._tasks: TaskGroup | None = None
        self._closing = False
        self._router: Router[ActorCell] = Router()
        self._dead = DeadLetters(bounds.dead_letters, bounds.dead_letter_bytes)
        self._sequencer = Sequencer(journal, self._failed)
        self._rebuilder = Rebuilder(journal, self._task_group, self._get_scheduler, bounds, self._lost)
        self._scheduler = Scheduler(
            shards, clock, source, bounds, self._settle, self._rebuilder.start, self._unreadable
        )
        if spill is None:
            spill = JournalSpill(journal) if journal.keeps else MemorySpill()
        self._population = Population(bounds, source, spill, self._scheduler.place)
        self._exchange = Exchange(self._router, self._scheduler, observer, self._dead, clock, self._overfull)
        self._requests = Requests(capabilities, bounds, self._answered)
        self._lifecycle = Lifecycle(
            self._population, self._router, self._requests, self._scheduler, self._exchange, observer, bounds
        )
        self._supervisor = Supervisor(
            self._lifecycle, self._exchange, self._requests, observer, bounds, keeps=journal.keeps
        )
        effects = Effects(self._exchange, self._requests, self._lifecycle, observer, self._task_group, bounds)
        readiness = Readiness(effects, self._exchange, self._router, self._scheduler)
        self._settlement = Settlement(
            self._sequencer,
            self._lifecycle,
            self._supervisor,
            effects,
            readiness,
            self._scheduler,
            bounds,
            keeps=journal.keeps,
        )
        self._cutting = Cutting(journal, self._sequencer, self._requests, self._rebuilder, self._task_group, bounds)
        self._sequencer.after = self._cutting.consider
        self._recovery = Recovery(
            self._population,
            self._exchange,
            self._requests,
            self._lifecycle,
            self._supervisor,
            self._settlement,
            self._scheduler,
            self._router,
        )

    async def __aenter__(self) -> "Colony":
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._scheduler.start(self._tasks)
        self._tasks.start_soon(self._sequencer.work, name="sequencer")
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

    async def spawn(
        self,
        agent: AgentSpec,
        *,
        run: RunId,
        parent: Scope | None = None,
        cause: Cause | None = None,
        first: Sequence[First] = (),
        states: Mapping[str, str] | None = None,
        admitted: Callable[[Scope], None] | None = None,
    ) -> Scope:
        """Make an agent, as a child of `parent` or as the root of a run, and wait until all its actors are ready.

        It is there as a whole or not at all: what its constructors put out takes effect once all of them succeeded. `first` is what
        it hears then; `states` are snapshots that its actors, by name, begin with. An agent with a `cause` is made only once: asked
        again after a crash, gives the one that was made for it. `admitted` hears the scope before anything happens in it.
        Raises `SpawnRefused` when the bounds forbid it, `SpawnFailed` when an actor cannot be made or the run ends meanwhile.
        """
        if self._closing or self._tasks is None:
            raise SpawnRefused("The colony is not running.")
        known = self._population.runs.get(run)
        if cause is not None and known is not None and (made := known.causes.get(cause)) is not None:
            if (unmade := known.unmade.get(made)) is not None:
                raise SpawnFailed(agent.name, *unmade)
            return await self.ready(made, agent.name)
        home = self._population.admit(agent, run, parent, tuple(first))
        wish = Spawn(home.scope, agent.name, parent, agent.actors, cause, tuple(first), states)
        if cause is not None:
            home.run.causes[cause] = home.scope
        if admitted is not None:
            admitted(home.scope)

        async def apply(_: Sequence[int]) -> None:
            if not home.ended:
                begin(home.actors, wish)
                for cell in home.actors:
                    self._scheduler.wake(cell)

        self._sequencer.submit([(home.run, wish.entry(home.run.specs))], apply)
        try:
            return await self.ready(home.scope, agent.name)
        except anyio.get_cancelled_exc_class():
            if not home.ended:  # where the whole run ends here, it may be resumed, and the agent is wanted then
                self._end_later(home, "nobody waits for it any more")
            raise

    async def ready(self, scope: Scope, name: str) -> Scope:
        """Wait until all actors of an agent are ready. Raises `SpawnFailed` if it does not come to that."""
        home = self._population.scopes.get(scope)
        barrier = home.barrier if home is not None else None
        if barrier is not None:
            await barrier.done.wait()
            if barrier.reason is not None:
                raise SpawnFailed(name, barrier.failed, barrier.reason)
        return scope

    def send(self, scope: Scope, message_type: str, payload: str) -> None:
        """Publish a message of the host in a scope. `payload` is JSON text. Raises `ScopeEnded`."""
        home = self._population.scope(scope)

        async def apply(_: Sequence[int]) -> None:
            if not home.ended:
                self._exchange.host(home, message_type, payload)

        self._sequencer.submit([(home.run, ("post", scope, message_type, payload))], apply)

    async def note(self, run: RunId, kind: str, data: Any, until: Cause | None = None) -> None:
        """Keep a fact with a run: plain data that `recover` gives back. Kept once this returns; not of a run that has ended.

        `until` is a request with whose answer the fact becomes worthless.
        """
        home = self._population.runs.get(run)
        if home is not None:

            async def apply(_: Sequence[int]) -> None:
                home.notes.append((kind, data, until))
                if len(home.notes) % _NOTES == 0:
                    home.notes = [each for each in home.notes if each[2] is None or self.asks(*each[2])]

            await self._sequencer.through(home, ("note", kind, data, until), apply)

    async def snapshots(self, scope: Scope) -> dict[str, str]:
        """The states of the actors of an agent, by name; of those that have one now. Wait for it within bounds of your own."""
        home = self._population.scopes.get(scope)
        if home is None or home.barrier is not None:
            return {}
        states: dict[str, str] = {}
        missing = len(home.actors)
        done = anyio.Event()

        def take(name: str, state: str | None) -> None:
            nonlocal missing
            if state is not None:
                states[name] = state
            missing -= 1
            if not missing:
                done.set()

        for cell in home.actors:
            cell.asked.append(partial(take, cell.spec.name))
            cell.urgent.append(TakeSnapshot())
            self._scheduler.wake(cell)
        await done.wait()
        return states

    async def stop(self, scope: Scope, reason: str) -> None:
        """End a scope and its children. All effects end at once; then waits, within the bounds, until their guests are gone."""
        cell = self._population.scopes.get(scope)
        if cell is None:
            return
        leaving: list[ActorCell] = []

        async def apply(_: Sequence[int]) -> None:
            leaving.extend(self._lifecycle.end(cell, reason))

        await self._sequencer.through(cell.run, ("end", scope, reason), apply)
        await self._lifecycle.farewell(cell.run, leaving)

    async def recover(self, run: RunId, entries: Iterable[tuple[int, Entry]], on_note: OnNote) -> Sequence[Scope]:
        """Make a run again from the entries of its journal, and leave it at rest; gives the scopes of its root agents.

        Nothing if all of it has ended. Raises `JournalDiverged` and whatever `entries` raises.
        """
        if run in self._population.runs:
            raise ValueError(f"the run {run} lives here already")
        if (leaving := self._leaving(run)) and await self._farewell(leaving):
            raise SpawnRefused("The run has not quite ended here yet.", hint="Try again in a moment.")
        found = await self._recovery.fold(run, entries, on_note)
        return [root.scope for root in found.roots] if found is not None else []

    def resume(self, run: RunId) -> None:
        """Set a recovered run going: actors go on with what waits for them, requests that may be are begun again."""
        home = self._population.runs.get(run)
        if home is not None:
            self._recovery.resume(self._task_group(), home)

    async def cancel(self, run: RunId) -> None:
        """End everything of a run. Returns within a second, even if guests loop."""
        cell = self._population.runs.get(run)
        if cell is not None:
            self._lifecycle.end_run(cell, "the run was cancelled")
        # Also for those of its agents that had ended before.
        await self._farewell(self._leaving(run))

    def _leaving(self, run: RunId) -> list[ActorCell]:
        return [actor for actor in self._population.actors.values() if actor.home.run.id == run]

    async def _farewell(self, leaving: list[ActorCell]) -> bool:
        """Wait for guests to be gone, within the bounds. Whether some are not."""
        if leaving:
            await self._lifecycle.farewell(leaving[0].home.run, leaving)
        return any(actor.gone is not None and not actor.gone.is_set() for actor in leaving)

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

    def asks(self, actor: ActorId, request: int) -> bool:
        """Whether a request is under way."""
        cell = self._population.actors.get(actor)
        return cell is not None and self._requests.has(cell, request)

    def quiet(self, run: RunId) -> bool:
        """Whether nothing of a run is under way or waits to be: without a message from outside, nothing will ever happen in it."""
        cell = self._population.runs.get(run)
        if cell is None or cell.requests or cell.pending:
            return cell is None
        scopes = cell.scopes.values()
        return all(
            scope.barrier is None and all(not actor.busy and actor.idle() for actor in scope.actors) for scope in scopes
        )

    def outline(self, run: RunId) -> Outline | None:
        """How a run stands: its agents, what waits for their actors, and what those wait for. None if nothing of it lives."""
        cell = self._population.runs.get(run)
        return outline_of(cell, self._requests) if cell is not None else None

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

    def _get_scheduler(self) -> Scheduler:
        return self._scheduler

    def _answered(self, cell: ActorCell, answer: Answer) -> None:
        async def apply(_: Sequence[int]) -> None:
            if self._requests.close(cell, answer.request):
                self._exchange.answer(cell, answer)

        self._sequencer.submit([(cell.home.run, answer_entry(cell.id, answer))], apply)

    def _end_later(self, home: ScopeCell, reason: str) -> None:
        async def apply(_: Sequence[int]) -> None:
            self._lifecycle.end(home, reason)

        self._sequencer.submit([(home.run, ("end", home.scope, reason))], apply)

    async def _lost(self, cell: ActorCell, reason: str, state: str | None) -> None:
        async def apply(_: Sequence[int]) -> None:
            self._supervisor.lost(cell, reason, state)
            self._scheduler.release(cell)

        await self._sequencer.through(cell.home.run, ("lost", cell.id, reason, state), apply)

    def _failed(self, run: RunCell, error: BaseException, journal: bool) -> None:
        if journal:
            if isinstance(error, VespiaryError) and not run.ended:
                self._observer.broken(run.id, error)
            self._lifecycle.end_run(run, f"its journal could not be written: {error}")
        else:
            self._lifecycle.end_run(run, "something in Vespiary itself failed; its log says what")

    def _unreadable(self, run: RunCell, error: VespiaryError) -> None:
        self._observer.broken(run.id, error)
        self._lifecycle.end_run(run, f"its journal could not be read: {error}")

    def _overfull(self, run: RunCell) -> None:
        fullest = max(
            (actor for scope in run.scopes.values() for actor in scope.actors), key=lambda actor: len(actor.mailbox)
        )
        reason = (
            f"more than {run.account.limit // (1024 * 1024)} MiB of messages wait for its actors; "
            f"{len(fullest.mailbox)} of them for {fullest.id}, which is too slow for what it is sent"
        )
        self._lifecycle.end_run(run, reason)
