"""Which runs, scopes and actors there are: admission, lookup and removal. Knows no messages and no steps."""

import random
from collections.abc import Callable, Sequence

from vespiary.model.agents import AgentSpec
from vespiary.model.ids import SYSTEM_SCOPE, ActorId, RunId, Scope, actor_id, is_name, new_scope
from vespiary.runtime.bounds import Bounds, ScopeEnded, SpawnFailed, SpawnRefused
from vespiary.runtime.cells import ActorCell, Barrier, RunCell, ScopeCell
from vespiary.runtime.entries import First
from vespiary.runtime.mailbox import Account, Mailbox, Spill
from vespiary.runtime.scheduler import Lane


class Population:
    """All that lives in a colony. A scope that has ended is not in it."""

    def __init__(self, bounds: Bounds, source: random.Random, spill: Spill, lane: Callable[[], Lane]) -> None:
        self._bounds = bounds
        self._source = source
        self._spill = spill
        self._lane = lane
        self.runs: dict[RunId, RunCell] = {}
        self.scopes: dict[Scope, ScopeCell] = {}
        self.actors: dict[ActorId, ActorCell] = {}
        """Also those that are leaving."""
        self._taken: dict[Scope, int] = {}

    def scope(self, scope: Scope) -> ScopeCell:
        """The agent in a scope. Raises `ScopeEnded`."""
        cell = self.scopes.get(scope)
        if cell is None:
            raise ScopeEnded(f"There is no agent in scope {scope}, or it has ended.")
        return cell

    def admit(self, agent: AgentSpec, run: RunId, parent: Scope | None, first: tuple[First, ...] = ()) -> ScopeCell:
        """Make the records of a new agent. Raises `SpawnRefused`, or `SpawnFailed` for an agent that makes no sense."""
        above = self.scopes.get(parent) if parent is not None else None
        self._check(agent, run, parent, above)
        return self.add(self._fresh(), agent, run, above, first)

    def home(self, run: RunId) -> RunCell:
        """The record of a run, made if there is none."""
        home = self.runs.get(run)
        if home is None:
            home = self.runs[run] = RunCell(run, Account(self._bounds.waiting_bytes_per_run))
        return home

    def add(
        self, scope: Scope, agent: AgentSpec, run: RunId, above: ScopeCell | None, first: tuple[First, ...] = ()
    ) -> ScopeCell:
        """Make the records of an agent in a scope that is not taken, unchecked."""
        home = self.home(run)
        path = (scope, *(above.path if above else ()))
        cell = ScopeCell(scope, agent.name, home, above, path, barrier=Barrier(len(agent.actors)), first=first)
        self.scopes[scope] = home.scopes[scope] = cell
        if above is not None:
            above.children[scope] = cell
        self._taken[scope] = len(agent.actors)
        lane = self._lane()
        for spec in agent.actors:
            key = actor_id(scope, spec.name)
            bounds = self._bounds
            box = Mailbox(run, key, home.account, self._spill, bounds.mailbox_envelopes, bounds.mailbox_bytes)
            actor = ActorCell(key, spec, cell, lane, box)
            lane.actors += 1
            cell.actors.append(actor)
            self.actors[key] = actor
        return cell

    def remove(self, family: Sequence[ScopeCell]) -> None:
        """Take out scopes that have ended. Their actors stay until they are gone."""
        for cell in family:
            self.scopes.pop(cell.scope, None)
            cell.run.scopes.pop(cell.scope, None)
            if cell.parent is not None:
                cell.parent.children.pop(cell.scope, None)
            if not cell.run.scopes:
                cell.run.ended = True
                self.runs.pop(cell.run.id, None)

    def forget(self, actor: ActorCell) -> None:
        """Take out an actor whose guest is gone."""
        if self.actors.get(actor.id) is actor:
            del self.actors[actor.id]
            actor.lane.actors -= 1
            scope = actor.home.scope
            self._taken[scope] -= 1
            if not self._taken[scope]:
                del self._taken[scope]

    def _check(self, agent: AgentSpec, run: RunId, parent: Scope | None, above: ScopeCell | None) -> None:
        names = [spec.name for spec in agent.actors]
        if not is_name(agent.name) or not all(map(is_name, names)):
            raise SpawnFailed(agent.name, None, "a name must be a letter, then up to 63 letters, digits, _ or -.")
        if not names or len(set(names)) != len(names):
            raise SpawnFailed(agent.name, None, "it needs actors, each with a name of its own.")
        if len(names) > self._bounds.actors_per_agent:
            raise SpawnFailed(agent.name, None, f"it has more than {self._bounds.actors_per_agent} actors.")
        if parent is not None and (above is None or above.run.id != run or above.barrier is not None):
            raise SpawnRefused(f"There is no agent in scope {parent} of this run that could have a child.")
        if above is not None and len(above.path) >= self._bounds.depth:
            raise SpawnRefused(
                f"Agents may be nested {self._bounds.depth} deep; {above.name} ({above.scope}) is at the bottom.",
                hint="Let an agent further up make it.",
            )
        alive = self.runs.get(run)
        if alive is not None and len(alive.scopes) >= self._bounds.scopes_per_run:
            raise SpawnRefused(
                f"A run may have {self._bounds.scopes_per_run} agents at once.", hint="Stop one that is done first."
            )

    def _fresh(self) -> Scope:
        while True:
            scope = new_scope(self._source)
            # Also not that of actors that are leaving: their guests may still exist.
            if scope != SYSTEM_SCOPE and scope not in self._taken:
                return scope
