"""The step: one input consumed by one actor, and everything that came out of it.

A step is the unit of durability: {input consumed, outputs} is committed as one, and only then do the outputs take effect.
All values here are plain data, ready to be journalled and to cross a process boundary. Nothing here knows how a step is
computed (that is a shard's matter) or what a capability means.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.messages import Envelope, Subscription


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one actor instance, enforced by the sandbox."""

    memory_bytes: int = 128 * 1024 * 1024
    construct_ms: int = 20_000
    """Deadline of the constructor; the first one of a process may share its core with a compiler."""
    call_ms: int = 5_000
    """Deadline of every other call into the guest. Waiting for an answer costs nothing of it."""
    output_bytes: int = 16 * 1024 * 1024
    """Sum of all payloads and log lines that one step may put out."""
    outputs: int = 10_000
    """Number of outputs of one step."""


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """An actor as it is to be made. `component` is `python` (the generic component) or a path to a `.wasm` file.

    `config` is JSON text, handed to the actor's constructor. For a Python actor it is
    `{"name", "config": {...}, "code": {"preloaded": NAME} | {"entry": "module", "files": {"module.py": "source"}}}`.
    """

    name: str
    component: str
    config: str
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as a model sees it. `parameters` is JSON text holding a JSON schema of an object."""

    name: str
    description: str
    parameters: str


@dataclass(frozen=True, slots=True)
class Description:
    """What an actor says of itself once constructed."""

    tools: tuple[Tool, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    component: str = ""
    """Identity of the component that the actor is an instance of: a recorded step repeats exactly on the same one only."""


# Inputs


@dataclass(frozen=True, slots=True)
class Construct:
    """Make the instance. Answered with a `Description`."""

    spec: ActorSpec
    parent: Scope | None


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand over one message."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Answer:
    """Hand over the answer to a request. When not `ok`, `payload` is `{code, message, hint?}`."""

    request: int
    ok: bool
    payload: str


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Ask for the actor's state; there is none while a handler is suspended."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Give a freshly constructed actor its state back."""

    state: str


@dataclass(frozen=True, slots=True)
class Destroy:
    """Drop the instance and everything that it holds. Never fails."""


StepBody = Construct | Deliver | Answer | TakeSnapshot | Restore | Destroy


@dataclass(frozen=True, slots=True)
class StepInput:
    """One input for one actor. `now` (nanoseconds since the epoch) and `seed` are the guest's clock and randomness."""

    actor: ActorId
    step: int
    now: int
    seed: int
    body: StepBody


# Outputs


@dataclass(frozen=True, slots=True)
class Send:
    """A message. Published in the sender's own scope, or in `to`."""

    id: str
    type: str
    payload: str
    to: Scope | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """Work to be started for the actor. `id` is unique within the actor; `payload` is JSON text."""

    id: int
    capability: str
    payload: str


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """The actor no longer wants the answer to one of its requests. No answer will come."""

    id: int


class Level(StrEnum):
    """Severity of a log line."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Log:
    """A line of the actor's log: what it logged, printed or wrote to its standard error."""

    level: Level
    text: str


Output = Send | Request | CancelRequest | Log


class FailureKind(StrEnum):
    """How a step failed."""

    HANDLER = "handler"
    """The actor's own code raised; the instance is sound and lives on."""
    CONSTRUCT = "construct"
    """The actor could not be made, or says so in its description."""
    DEADLINE = "deadline"
    """The call took too long and was interrupted; the instance is gone."""
    MEMORY = "memory"
    """The instance ran into its memory limit and is gone."""
    TRAP = "trap"
    """The instance crashed and is gone."""
    PROTOCOL = "protocol"
    """The guest broke a stated rule (too many outputs, nonsense in its description); the instance is gone."""
    CANCELLED = "cancelled"
    """The host interrupted the call because its run was cancelled; the instance is gone."""


@dataclass(frozen=True, slots=True)
class StepFailure:
    """Why a step failed, in the actor author's terms: their file, their line."""

    kind: FailureKind
    message: str

    @property
    def fatal(self) -> bool:
        """Whether the instance is gone and must be made anew."""
        return self.kind is not FailureKind.HANDLER


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step gave. On a fatal failure `outputs` holds only log lines: nothing else of it takes effect."""

    actor: ActorId
    step: int
    outputs: tuple[Output, ...] = ()
    failure: StepFailure | None = None
    description: Description | None = None
    state: str | None = None
    busy_ns: int = 0
    """Time spent inside the guest, for statistics; not part of the outcome."""


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a capability works."""

    run: RunId
    scope: Scope
    agent: str
    actor: ActorId
    request: int
    asked: int = 0
    """The time of the step that asked, in nanoseconds since the epoch."""
    again: bool = False
    """Whether this request may have been carried out before, wholly or in part: its answer was lost in a crash."""
