"""A colony of scripted guests for tests: what it told, and ways to wait for it without sleeping."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import anyio.to_thread
from support.guests import Scripted, ScriptedGuests
from vespiary.model.agents import AgentSpec
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import ActorSpec, Caller, Log, StepFailure, StepInput, StepResult
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.capability import Capability
from vespiary.runtime.colony import Colony
from vespiary.runtime.deadletters import DeadLetter
from vespiary.runtime.inprocess import InProcessShard
from vespiary.runtime.journal import Journal
from vespiary.runtime.shard import Shard

RUN = RunId("run000000001")
OTHER = RunId("run000000002")


class StepClock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.time = 1_000

    def now(self) -> int:
        return self.time


class Ear:
    """An observer that keeps everything, and wakes whoever waits for some of it."""

    def __init__(self) -> None:
        self.messages: list[tuple[RunId, Scope, Envelope]] = []
        self.logs: list[tuple[RunId, ActorId, str]] = []
        self.failures: list[tuple[RunId, ActorId, StepFailure, bool]] = []
        self.exits: list[tuple[RunId, Scope, str]] = []
        self.problems: list[tuple[RunId, VespiaryError]] = []
        self.buried_letters: list[DeadLetter] = []
        self._changed = anyio.Event()

    def message(self, run: RunId, published_in: Scope, envelope: Envelope) -> None:
        self.messages.append((run, published_in, envelope))
        self._wake()

    def log(self, run: RunId, actor: ActorId, line: Log) -> None:
        self.logs.append((run, actor, line.text))
        self._wake()

    def failed(self, run: RunId, actor: ActorId, failure: StepFailure, *, restarted: bool) -> None:
        self.failures.append((run, actor, failure, restarted))
        self._wake()

    def buried(self, letter: DeadLetter) -> None:
        self.buried_letters.append(letter)
        self._wake()

    def broken(self, run: RunId, problem: VespiaryError) -> None:
        self.problems.append((run, problem))
        self._wake()

    def exited(self, run: RunId, scope: Scope, reason: str) -> None:
        self.exits.append((run, scope, reason))
        self._wake()

    def said(self, message_type: str) -> list[Any]:
        """The payloads of all messages of a type, in order."""
        return [json.loads(envelope.payload) for _, _, envelope in self.messages if envelope.type == message_type]

    def lines(self) -> list[str]:
        return [text for _, _, text in self.logs]

    async def until(self, what: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until something heard made `what` true."""
        with anyio.fail_after(seconds):
            while not what():
                await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class Desk:
    """A capability whose answers a test gives by hand."""

    def __init__(self) -> None:
        self.callers: list[tuple[Caller, str]] = []
        self.cancelled: list[int] = []
        self._answers: dict[int, tuple[anyio.Event, list[str]]] = {}
        self._came = anyio.Event()

    async def __call__(self, caller: Caller, payload: str) -> str:
        event, answer = self._answers.setdefault(caller.request, (anyio.Event(), []))
        self.callers.append((caller, payload))
        self._came.set()
        self._came = anyio.Event()
        try:
            await event.wait()
        except BaseException:
            self.cancelled.append(caller.request)
            raise
        return answer[0]

    def repeatable(self, payload: str) -> bool:
        return True

    def answer(self, request: int, payload: Any) -> None:
        event, answer = self._answers[request]
        answer.append(json.dumps(payload))
        event.set()

    async def asked(self, count: int = 1) -> None:
        """Wait until so many requests came."""
        with anyio.fail_after(20):
            while len(self.callers) < count:
                await self._came.wait()


class InlineShard:
    """Runs guests on the event loop, without ever letting it go: fast, and hard on whoever should."""

    generation = 1

    def __init__(self, guests: ScriptedGuests) -> None:
        self.guests = guests

    async def run(self, batch: Sequence[StepInput]) -> Sequence[StepResult]:
        return [self.guests.step(step) for step in batch]

    def interrupt(self, actor: ActorId) -> None: ...

    async def close(self) -> None:
        self.guests.close()


class Stage:
    """What a test of the colony holds in its hands."""

    def __init__(self, behaviours: Mapping[str, type[Scripted]], shards: int, inline: bool) -> None:
        self._behaviours = behaviours
        self.ear = Ear()
        self.clock = StepClock()
        self.guests: list[ScriptedGuests] = []
        self.shards: list[Shard] = [
            InlineShard(self._make()) if inline else InProcessShard(self._make) for _ in range(shards)
        ]
        self.colony: Colony

    def _make(self) -> ScriptedGuests:
        made = ScriptedGuests(self._behaviours)
        self.guests.append(made)
        return made

    async def looping(self) -> None:
        """Wait until some actor loops."""
        with anyio.fail_after(20):
            await anyio.to_thread.run_sync(self.guests[0].looping.wait, abandon_on_cancel=True)

    def step_numbers(self, actor: ActorId) -> list[int]:
        return [step.step for guests in self.guests for step in guests.steps if step.actor == actor]


class _Staged(AbstractAsyncContextManager[Stage]):
    def __init__(self, stage: Stage, colony: Colony) -> None:
        self._stage = stage
        self._colony = colony

    async def __aenter__(self) -> Stage:
        self._stage.colony = await self._colony.__aenter__()
        return self._stage

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._colony.__aexit__(*error)


def staged(
    *behaviours: type[Scripted],
    shards: int = 1,
    inline: bool = False,
    capabilities: Mapping[str, Capability] | None = None,
    bounds: Bounds | None = None,
    journal: Journal | None = None,
    seed: int = 7,
    homes: Sequence[Shard] = (),
) -> AbstractAsyncContextManager[Stage]:
    """A running colony. A behaviour is known by the name of its class. `inline`: without threads. `homes`: in these shards."""
    stage = Stage({behaviour.__name__: behaviour for behaviour in behaviours}, shards, inline)
    stage.shards = list(homes) or stage.shards
    colony = Colony(
        shards=stage.shards,
        capabilities=capabilities or {},
        observer=stage.ear,
        clock=stage.clock,
        source=random.Random(seed),
        bounds=bounds,
        journal=journal,
    )
    return _Staged(stage, colony)


def agent(*behaviours: type[Scripted], name: str = "tester", **named: type[Scripted]) -> AgentSpec:
    """An agent of these behaviours, each called as its class in lower case, or by keyword."""
    specs = [ActorSpec(behaviour.__name__.lower(), behaviour.__name__, "{}") for behaviour in behaviours]
    specs += [ActorSpec(key, behaviour.__name__, "{}") for key, behaviour in named.items()]
    return AgentSpec(name, tuple(specs))
