"""The protocol between an editor and Vespiary, beside the Language Server Protocol itself: every method, command and option.

The one place where they are declared; `docs/protocol.md` is generated from it (`python -m vespiary.protocol_doc`). Names are
snake_case here and camelCase on the wire. Knows the values of `model`; does not know how the server or a client works, and loads
pydantic only when the first parameters are checked.

Conventions: a document is named by its URI, a place in it by LSP positions in the encoding that was negotiated. Parameters with
unknown fields are refused, so that a misspelt one is heard of; results may grow fields, so clients ignore what they do not know.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast, get_args

from vespiary.model.agents import AgentInfo
from vespiary.model.errors import UsageError
from vespiary.model.events import EventBody
from vespiary.model.runs import Mode, RunInfo
from vespiary.model.sessions import SessionDetail, SessionInfo
from vespiary.model.wire import camel

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

# Read by pydantic, without importing it here. What the client writes is refused when it is unknown; what LSP defines may have more.
_OURS = {"extra": "forbid", "alias_generator": camel, "strict": False}
_LSP = {"extra": "ignore", "alias_generator": camel, "strict": False}


# Values of the Language Server Protocol, as far as they are used here


@dataclass(frozen=True, slots=True)
class WirePosition:
    """A zero-based line, and a zero-based character counted in the negotiated encoding."""

    __pydantic_config__: ClassVar[Any] = _LSP
    line: int
    character: int


@dataclass(frozen=True, slots=True)
class WireRange:
    """A stretch of a document; `end` is exclusive."""

    __pydantic_config__: ClassVar[Any] = _LSP
    start: WirePosition
    end: WirePosition


@dataclass(frozen=True, slots=True)
class WireDiagnostic:
    """An LSP `Diagnostic`; fields that are not listed are allowed and ignored."""

    __pydantic_config__: ClassVar[Any] = _LSP
    message: str
    range: WireRange
    severity: int | None = None
    source: str | None = None
    code: int | str | None = None


# Parameters


@dataclass(frozen=True, slots=True)
class InitializationOptions:
    """`initializationOptions` of `initialize`."""

    __pydantic_config__: ClassVar[Any] = _OURS
    trusted: bool | None = None
    """Whether the workspace's own configuration may grant power and name keys. Absent: the list kept by `vespiary trust`."""


@dataclass(frozen=True, slots=True)
class NoParams:
    """Nothing. May be left out altogether."""

    __pydantic_config__: ClassVar[Any] = _OURS


@dataclass(frozen=True, slots=True)
class RunContext:
    """Where the person was when they gave the task."""

    __pydantic_config__: ClassVar[Any] = _OURS
    uri: str
    """The document, within the workspace."""
    range: WireRange | None = None
    """What is selected, or what the task is about."""
    diagnostics: tuple[WireDiagnostic, ...] = ()
    """The problems that the editor shows there."""


@dataclass(frozen=True, slots=True)
class StartParams:
    """A task."""

    __pydantic_config__: ClassVar[Any] = _OURS
    prompt: str
    """What is to be done. Not empty."""
    agent: str | None = None
    """A name from `vespiary/agents/list`; absent: the default agent."""
    mode: Mode = Mode.APPLY
    """`apply`: changes are made at once and can be undone in the editor. `plan`: nothing is written and no command is run."""
    context: RunContext | None = None
    """Where the person was."""
    session: str | None = None
    """The conversation that it goes on with, from `RunInfo` or `vespiary/session/list`; absent: a new one. Its agent is then the
    default."""


@dataclass(frozen=True, slots=True)
class RunParams:
    """A run, by its id."""

    __pydantic_config__: ClassVar[Any] = _OURS
    run_id: str
    """From the answer to `vespiary/run/start`, or a list."""


@dataclass(frozen=True, slots=True)
class EventsParams:
    """Which events of a run."""

    __pydantic_config__: ClassVar[Any] = _OURS
    run_id: str
    """The run; it may be one of an earlier server."""
    after: int = 0
    """Only events with a higher `seq`: the last one that is known already."""
    limit: int = 1000
    """At most so many, from 1 to 10000. An answer is also kept to about a megabyte."""


@dataclass(frozen=True, slots=True)
class SessionParams:
    """A conversation, by its id."""

    __pydantic_config__: ClassVar[Any] = _OURS
    session_id: str
    """From `vespiary/session/list`, or the `session` of a `RunInfo`."""


@dataclass(frozen=True, slots=True)
class RunCommandParams:
    """The argument of `vespiary.run`. A plain text instead of an object is the prompt."""

    __pydantic_config__: ClassVar[Any] = _OURS
    prompt: str
    """What is to be done. Not empty."""
    agent: str | None = None
    """The agent; absent: the default agent."""
    mode: Mode = Mode.APPLY
    """As in `vespiary/run/start`."""
    context: RunContext | None = None
    """Where the person was."""
    session: str | None = None
    """As in `vespiary/run/start`."""
    wait: bool = False
    """Answer only when the run has ended, with the whole `RunInfo`; then `$/cancelRequest` cancels the run."""


@dataclass(frozen=True, slots=True)
class AskParams:
    """The argument of `vespiary.askAgent`: a task about a place."""

    __pydantic_config__: ClassVar[Any] = _OURS
    context: RunContext
    """The place, usually a selection."""
    prompt: str | None = None
    """What is to be done. Absent: the selected text says it (a comment or a to-do: the agent does what it asks for); a plugin
    should ask the person and fill it in."""
    agent: str | None = None
    """The agent; absent: the default agent."""
    mode: Mode = Mode.APPLY
    """As in `vespiary/run/start`."""
    session: str | None = None
    """As in `vespiary/run/start`."""
    wait: bool = False
    """As in `vespiary.run`."""


@dataclass(frozen=True, slots=True)
class FixParams:
    """The argument of `vespiary.fixDiagnostic`: problems to be fixed."""

    __pydantic_config__: ClassVar[Any] = _OURS
    context: RunContext
    """The document and at least one diagnostic."""
    agent: str | None = None
    """The agent; absent: the default agent."""
    session: str | None = None
    """As in `vespiary/run/start`."""
    wait: bool = False
    """As in `vespiary.run`."""


@dataclass(frozen=True, slots=True)
class CancelCommandParams:
    """The argument of `vespiary.cancelRun`. May be left out; a plain text instead of an object is the run id."""

    __pydantic_config__: ClassVar[Any] = _OURS
    run_id: str | None = None
    """The run. Absent: the one that was started last and is still going on."""


@dataclass(frozen=True, slots=True)
class ResumeParams:
    """The argument of `vespiary.resumeRun`. May be left out; a plain text instead of an object is the run id."""

    __pydantic_config__: ClassVar[Any] = _OURS
    run_id: str | None = None
    """The run. Absent: the interrupted one that was begun last."""
    wait: bool = False
    """As in `vespiary.run`."""


# Results


@dataclass(frozen=True, slots=True)
class AgentsResult:
    """What the configuration offers."""

    agents: tuple[AgentInfo, ...]
    """The default agent first, then by name."""


@dataclass(frozen=True, slots=True)
class StartResult:
    """The run has begun. Its events follow."""

    run_id: str
    """Names the run from now on."""


@dataclass(frozen=True, slots=True)
class CancelResult:
    """Whether there was anything to cancel. The run's last event says that it ended."""

    cancelled: bool
    """False when the run had ended already (or, for the command without an id, when none is going on)."""


@dataclass(frozen=True, slots=True)
class RunsResult:
    """The runs of this workspace since the server started; the oldest finished ones are forgotten after 200."""

    runs: tuple[RunInfo, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event as `vespiary/event` tells it; further fields depend on its kind."""

    run_id: str
    seq: int
    time: float
    scope: str
    agent: str
    kind: str


@dataclass(frozen=True, slots=True)
class EventsResult:
    """Events of a run as they were kept. Pieces of text are joined, under the number of the last one."""

    events: tuple[Event, ...]
    """In order."""
    more: bool
    """Whether others follow: ask again, `after` the last of these."""


@dataclass(frozen=True, slots=True)
class SessionsResult:
    """The conversations of this workspace."""

    sessions: tuple[SessionInfo, ...]
    """The one that was changed last first."""


# Methods and commands


@dataclass(frozen=True, slots=True)
class Method:
    """A method that Vespiary adds to LSP. `params` and `result` are dataclasses."""

    name: str
    params: type[Any]
    result: type[Any] | None
    doc: str
    sender: Literal["client", "server"] = "client"


@dataclass(frozen=True, slots=True)
class Command:
    """A command of `workspace/executeCommand`. Its `arguments` hold at most one value, of the type `params`."""

    name: str
    title: str
    params: type[Any]
    result: tuple[type[Any], ...]
    doc: str
    text_field: str | None = field(default=None)
    """The field that a plain text as argument stands for."""


AGENTS_LIST = Method(
    "vespiary/agents/list",
    NoParams,
    AgentsResult,
    "The agents that can be asked. Fails when the configuration cannot be used.",
)
RUN_START = Method(
    "vespiary/run/start",
    StartParams,
    StartResult,
    "Give an agent a task. Answered at once; everything else is told by events.",
)
RUN_CANCEL = Method(
    "vespiary/run/cancel",
    RunParams,
    CancelResult,
    "Ask for the end of a run: its model calls and commands are stopped. What it changed stays. Answered at once.",
)
RUN_LIST = Method("vespiary/run/list", NoParams, RunsResult, "The runs that are going on, and those that have ended.")
RUN_GET = Method(
    "vespiary/run/get", RunParams, RunInfo, "One run as it stands, also one of an earlier server that was kept."
)
RUN_EVENTS = Method(
    "vespiary/run/events",
    EventsParams,
    EventsResult,
    "The events of a run once more, from the journal: for a client that was not there.",
)
RUN_INTERRUPTED = Method(
    "vespiary/run/interrupted",
    NoParams,
    RunsResult,
    "The runs that ended only because their server did, with how far they came. They can be resumed.",
)
RUN_RESUME = Method(
    "vespiary/run/resume",
    RunParams,
    RunInfo,
    "Let an interrupted run go on from where it stood, as it was configured when it began. Answered at once; its events go on with"
    " `run.resumed`, their numbers after the last one that was kept.",
)
RUN_DISCARD = Method(
    "vespiary/run/discard",
    RunParams,
    RunInfo,
    "Give an interrupted run up. What it changed stays, and it counts as cancelled.",
)
SESSION_LIST = Method(
    "vespiary/session/list",
    NoParams,
    SessionsResult,
    "The conversations. Each run belongs to one, and another run can go on with it: see `session` of `vespiary/run/start`.",
)
SESSION_GET = Method("vespiary/session/get", SessionParams, SessionDetail, "A conversation with its tasks and answers.")
SESSION_FORK = Method(
    "vespiary/session/fork", SessionParams, SessionInfo, "A new conversation that begins as this one stands."
)
SESSION_DELETE = Method(
    "vespiary/session/delete",
    SessionParams,
    None,
    "Forget a conversation. Its runs stay. Refused while a run goes on in it.",
)
EVENT = "vespiary/event"

_RUNS = (RUN_START, RUN_CANCEL, RUN_LIST, RUN_GET, RUN_EVENTS, RUN_INTERRUPTED, RUN_RESUME, RUN_DISCARD)
METHODS = (AGENTS_LIST, *_RUNS, SESSION_LIST, SESSION_GET, SESSION_FORK, SESSION_DELETE)
EVENTS: tuple[type[Any], ...] = get_args(EventBody)

RUN = Command(
    "vespiary.run",
    "Give an agent a task",
    RunCommandParams,
    (StartResult, RunInfo),
    "Start a run. Answered at once with its id, or with the finished run when `wait` is set.",
    "prompt",
)
ASK_AGENT = Command(
    "vespiary.askAgent",
    "Ask an agent about the selection",
    AskParams,
    (StartResult, RunInfo),
    "Start a run about a place in a document. What the code action on a selection runs.",
)
FIX_DIAGNOSTIC = Command(
    "vespiary.fixDiagnostic",
    "Have an agent fix problems",
    FixParams,
    (StartResult, RunInfo),
    "Start a run that fixes the given diagnostics. What the code action on a diagnostic runs.",
)
CANCEL_RUN = Command(
    "vespiary.cancelRun", "Cancel a run", CancelCommandParams, (CancelResult,), "As `vespiary/run/cancel`.", "run_id"
)
RESUME_RUN = Command(
    "vespiary.resumeRun",
    "Resume an interrupted run",
    ResumeParams,
    (RunInfo,),
    "As `vespiary/run/resume`, or answered with the finished run when `wait` is set.",
    "run_id",
)


def _same(name: str, title: str, method: Method, text_field: str | None = None) -> Command:
    result = () if method.result is None else (method.result,)
    return Command(name, title, method.params, result, f"As `{method.name}`.", text_field)


LIST_RUNS = _same("vespiary.listRuns", "List the runs", RUN_LIST)
GET_RUN = _same("vespiary.getRun", "Show a run", RUN_GET, "run_id")
GET_EVENTS = _same("vespiary.getEvents", "Show the events of a run", RUN_EVENTS, "run_id")
LIST_INTERRUPTED = _same("vespiary.listInterrupted", "List the interrupted runs", RUN_INTERRUPTED)
DISCARD_RUN = _same("vespiary.discardRun", "Give an interrupted run up", RUN_DISCARD, "run_id")
LIST_SESSIONS = _same("vespiary.listSessions", "List the conversations", SESSION_LIST)
GET_SESSION = _same("vespiary.getSession", "Show a conversation", SESSION_GET, "session_id")
FORK_SESSION = _same("vespiary.forkSession", "Fork a conversation", SESSION_FORK, "session_id")
DELETE_SESSION = _same("vespiary.deleteSession", "Forget a conversation", SESSION_DELETE, "session_id")
LIST_AGENTS = _same("vespiary.listAgents", "List the agents", AGENTS_LIST)

_RUN_COMMANDS = (
    RUN,
    ASK_AGENT,
    FIX_DIAGNOSTIC,
    CANCEL_RUN,
    LIST_RUNS,
    GET_RUN,
    GET_EVENTS,
    LIST_INTERRUPTED,
    RESUME_RUN,
)
COMMANDS = (*_RUN_COMMANDS, DISCARD_RUN, LIST_SESSIONS, GET_SESSION, FORK_SESSION, DELETE_SESSION, LIST_AGENTS)


# Reading


class ParamsError(UsageError):
    """The parameters of a request are not what the protocol says."""

    code = "params.invalid"


def parse(cls: type[T], value: object, *, what: str) -> T:
    """The parameters of `what` (a method or command) as a value of `cls`. `None` stands for an empty object.

    Raises `ParamsError`, which names the field and what is allowed there.
    """
    adapter = _adapter(cls)  # pydantic is there from here on
    from pydantic import ValidationError

    try:
        return cast(T, adapter.validate_python({} if value is None else value))
    except ValidationError as error:
        raise ParamsError(_sentence(error, what), hint="docs/protocol.md lists the parameters.") from None


@cache
def _adapter(cls: type[Any]) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _sentence(error: "ValidationError", what: str) -> str:
    problems: list[str] = []
    for problem in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "unexpected_keyword_argument":
            problems.append(f"there is no parameter `{place}`")
        elif problem["type"] in ("missing", "missing_argument"):
            problems.append(f"the parameter `{place}` is missing")
        elif place:
            problems.append(f"`{place}`: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
        else:
            problems.append("the parameters must be an object")
    return f"{what}: {'; '.join(problems)}."
