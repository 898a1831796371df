"""Makes a run again from its journal: every entry is applied as it was at first, but no guest runs and no request is begun.

What is left then is the run as it stood when its process ended: messages that wait, requests without an answer. `resume` sets it
going. Knows every kind of entry. Does not know what the owner's notes mean, or where entries come from.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from vespiary.model.agents import AgentSpec
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.steps import Answer, Construct, Deliver, Restore, StepBody, TakeSnapshot
from vespiary.runtime.cells import ActorCell, Phase, RunCell
from vespiary.runtime.checkpoint import read_actor, read_run
from vespiary.runtime.entries import JournalDiverged, Spawn, read_answer, read_step
from vespiary.runtime.exchange import Exchange
from vespiary.runtime.journal import Entry
from vespiary.runtime.lifecycle import Lifecycle
from vespiary.runtime.population import Population
from vespiary.runtime.requests import Requests
from vespiary.runtime.router import Router
from vespiary.runtime.scheduler import Scheduler
from vespiary.runtime.settlement import Settlement
from vespiary.runtime.supervision import Supervisor

OnNote = Callable[[str, Any], None]
"""Hears the owner's notes again, in order: kind and data."""

_TURN = 64
"""Entries that are applied before the event loop may do something else."""


class Recovery:
    """Rebuilds runs in a colony that may have others."""

    def __init__(
        self,
        population: Population,
        exchange: Exchange,
        requests: Requests,
        lifecycle: Lifecycle,
        supervisor: Supervisor,
        settlement: Settlement,
        scheduler: Scheduler,
        router: Router[ActorCell],
    ) -> None:
        self._population = population
        self._exchange = exchange
        self._requests = requests
        self._lifecycle = lifecycle
        self._supervisor = supervisor
        self._settlement = settlement
        self._scheduler = scheduler
        self._router = router

    async def fold(self, run_id: RunId, entries: Iterable[tuple[int, Entry]], on_note: OnNote) -> RunCell | None:
        """Apply the entries of a run that does not live here. None if nothing of it lives any more after them.

        Raises `JournalDiverged` when they do not fit together, and what `entries` raises; then nothing of the run is left here.
        """
        run = self._population.home(run_id)
        run.recovering = True
        known = entries if isinstance(entries, Sequence) else list(entries)
        after = 0
        try:
            if (found := last_checkpoint(known)) is not None:
                number, after, state = found
                run.checkpoint = number
                try:
                    self._begin_at(run, state, on_note)
                except (ValueError, TypeError, IndexError, LookupError) as error:
                    raise JournalDiverged(number, f"the checkpoint cannot be understood: {error}") from error
            expected = known[0][0] if after and known else 1
            if expected > after + 1:
                raise JournalDiverged(after + 1, f"the journal begins with entry {expected}")
            for number, entry in known:
                if number != expected:
                    raise JournalDiverged(expected, f"entry {number} follows instead")
                expected += 1
                run.entries = run.applied = number
                if number <= after:
                    continue
                try:
                    await self._apply(run, number, entry, on_note)
                except (ValueError, TypeError, IndexError, LookupError) as error:
                    raise JournalDiverged(number, f"it cannot be understood: {error}") from error
                if number % _TURN == 0:
                    await checkpoint()
        except BaseException:
            self._abandon(run)
            raise
        if not run.scopes:
            self._abandon(run)
            return None
        return run

    def resume(self, tasks: TaskGroup, run: RunCell) -> None:
        """Set a rebuilt run going."""
        self._requests.resume(tasks, run)
        run.recovering = False
        for scope in run.scopes.values():
            for cell in scope.actors:
                # Snapshots are taken when it is time again.
                cell.urgent = type(cell.urgent)(body for body in cell.urgent if not isinstance(body, TakeSnapshot))
                self._scheduler.wake(cell)

    def _abandon(self, run: RunCell) -> None:
        self._lifecycle.end_run(run, "it could not be rebuilt")
        run.ended = True
        if self._population.runs.get(run.id) is run:
            del self._population.runs[run.id]

    async def _apply(self, run: RunCell, number: int, entry: Entry, on_note: OnNote) -> None:
        tag = entry[0]
        if tag == "step":
            await self._step(run, number, entry)
        elif tag == "answer":
            actor, answer = read_answer(entry)
            cell = self._population.actors.get(actor)
            if cell is not None and not cell.leaving and self._requests.close(cell, answer.request):
                self._exchange.answer(cell, answer)
        elif tag == "spawn":
            self._spawn(run, Spawn.of(entry, run.specs))
        elif tag == "post":
            _, scope, message_type, payload = entry
            place = run.scopes.get(Scope(scope))
            if place is not None:
                self._exchange.host(place, message_type, payload)
        elif tag == "end":
            _, scope, reason = entry
            place = run.scopes.get(Scope(scope))
            if place is not None:
                self._lifecycle.end(place, reason)
        elif tag == "lost":
            _, actor, reason, state = entry
            cell = self._population.actors.get(ActorId(actor))
            if cell is not None:
                self._supervisor.lost(cell, reason, state)
        elif tag == "note":
            _, kind, data, until = entry
            run.notes.append((kind, data, None if until is None else (ActorId(until[0]), until[1])))
            on_note(kind, data)
        elif tag not in ("kept", "checkpoint"):
            raise ValueError(f"there is no entry of the kind {tag!r}")

    def _begin_at(self, run: RunCell, state: dict[str, Any], on_note: OnNote) -> None:
        """Let the run be what a checkpoint says."""
        agents = read_run(run, state)
        for kind, data, _ in run.notes:
            on_note(kind, data)
        for scope, parent, agent, actors in agents:
            if scope in self._population.scopes:
                raise ValueError(f"the scope {scope} is taken")
            above = run.scopes[parent] if parent is not None else None
            home = self._population.add(scope, agent, run.id, above)
            home.barrier = None
            for cell, packed in zip(home.actors, actors, strict=True):
                for request, asked in read_actor(cell, packed):
                    self._requests.start(None, cell, request, asked)
                if cell.description is not None and cell.phase is Phase.LIVE:
                    self._router.add(cell, run.id, scope, cell.description.subscriptions)

    def _spawn(self, run: RunCell, spawn: Spawn) -> None:
        above = run.scopes.get(spawn.parent) if spawn.parent is not None else None
        if spawn.cause is not None:
            run.causes[spawn.cause] = spawn.scope
        if spawn.parent is not None and above is None:
            return  # its parent had ended before it was begun
        if spawn.scope in self._population.scopes:
            raise ValueError(f"the scope {spawn.scope} is taken")
        home = self._population.add(spawn.scope, AgentSpec(spawn.name, spawn.actors), run.id, above, spawn.first)
        begin(home.actors, spawn)

    async def _step(self, run: RunCell, number: int, entry: Entry) -> None:
        cell = self._population.actors.get(ActorId(entry[1]))
        if cell is None or cell.leaving:
            return  # its scope's end overtook it
        if cell.home.run is not run:
            raise ValueError(f"{cell.id} is an actor of another run")
        step, result = read_step(entry, cell.spec)
        found = _consume(cell, step.body)
        if found != step.body and not isinstance(step.body, TakeSnapshot):
            what = f"{cell.id} consumed {_named(step.body)} then, and {_named(found)} waits for it now"
            raise JournalDiverged(number, what)
        if step.step != cell.step + 1:
            raise JournalDiverged(number, f"step {step.step} of {cell.id} follows its step {cell.step}")
        cell.step = step.step
        self._scheduler.not_before(step.now)
        await self._settlement.settle(cell, number, step, result)


def last_checkpoint(entries: Sequence[tuple[int, Entry]]) -> tuple[int, int, dict[str, Any]] | None:
    """The last checkpoint among some entries: its number, the entry after which it stands, and the run then."""
    for number, entry in reversed(entries):
        if entry[0] == "checkpoint":
            _, after, state = entry
            return number, after, state
    return None


def root_of(entries: Sequence[tuple[int, Entry]]) -> Scope | None:
    """The scope of a run's first root agent, whether it lives or not; none if it was never begun."""
    found = last_checkpoint(entries)
    if found is not None and (scopes := found[2]["scopes"]):
        return Scope(scopes[0]["scope"])
    return next((Scope(entry[1]) for _, entry in entries if entry[0] == "spawn" and entry[3] is None), None)


def begin(actors: Iterable[ActorCell], spawn: Spawn) -> None:
    """Let the actors of an agent be made, with the states that they begin with."""
    for cell in actors:
        cell.state = (spawn.states or {}).get(cell.spec.name)
        cell.urgent.append(cell.birth())


def _consume(cell: ActorCell, body: StepBody) -> StepBody | None:
    """Take the recorded input from where it must be waiting."""
    if isinstance(body, Answer):
        return cell.mailbox.take_answer(body.request)
    first = cell.urgent[0] if cell.urgent else None
    if isinstance(body, Deliver):
        return cell.urgent.popleft() if isinstance(first, Deliver) else cell.mailbox.take_letter()
    if isinstance(body, Construct | Restore) or isinstance(first, TakeSnapshot):
        return cell.urgent.popleft() if cell.urgent else None
    return None


def _named(body: StepBody | None) -> str:
    match body:
        case None:
            return "nothing"
        case Deliver(envelope):
            return f"the message {envelope.id} ({envelope.type})"
        case Answer():
            return f"the answer to its request {body.request}"
        case _:
            return type(body).__name__
