"""How a run stands at one moment, as values: its agents, what waits for each actor, what each waits for.

The same for a run that lives and for one that was made again from its journal: what two outlines do not share is a difference.
Knows the records of the colony; changes nothing of them.
"""

from dataclasses import dataclass

from vespiary.model.ids import ActorId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import Answer, Request, StepBody
from vespiary.runtime.cells import ActorCell, RunCell, ScopeCell
from vespiary.runtime.requests import Requests


@dataclass(frozen=True, slots=True)
class ActorOutline:
    """An actor. `phase` is a word; `step` the number of its last step."""

    actor: ActorId
    phase: str
    step: int
    restarts: int
    urgent: tuple[StepBody, ...]
    """Inputs of the host itself, which come first."""
    messages: tuple[Envelope, ...]
    answers: tuple[Answer, ...]
    spilled: int
    """Messages beyond those, which did not fit into memory."""
    requests: tuple[Request, ...]
    """Requests that have no answer yet."""


@dataclass(frozen=True, slots=True)
class AgentOutline:
    """An agent. `ready`: all its actors were made."""

    scope: Scope
    name: str
    parent: Scope | None
    ready: bool
    actors: tuple[ActorOutline, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """A run: its agents in the order in which they were made. `entries` is the number of its last entry."""

    entries: int
    agents: tuple[AgentOutline, ...]

    def actor(self, actor: ActorId) -> ActorOutline | None:
        """One of its actors, if that lives."""
        return next((each for agent in self.agents for each in agent.actors if each.actor == actor), None)


def outline_of(run: RunCell, requests: Requests) -> Outline:
    """The outline of a run."""
    return Outline(run.entries, tuple(_agent(scope, requests) for scope in run.scopes.values()))


def _agent(home: ScopeCell, requests: Requests) -> AgentOutline:
    parent = home.parent.scope if home.parent is not None else None
    actors = tuple(_actor(cell, requests) for cell in home.actors)
    return AgentOutline(home.scope, home.name, parent, home.barrier is None, actors)


def _actor(cell: ActorCell, requests: Requests) -> ActorOutline:
    messages, answers = cell.mailbox.waiting()
    urgent = tuple(cell.urgent) if cell.put_back is None else (cell.put_back, *cell.urgent)
    return ActorOutline(
        cell.id,
        cell.phase.name.lower(),
        cell.step,
        cell.restarts,
        urgent,
        tuple(messages),
        tuple(answers),
        cell.mailbox.spilled,
        tuple(request for request, _ in requests.of(cell)),
    )
