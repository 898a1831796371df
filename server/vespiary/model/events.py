"""What a run tells while it goes on: the same events in an editor, on a terminal and in a journal.

Each event is a value with a `kind`. `RunEvent` numbers them per run, from 1, without gaps. Knows no transport.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from vespiary.model.errors import Problem
from vespiary.model.ids import RunId
from vespiary.model.runs import AgentUsage, FileChanged, Mode, Outcome, Usage


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first event of every run."""

    kind: ClassVar[str] = "run.started"
    agent: str
    prompt: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A run that was interrupted goes on. What follows continues its events; text that was under way is said again."""

    kind: ClassVar[str] = "run.resumed"
    agent: str
    prompt: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class Status:
    """What an agent is doing now, in words for a progress line."""

    kind: ClassVar[str] = "status"
    state: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of what the model says. The deltas of a message, joined, are its text."""

    kind: ClassVar[str] = "text.delta"
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of what the model thinks aloud."""

    kind: ClassVar[str] = "reasoning.delta"
    text: str


class ToolState(StrEnum):
    """Where a tool call stands."""

    CALLED = "called"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ToolEvent:
    """A tool call came to a new state. `arguments` is JSON text; `content` is what the model gets back."""

    kind: ClassVar[str] = "tool"
    call: str
    name: str
    state: ToolState
    arguments: str | None = None
    title: str | None = None
    content: str | None = None


class EditState(StrEnum):
    """What became of a proposed edit."""

    APPLIED = "applied"
    STALE = "stale"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class EditEvent:
    """An edit was applied or was not. `diff` is a unified diff."""

    kind: ClassVar[str] = "edit"
    path: str
    state: EditState
    diff: str = ""
    to: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """A model call ended, well or not: what it used, and the sums so far."""

    kind: ClassVar[str] = "usage"
    model: str
    """The model as the provider names it."""
    usage: Usage
    total: Usage
    """Of the whole run, this call included."""
    agent_total: Usage = field(default_factory=Usage)
    """Of the event's agent in this run, all its instances together."""
    provider: str = ""
    """Who was asked: the endpoint's host, or `scripted`."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A line of an actor's log."""

    kind: ClassVar[str] = "log"
    level: str
    actor: str
    text: str


@dataclass(frozen=True, slots=True)
class ActorFailedEvent:
    """An actor's step failed. The run may well go on."""

    kind: ClassVar[str] = "actor.failed"
    actor: str
    problem: Problem
    restarted: bool


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The last event of every run."""

    kind: ClassVar[str] = "run.finished"
    outcome: Outcome
    text: str
    usage: Usage
    files: tuple[FileChanged, ...]
    problem: Problem | None = None
    agents: tuple[AgentUsage, ...] = ()
    """The usage per agent, by name: those that called a model."""


EventBody = (
    RunStarted
    | RunResumed
    | Status
    | TextDelta
    | ReasoningDelta
    | ToolEvent
    | EditEvent
    | UsageEvent
    | LogEvent
    | ActorFailedEvent
    | RunFinished
)


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One numbered event. `scope` and `agent` name the agent that it is about; `time` is seconds since the epoch."""

    run_id: RunId
    seq: int
    time: float
    scope: str
    agent: str
    body: EventBody
