"""Replaying a run: every recorded step is given to fresh guests again, and what they put out is compared with the record.

Follows the rules by which an instance is brought back after a failure (`vespiary.runtime.supervision`, `rebuilding`). Begins
nothing: outputs go nowhere. Does not know who shows the report, or what sandbox the guests live in.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId, RunId, actor_id, name_of
from vespiary.model.steps import (
    ActorSpec,
    Construct,
    Destroy,
    Log,
    Restore,
    StepInput,
    StepResult,
    TakeSnapshot,
)
from vespiary.runtime.entries import JournalDiverged, Spawn, Specs, read_step
from vespiary.runtime.guests import Guests
from vespiary.runtime.outside import from_outside
from vespiary.runtime.rebuilding import differs

Entry = Sequence[Any]

_PATIENCE = 10
"""A step may take so much longer than its actor's deadlines say: how fast the machine is now is no part of the record."""


class Record(Protocol):
    """What replay needs of a journal."""

    def entries(self, run: RunId) -> Iterable[tuple[int, Entry]]:
        """The entries of a run with their numbers, in order. Raises `VespiaryError`."""
        ...

    def read_now(self, run: RunId, numbers: Sequence[int]) -> list[Any]:
        """Some of them."""
        ...


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first step that did not repeat. `entry` is where it is recorded; `what` says the difference in a sentence's end.

    `rebuilding`: it had repeated at first, and did not when the instance was brought back after a failure.
    """

    entry: int
    given: StepInput
    recorded: StepResult
    repeated: StepResult
    what: str
    rebuilding: bool = False

    @property
    def actor(self) -> ActorId:
        """Whose step it was."""
        return self.given.actor


@dataclass(frozen=True, slots=True)
class OtherBuild:
    """A component that is not the one that the run was recorded with."""

    component: str
    recorded: str
    now: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a replay was told to stop: the entry, and how its actor stood. Without an actor only the entry is known."""

    number: int
    entry: Entry
    actor: ActorId | None = None
    last: tuple[StepInput, StepResult] | None = None
    """The last step of the actor up to there, as recorded."""
    state: str | None = None
    no_state: str | None = None
    """Why there is no state to show, as a sentence."""
    logs: tuple[Log, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay came to. `steps` counts those that agree with the record, of so many `actors`."""

    run: RunId
    entries: int
    steps: int
    actors: int
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    """Steps that were not given again, by the reason: their failures came from outside."""
    builds: tuple[OtherBuild, ...] = ()
    divergence: Divergence | None = None
    stop: Stop | None = None

    @property
    def same(self) -> bool:
        """Whether everything that was repeated agrees with the record."""
        return self.divergence is None


def replay(
    store: Record, run: RunId, guests: Guests, *, until: int | None = None, actor: str | None = None
) -> ReplayReport:
    """Repeat a run in `guests`, which are fresh, are used on this thread and are not closed. Blocks.

    `until`: stop after this entry. `actor`: only the actors of this name or id. Raises `VespiaryError` for a run that is not there,
    that cannot be understood, or whose beginning was let go.
    """
    plan = _plan(store, run, until, actor)
    replayer = _Replayer(store, run, guests, plan)
    for number, entry in _numbered(store.entries(run)):
        if number > plan.end:
            break
        try:
            replayer.take(number, entry)
        except (ValueError, TypeError, IndexError, LookupError) as error:
            raise JournalDiverged(number, f"it cannot be understood: {error}") from error
        if replayer.divergence is not None:
            break
    return replayer.report(stopping=until is not None)


@dataclass(slots=True)
class _Plan:
    """What is to be done, found in a first pass: it is told before the first guest is made."""

    end: int
    """The last entry."""
    wanted: str | None
    last: dict[ActorId, int] = field(default_factory=dict[ActorId, int])
    """The last step of each actor: after it the instance is dropped."""
    stop: Entry | None = None


def _plan(store: Record, run: RunId, until: int | None, wanted: str | None) -> _Plan:
    plan = _Plan(0, wanted)
    for number, entry in _numbered(store.entries(run)):
        if until is not None and number > until:
            break
        plan.end, plan.stop = number, entry
        if entry[0] == "step" and len(entry) > 1:
            plan.last[ActorId(str(entry[1]))] = number
    if until is not None and plan.end != until:
        raise VespiaryError(f"Run {run} has no entry {until}: its last one is {plan.end}.", code="replay.until")
    if wanted is not None and not any(wanted in (each, name_of(each)) for each in plan.last):
        names = ", ".join(sorted({name_of(each) for each in plan.last})) or "none"
        raise VespiaryError(
            f"No actor {wanted!r} took a step in run {run}.", hint=f"Those that did: {names}.", code="replay.actor"
        )
    return plan


def _numbered(entries: Iterable[tuple[int, Entry]]) -> Iterator[tuple[int, Entry]]:
    """The entries, which must begin with the first one. Raises `VespiaryError`."""
    expected = 1
    for number, entry in entries:
        if expected == 1 and number != 1:
            # What stands in a checkpoint could be given to fresh guests as `_Line.origin`; nothing is compared then before it.
            raise VespiaryError(
                f"The run cannot be replayed: its entries before {number} were let go to bound the journal.",
                hint="`vespiary journal show` and `export` show what is left.",
                code="replay.cut",
            )
        if number != expected or not entry:
            raise JournalDiverged(expected, f"entry {number} follows instead")
        yield number, entry
        expected += 1


@dataclass(slots=True)
class _Line:
    """The life of one actor, whichever instance of it lives."""

    spec: ActorSpec
    alive: bool = False
    origin: list[int] = field(default_factory=list[int])
    """The entries that an instance is made anew with: its construction, and the snapshot that it then takes back."""
    history: list[int] = field(default_factory=list[int])
    """The entries of the steps since then."""
    last: tuple[StepInput, StepResult] | None = None
    gone: str = "It was not made yet."
    """Why there is no instance."""


class _Replayer:
    def __init__(self, store: Record, run: RunId, guests: Guests, plan: _Plan) -> None:
        self._store = store
        self._run = run
        self._guests = guests
        self._plan = plan
        self._specs = Specs()
        self._lines: dict[ActorId, _Line] = {}
        self._stopping = _whose(plan.stop) if plan.stop is not None else None
        self._logs: list[Log] = []
        self._entries = 0
        self._steps = 0
        self._seen: set[ActorId] = set()
        self._skipped: Counter[str] = Counter()
        self._builds: dict[tuple[str, str, str], OtherBuild] = {}
        self.divergence: Divergence | None = None

    def take(self, number: int, entry: Entry) -> None:
        """Repeat an entry, if it is a step. Raises `ValueError` and the like for one that cannot be understood."""
        self._entries = number
        if entry[0] == "spawn":
            spawn = Spawn.of(entry, self._specs)
            for spec in spawn.actors:
                self._lines[actor_id(spawn.scope, spec.name)] = _Line(spec)
        elif entry[0] == "lost":
            line = self._lines.get(ActorId(entry[1]))
            if line is not None:
                self._drop(ActorId(entry[1]), line, "It was lost with its process, and a new one was made.")
                line.origin, line.history = [], []
        elif entry[0] == "step":
            self._step(number, entry)

    def report(self, *, stopping: bool) -> ReplayReport:
        """What it came to."""
        stop = self._stop() if stopping and self.divergence is None else None
        return ReplayReport(
            self._run,
            self._entries,
            self._steps,
            len(self._seen),
            dict(self._skipped),
            tuple(self._builds.values()),
            self.divergence,
            stop,
        )

    def _step(self, number: int, entry: Entry) -> None:
        actor = ActorId(entry[1])
        line = self._lines.get(actor)
        if line is None:
            raise ValueError(f"there is no actor {actor}")
        given, recorded = read_step(entry, line.spec)
        line.last = (given, recorded)
        if actor == self._stopping:
            self._logs += [output for output in recorded.outputs if isinstance(output, Log)]
        if self._plan.wanted is not None and self._plan.wanted not in (actor, name_of(actor)):
            return
        failure = recorded.failure
        why = from_outside(failure) if failure is not None else None
        if failure is not None and why is not None:
            self._skipped[why] += 1
            self._drop(actor, line, f"It failed ({failure.kind.value}): {failure.message}")
            return
        if not line.alive and not isinstance(given.body, Construct) and not self._rebuild(actor, line):
            return
        repeated = self._give(line, given)
        if not self._agrees(number, given, recorded, repeated):
            return
        self._steps += 1
        self._seen.add(actor)
        self._remember(number, line, given, recorded)
        if number == self._plan.last.get(actor) and actor != self._stopping:
            self._drop(actor, line, "")

    def _remember(self, number: int, line: _Line, given: StepInput, recorded: StepResult) -> None:
        """As `vespiary.runtime.settlement` does."""
        failure = recorded.failure
        if failure is not None and failure.fatal:
            line.alive, line.gone = False, f"It failed ({failure.kind.value}): {failure.message}"
        elif isinstance(given.body, Construct):
            line.alive, line.origin, line.history = True, [number], []
        elif isinstance(given.body, TakeSnapshot) and recorded.state is not None:
            line.origin, line.history = [line.origin[0], number], []
        else:
            line.history.append(number)

    def _rebuild(self, actor: ActorId, line: _Line) -> bool:
        """Bring an instance back to where it stood before the input that it failed on. False if that does not repeat."""
        self._guests.step(StepInput(actor, 0, 0, 0, Destroy()))
        if not line.origin:
            raise ValueError(f"{actor} takes a step, and was not made")
        for at, number in enumerate((*line.origin, *line.history)):
            (entry,) = self._store.read_now(self._run, [number])
            given, recorded = read_step(entry, line.spec)
            if at == 1 and isinstance(given.body, TakeSnapshot) and recorded.state is not None:
                # As the runtime does: it takes back what it told then.
                given, recorded = replace(given, body=Restore(recorded.state)), StepResult(given.actor, given.step)
            if not self._agrees(number, given, recorded, self._give(line, given), rebuilding=True):
                return False
        line.alive = True
        return True

    def _give(self, line: _Line, given: StepInput) -> StepResult:
        if isinstance(given.body, Construct):
            limits = line.spec.limits
            patient = replace(limits, construct_ms=limits.construct_ms * _PATIENCE, call_ms=limits.call_ms * _PATIENCE)
            given = replace(given, body=replace(given.body, spec=replace(line.spec, limits=patient)))
        return self._guests.step(given)

    def _agrees(
        self, number: int, given: StepInput, recorded: StepResult, repeated: StepResult, *, rebuilding: bool = False
    ) -> bool:
        was, now = recorded.description, repeated.description
        if was is not None and now is not None and was.component != now.component:
            assert isinstance(given.body, Construct)
            build = OtherBuild(given.body.spec.component, was.component, now.component)
            self._builds[build.component, build.recorded, build.now] = build
            # Another build may do the same all the same.
            now = replace(now, component=was.component)
        what = differs(recorded, replace(repeated, description=now))
        if what is not None and not (isinstance(given.body, Restore) and rebuilding and repeated.failure is None):
            self.divergence = Divergence(number, given, recorded, repeated, what, rebuilding)
        return self.divergence is None

    def _drop(self, actor: ActorId, line: _Line, why: str) -> None:
        self._guests.step(StepInput(actor, 0, 0, 0, Destroy()))
        line.alive, line.gone = False, why

    def _stop(self) -> Stop:
        entry = self._plan.stop
        assert entry is not None
        actor = self._stopping
        line = self._lines.get(actor) if actor is not None else None
        if actor is None or line is None:
            return Stop(self._plan.end, entry)
        state, no_state = self._state(actor, line)
        return Stop(self._plan.end, entry, actor, line.last, state, no_state, tuple(self._logs))

    def _state(self, actor: ActorId, line: _Line) -> tuple[str | None, str | None]:
        if self._plan.wanted is not None and self._plan.wanted not in (actor, name_of(actor)):
            return None, "It was not replayed."
        if line.last is None or not line.alive:
            return None, line.gone
        given = line.last[0]
        result = self._guests.step(StepInput(actor, given.step + 1, given.now, given.seed, TakeSnapshot()))
        if result.failure is not None:
            return None, f"It cannot tell its state: {result.failure.message}"
        if result.state is None:
            return None, "It can tell no state now: a handler of it waits for an answer, or it keeps none."
        return result.state, None


def _whose(entry: Entry) -> ActorId | None:
    """The actor that an entry is about."""
    return ActorId(str(entry[1])) if entry[0] in ("step", "answer", "lost") and len(entry) > 1 else None
