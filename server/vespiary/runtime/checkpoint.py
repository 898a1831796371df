"""A run as it stands, as plain data, and back: what lets the entries before it go.

Knows every record of a run. A run cannot be written down while one of its agents is being made, or while messages of it are in the
spill. Does not know when it is done, or where it is kept.
"""

import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ormsgpack

from vespiary.model.agents import AgentSpec
from vespiary.model.ids import ActorId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.pack import (
    Packed,
    pack_body,
    pack_description,
    pack_outputs,
    pack_spec,
    unpack_body,
    unpack_description,
    unpack_spec,
)
from vespiary.model.steps import Answer, Construct, Deliver, Output, Request, StepBody
from vespiary.runtime.cells import ActorCell, Phase, RunCell, ScopeCell
from vespiary.runtime.journal import Entry

FORMAT = 1

_OUTPUTS = 6
"""Where a step's entry has its outputs."""


@dataclass(frozen=True, slots=True)
class Held:
    """The entries that an actor's instance is rebuilt from."""

    cell: ActorCell
    born: int
    saved: int
    history: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """All of them, in order."""
        return (*((self.born,) if self.born else ()), *((self.saved,) if self.saved else ()), *self.history)

    def move(self, to: dict[int, int]) -> None:
        """Let the actor find them where they are now. What it came to need since then stays where it is."""
        cell = self.cell
        if cell.born != self.born:
            return  # it is another instance by now
        cell.born = to.get(cell.born, 0)
        if cell.saved == self.saved:
            cell.saved = to.get(cell.saved, 0)
            cell.history = array("Q", [to.get(number, number) for number in cell.history])


def can_be_taken(run: RunCell) -> bool:
    """Whether the run can be written down now."""
    return not run.recovering and all(
        scope.barrier is None and not any(cell.mailbox.spilled for cell in scope.actors)
        for scope in run.scopes.values()
    )


def digest(outputs: Sequence[Output]) -> bytes:
    """What is kept of outputs that are only compared any more."""
    return hashlib.blake2b(ormsgpack.packb(pack_outputs(outputs)), digest_size=16).digest()


def kept(entry: Entry) -> Entry:
    """A step as it is kept to rebuild an instance from: its outputs are known by their digest."""
    outputs = entry[_OUTPUTS]
    if not isinstance(outputs, bytes):
        outputs = hashlib.blake2b(ormsgpack.packb(outputs), digest_size=16).digest()
    return ("kept", *entry[1:_OUTPUTS], outputs, *entry[_OUTPUTS + 1 :])


def take(
    run: RunCell, requests: Callable[[ActorCell], Sequence[tuple[Request, int]]]
) -> tuple[dict[str, Any], list[Held]]:
    """The run as data, and the entries that it needs. `requests` gives what an actor waits for, and when it asked."""
    held: list[Held] = []
    scopes = [_scope(scope, run, requests, held) for scope in _parents_first(run)]
    actors = [cell for scope in run.scopes.values() for cell in scope.actors]
    open_ = {(cell.id, request.id) for cell in actors for request, _ in requests(cell)}
    state = {
        "format": FORMAT,
        "letters": run.letters,
        "causes": [[actor, request, scope] for (actor, request), scope in run.causes.items()],
        "specs": [pack_spec(spec) for spec in run.specs.known],
        "notes": [list(note) for note in run.notes if note[2] is None or note[2] in open_],
        "scopes": scopes,
    }
    return state, held


def moved(state: dict[str, Any], to: dict[int, int]) -> dict[str, Any]:
    """The same with the numbers that its entries have now."""

    def actor(packed: dict[str, Any]) -> dict[str, Any]:
        return {
            **packed,
            "born": to.get(packed["born"], 0),
            "saved": to.get(packed["saved"], 0),
            "history": [to[number] for number in packed["history"]],
        }

    scopes = [{**scope, "actors": list(map(actor, scope["actors"]))} for scope in state["scopes"]]
    return {**state, "scopes": scopes}


def _parents_first(run: RunCell) -> list[ScopeCell]:
    return sorted(run.scopes.values(), key=lambda scope: len(scope.path))


def _scope(
    scope: ScopeCell,
    run: RunCell,
    requests: Callable[[ActorCell], Sequence[tuple[Request, int]]],
    held: list[Held],
) -> dict[str, Any]:
    return {
        "scope": scope.scope,
        "name": scope.name,
        "parent": None if scope.parent is None else scope.parent.scope,
        "actors": [_actor(cell, run, requests(cell), held) for cell in scope.actors],
    }


def _actor(cell: ActorCell, run: RunCell, requests: Sequence[tuple[Request, int]], held: list[Held]) -> dict[str, Any]:
    mine = Held(cell, cell.born, cell.saved, tuple(cell.history))
    held.append(mine)
    waiting = cell.mailbox.waiting()
    letters, answers = list(waiting[0]), list(waiting[1])
    urgent: list[StepBody] = list(cell.urgent)
    # What it is at now has not happened yet, as far as its entries say.
    under_way = cell.under_way if cell.under_way is not None else cell.put_back
    if isinstance(under_way, Deliver):
        letters.insert(0, under_way.envelope)
    elif isinstance(under_way, Answer):
        answers.insert(0, under_way)
    elif under_way is not None:
        urgent.insert(0, under_way)
    return {
        "name": cell.spec.name,
        "spec": run.specs.write(cell.spec),
        "phase": cell.phase.name,
        "urgent": [pack_body(body, spec=False) for body in urgent],
        "letters": [(each.id, each.type, each.sender, each.scope, each.payload) for each in letters],
        "answers": [(each.request, each.ok, each.payload) for each in answers],
        "requests": [(each.id, each.capability, each.payload, asked) for each, asked in requests],
        "step": cell.step - (1 if cell.under_way is not None else 0),
        "restarts": cell.restarts,
        "description": pack_description(cell.description),
        "state": cell.state,
        "since": cell.since_snapshot,
        "born": mine.born,
        "saved": mine.saved,
        "history": list(mine.history),
    }


def read_run(run: RunCell, state: dict[str, Any]) -> list[tuple[Scope, Scope | None, AgentSpec, list[dict[str, Any]]]]:
    """Fill in a run's own record; gives its agents, parents first: scope, parent, agent, what is known of each actor.

    Raises `ValueError` for a form that is not known.
    """
    if state["format"] != FORMAT:
        raise ValueError(f"the form {state['format']} of a checkpoint is not known")
    for packed in state["specs"]:
        run.specs.write(unpack_spec(packed))
    run.letters = state["letters"]
    run.causes = {(ActorId(actor), request): Scope(scope) for actor, request, scope in state["causes"]}
    run.notes = [
        (kind, data, None if until is None else (ActorId(until[0]), until[1])) for kind, data, until in state["notes"]
    ]
    found: list[tuple[Scope, Scope | None, AgentSpec, list[dict[str, Any]]]] = []
    for scope in state["scopes"]:
        specs = tuple(run.specs.read(each["spec"]) for each in scope["actors"])
        parent = None if scope["parent"] is None else Scope(scope["parent"])
        found.append((Scope(scope["scope"]), parent, AgentSpec(scope["name"], specs), scope["actors"]))
    return found


def read_actor(cell: ActorCell, packed: Packed) -> list[tuple[Request, int]]:
    """Fill in an actor's record; gives what it waits for, and when it asked."""
    cell.phase = Phase[packed["phase"]]
    parent = cell.home.parent.scope if cell.home.parent else None
    for each in packed["urgent"]:
        body = unpack_body(each, cell.spec)
        cell.urgent.append(Construct(cell.spec, parent) if isinstance(body, Construct) else body)
    for ident, message_type, sender, scope, payload in packed["letters"]:
        cell.mailbox.put(Envelope(ident, message_type, ActorId(sender), Scope(scope), payload))
    for request, ok, payload in packed["answers"]:
        cell.mailbox.put_answer(Answer(request, bool(ok), payload))
    cell.step, cell.restarts, cell.since_snapshot = packed["step"], packed["restarts"], packed["since"]
    cell.description = unpack_description(packed["description"])
    cell.state = packed["state"]
    cell.born, cell.saved, cell.history = packed["born"], packed["saved"], array("Q", packed["history"])
    return [(Request(ident, capability, payload), asked) for ident, capability, payload, asked in packed["requests"]]
