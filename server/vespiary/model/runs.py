"""A run: one task given to an agent, and what came of it. Values only."""

from dataclasses import dataclass, field
from enum import StrEnum

from vespiary.model.errors import Problem
from vespiary.model.ids import RunId


class Mode(StrEnum):
    """What a run may do to the workspace."""

    APPLY = "apply"
    """Changes are applied at once and can be undone in the editor."""
    PLAN = "plan"
    """Nothing is written, no command is run, and nothing is sent by a web request."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a document: zero-based line, and zero-based character in code points."""

    line: int
    character: int


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of a document; `end` is exclusive."""

    start: Position
    end: Position


@dataclass(frozen=True, slots=True)
class TaskDiagnostic:
    """A problem that the editor shows and the task is about."""

    message: str
    range: Range
    severity: str | None = None
    source: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class TaskContext:
    """Where in the workspace the person was when they gave the task. `path` is workspace-relative."""

    path: str
    range: Range | None = None
    diagnostics: tuple[TaskDiagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """What a person asks for. `agent` is a name under `agents` in the configuration; none means the default."""

    prompt: str
    agent: str | None = None
    mode: Mode = Mode.APPLY
    context: TaskContext | None = None
    session: str | None = None
    """The conversation that it goes on with; none begins a new one."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What model calls used. Additive."""

    input_tokens: int = 0
    """What models read, cached tokens included."""
    output_tokens: int = 0
    """What models wrote, reasoning included."""
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    calls: int = 0
    cost: int = 0
    """In millionths of a US dollar: of the calls whose price is known."""
    unpriced_calls: int = 0
    """Calls whose price is not known; `cost` leaves them out."""
    estimated_calls: int = 0
    """Calls whose provider did not count, or not all: their tokens are an estimate."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cached_tokens + other.cached_tokens,
            self.calls + other.calls,
            self.cost + other.cost,
            self.unpriced_calls + other.unpriced_calls,
            self.estimated_calls + other.estimated_calls,
        )

    @property
    def tokens(self) -> int:
        """What a budget of tokens counts: read and written."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """What one agent used in a run, all its instances together."""

    agent: str
    usage: Usage


class ChangeKind(StrEnum):
    """What happened to a file over a whole run."""

    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class FileChanged:
    """One file that a run changed. `was` is the former path of a renamed file."""

    path: str
    change: ChangeKind
    was: str | None = None


class Outcome(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The server stopped or died in the middle of it. It can be resumed."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as it is listed. Times are seconds since the epoch."""

    run_id: RunId
    agent: str
    prompt: str
    mode: Mode
    outcome: Outcome
    started: float
    finished: float | None = None
    text: str = ""
    problem: Problem | None = None
    usage: Usage = field(default_factory=Usage)
    files: tuple[FileChanged, ...] = ()
    agents: tuple[AgentUsage, ...] = ()
    """The usage per agent, by name: those that called a model."""
    session: str | None = None
    """The conversation that it belongs to."""
