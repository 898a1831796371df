"""What happens to a run, as entries of its journal: made here when it happens, read here when the run is rebuilt.

Knows the form of every kind of entry. What an entry does to a colony is `settlement`'s and `recovery`'s matter. An entry is a list
whose first element says its kind:

- `spawn`: an agent is to be made: scope, name, parent, actors (a specification, or the index of an earlier one), cause, first
  messages, states
- `step`: an actor consumed an input: actor, step, time, seed, input, outputs, failure, description, state
- `post`: the host published a message: scope, type, payload
- `answer`: a request was answered: actor, request, ok, payload
- `end`: a scope was ended from outside: scope, reason
- `lost`: an actor's instance could not be brought back: actor, reason
- `note`: a fact that the owner of the colony keeps with the run: kind, data, the request until whose answer it counts
- `checkpoint`: the run as it stood after an earlier entry: the number of that entry, state
- `kept`: a step before a checkpoint, which an instance is rebuilt from; instead of its outputs it has their digest
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId, Scope
from vespiary.model.pack import (
    pack_body,
    pack_description,
    pack_failure,
    pack_outputs,
    pack_spec,
    unpack_body,
    unpack_description,
    unpack_failure,
    unpack_outputs,
    unpack_spec,
)
from vespiary.model.steps import ActorSpec, Answer, StepBody, StepInput, StepResult
from vespiary.runtime.journal import Entry

Cause = tuple[ActorId, int]
"""The request that made an agent: the actor and its request's id. An agent is made once for each."""

First = tuple[str, str]
"""A message that an agent hears as soon as all its actors are ready: type and payload."""


class JournalDiverged(VespiaryError):
    """A recorded run and what is made of its record do not agree. `number` is the entry at which it was seen."""

    code = "journal.diverged"

    def __init__(self, number: int, what: str) -> None:
        super().__init__(
            f"The journal of the run does not fit together at entry {number}: {what}.",
            hint="`vespiary journal check` says more. The run cannot go on from here.",
        )
        self.number = number


class Specs:
    """The actor specifications of one run, each written once."""

    def __init__(self) -> None:
        self.known: list[ActorSpec] = []
        self._index: dict[ActorSpec, int] = {}

    def write(self, spec: ActorSpec) -> Any:
        """The index of a specification that was written before, or all of it."""
        at = self._index.get(spec)
        if at is not None:
            return at
        self._learn(spec)
        return pack_spec(spec)

    def read(self, packed: Any) -> ActorSpec:
        """The specification that an entry names or holds."""
        if isinstance(packed, int):
            if not 0 <= packed < len(self.known):
                raise ValueError(f"there is no specification {packed}")
            return self.known[packed]
        spec = unpack_spec(packed)
        self._learn(spec)
        return spec

    def _learn(self, spec: ActorSpec) -> None:
        if spec not in self._index:
            self._index[spec] = len(self.known)
            self.known.append(spec)


@dataclass(frozen=True, slots=True)
class Spawn:
    """An agent that is to be made."""

    scope: Scope
    name: str
    parent: Scope | None
    actors: tuple[ActorSpec, ...]
    cause: Cause | None = None
    first: tuple[First, ...] = ()
    states: Mapping[str, str] | None = None
    """States to begin with, by the name of the actor."""

    def entry(self, specs: Specs) -> Entry:
        """As an entry."""
        actors = [specs.write(spec) for spec in self.actors]
        states = dict(self.states) if self.states else None
        return ("spawn", self.scope, self.name, self.parent, actors, self.cause, self.first, states)

    @classmethod
    def of(cls, entry: Entry, specs: Specs) -> "Spawn":
        """From an entry."""
        _, scope, name, parent, actors, cause, first, states = entry
        return cls(
            Scope(scope),
            name,
            None if parent is None else Scope(parent),
            tuple(specs.read(each) for each in actors),
            None if cause is None else (ActorId(cause[0]), cause[1]),
            tuple((message_type, payload) for message_type, payload in first),
            states,
        )


def step_entry(step: StepInput, result: StepResult) -> Entry:
    """A step: what was consumed and all that came of it."""
    return (
        "step",
        step.actor,
        step.step,
        step.now,
        step.seed,
        pack_body(step.body, spec=False),
        pack_outputs(result.outputs),
        pack_failure(result.failure),
        pack_description(result.description),
        result.state,
    )


@dataclass(frozen=True, slots=True)
class Known(StepResult):
    """A result of whose outputs only the digest is left."""

    digest: bytes = b""


def step_actor(entry: Entry) -> ActorId:
    """The actor of a step."""
    return ActorId(entry[1])


def read_step(entry: Entry, spec: ActorSpec) -> tuple[StepInput, StepResult]:
    """A step again. Raises `ValueError` for what is none."""
    try:
        _, actor, step, now, seed, body, outputs, failure, description, state = entry
    except ValueError as error:
        raise ValueError(f"this is not a step: {error}") from None
    body_: StepBody = unpack_body(body, spec)
    given = StepInput(ActorId(actor), step, now, seed, body_)
    if isinstance(outputs, bytes):
        end = unpack_failure(failure), unpack_description(description), state
        return given, Known(given.actor, step, (), *end, digest=outputs)
    gave = StepResult(
        given.actor,
        step,
        unpack_outputs(outputs),
        unpack_failure(failure),
        unpack_description(description),
        state,
    )
    return given, gave


def answer_entry(actor: ActorId, answer: Answer) -> Entry:
    """The answer to a request."""
    return ("answer", actor, answer.request, answer.ok, answer.payload)


def read_answer(entry: Entry) -> tuple[ActorId, Answer]:
    """The actor that asked, and the answer."""
    _, actor, request, ok, payload = entry
    return ActorId(actor), Answer(request, bool(ok), payload)


def tags(entries: Iterable[Entry]) -> Sequence[str]:
    """The kinds of some entries."""
    return [cast(str, entry[0]) for entry in entries]
