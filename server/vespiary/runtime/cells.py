"""The records of what lives in a colony: runs, scopes, actors. State and small questions about it; the rules are elsewhere.

One cell per actor, as in a comb. Changed on the event loop only.
"""

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import anyio

from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.steps import ActorSpec, Construct, Description, Output, StepBody, StepFailure
from vespiary.runtime.entries import Cause, First, Specs
from vespiary.runtime.mailbox import Account, Mailbox

if TYPE_CHECKING:
    from vespiary.runtime.scheduler import Lane


Asked = Callable[[str | None], None]
"""Takes an actor's state; none if it has none now."""


Note = tuple[str, Any, "Cause | None"]
"""A fact: kind, data, and the request with whose answer it becomes worthless, if there is one."""


class Phase(Enum):
    """Where an actor stands."""

    MAKING = auto()
    """Its constructor has not ended, or others of its agent are not ready yet. It gets no messages."""
    LIVE = auto()
    REBUILDING = auto()
    """Its instance is gone and a new one is being made. Messages wait."""
    LEAVING = auto()
    """Its scope has ended. Nothing of it takes effect any more; its guest is being dropped."""
    GONE = auto()


@dataclass(slots=True, eq=False)
class RunCell:
    """A run: its scopes and what it takes of the bounds."""

    id: RunId
    account: Account
    scopes: dict[Scope, "ScopeCell"] = field(default_factory=dict["Scope", "ScopeCell"])
    requests: int = 0
    """Requests under way."""
    given: int = 0
    """Those of them whose answer is there, and waits for the journal."""
    ended: bool = False
    entries: int = 0
    """Number of the last entry that was given to the journal."""
    pending: int = 0
    """Submissions that have not taken effect yet."""
    letters: int = 0
    """Messages that the host sent: they are named by their number, so that a rebuilt run names them again."""
    applied: int = 0
    """Number of the last entry that took effect."""
    bytes: int = 0
    """About how much was given to the journal since the last checkpoint."""
    checkpoint: int = 0
    """Number of the last checkpoint."""
    checkpoint_size: int = 0
    """Entries that it took."""
    checkpointing: bool = False
    notes: list[Note] = field(default_factory=list["Note"])
    """What the owner keeps with the run."""
    specs: Specs = field(default_factory=Specs)
    causes: dict[Cause, Scope] = field(default_factory=dict["Cause", "Scope"])
    """The agents that were made for a request."""
    unmade: dict[Scope, tuple[str | None, str]] = field(default_factory=dict[Scope, "tuple[str | None, str]"])
    """Those of them that could not be made: the name of the actor that failed, if one did, and why."""
    recovering: bool = False
    """Whether the run is being rebuilt from its journal: its state changes, and nothing is begun."""

    @property
    def roots(self) -> list["ScopeCell"]:
        """The agents that the run was given to."""
        return [cell for cell in self.scopes.values() if cell.parent is None]


@dataclass(slots=True, eq=False)
class ScopeCell:
    """An agent: its actors and its place in the tree."""

    scope: Scope
    name: str
    run: RunCell
    parent: "ScopeCell | None"
    path: tuple[Scope, ...]
    """The scope itself, then its ancestors up to the root."""
    actors: list["ActorCell"] = field(default_factory=list["ActorCell"])
    children: dict[Scope, "ScopeCell"] = field(default_factory=dict["Scope", "ScopeCell"])
    barrier: "Barrier | None" = None
    """Not none while the agent is being made."""
    first: tuple[First, ...] = ()
    """What it hears once it is ready."""
    ended: bool = False

    def family(self) -> list["ScopeCell"]:
        """The scope and everything below it, children before their parents."""
        ordered: list[ScopeCell] = []
        waiting: list[ScopeCell] = [self]
        while waiting:
            cell = waiting.pop()
            ordered.append(cell)
            waiting.extend(cell.children.values())
        ordered.reverse()
        return ordered


@dataclass(slots=True, eq=False)
class ActorCell:
    """One actor, whichever instance of it lives."""

    id: ActorId
    spec: ActorSpec
    home: ScopeCell
    lane: "Lane"
    mailbox: Mailbox
    phase: Phase = Phase.MAKING
    urgent: deque[StepBody] = field(default_factory=deque["StepBody"])
    """Inputs of the host itself, which come before messages and answers."""
    busy: bool = False
    """A step of it is under way, or its outputs are taking effect."""
    queued: bool = False
    step: int = 0
    """Number of the last step."""
    generation: int = -1
    """The incarnation of its shard that holds its instance; there is no instance if that is another one by now."""
    restarts: int = 0
    crashes: int = 0
    """How often its shard died while it ran the input that is next."""
    under_way: StepBody | None = None
    """The input of the step that is under way, until its outputs have taken effect."""
    put_back: StepBody | None = None
    """An input that was lost with its shard; it comes first."""
    description: Description | None = None
    snapshot: str | None = None
    """The last snapshot, where no journal keeps it."""
    state: str | None = None
    """A state that the next instance is to take over."""
    since_snapshot: int = 0
    born: int = 0
    """The entry of the step that made the instance; zero if there is none to go back to."""
    saved: int = 0
    """The entry of the step that gave the last snapshot of this instance; zero if there is none."""
    asked: list["Asked"] = field(default_factory=list["Asked"])
    """Who waits for its next snapshot."""
    history: "array[int]" = field(default_factory=lambda: array("Q"))
    """The entries of the steps since then: what its instance is rebuilt from."""
    gone: anyio.Event | None = None
    """Set when the guest was dropped; there is one once the actor is leaving."""

    @property
    def leaving(self) -> bool:
        """Whether its scope has ended."""
        return self.phase is Phase.LEAVING or self.phase is Phase.GONE

    def idle(self) -> bool:
        """Whether there is no input that it could take now."""
        if self.put_back is not None or self.urgent:
            return False
        return self.phase is not Phase.LIVE or not self.mailbox

    def take(self) -> StepBody | None:
        """The next input."""
        if self.put_back is not None:
            body, self.put_back = self.put_back, None
            return body
        if self.urgent:
            return self.urgent.popleft()
        return self.mailbox.take() if self.phase is Phase.LIVE else None

    @property
    def next_urgent(self) -> StepBody | None:
        """The input that comes before all messages and answers, if there is one."""
        return self.put_back if self.put_back is not None else self.urgent[0] if self.urgent else None

    def birth(self) -> Construct:
        """The input that makes an instance."""
        return Construct(self.spec, self.home.parent.scope if self.home.parent else None)


@dataclass(slots=True, eq=False)
class Barrier:
    """Waits until every actor of an agent is ready. What constructors put out is held until then."""

    missing: int
    held: list[tuple[ActorCell, int, int, tuple[Output, ...]]] = field(
        default_factory=list[tuple["ActorCell", int, int, tuple["Output", ...]]]
    )
    """Actor, entry and time of the step, outputs."""
    done: anyio.Event = field(default_factory=anyio.Event)
    failed: str | None = None
    """The name of the actor that could not start."""
    failure: StepFailure | None = None
    reason: str | None = None
    """Why there will be no agent."""

    def abandon(self, reason: str, failed: str | None = None, failure: StepFailure | None = None) -> None:
        """There will be no agent. The first reason counts."""
        if self.reason is None and not self.done.is_set():
            self.reason, self.failed, self.failure = reason, failed, failure
            self.done.set()
