"""Guests in plain Python: a sandbox's stand-in for tests of the runtime.

A behaviour is a class; `ActorSpec.component` names it. `ScriptedGuests` keeps the promises of `vespiary.runtime.guests.Guests`: one
thread, steps that never raise, an `interrupt` that any thread may call.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any

from vespiary.model.ids import ActorId, Scope, correlate, scope_of
from vespiary.model.messages import Envelope, Extent, Subscription
from vespiary.model.steps import (
    ActorSpec,
    Answer,
    CancelRequest,
    Construct,
    Deliver,
    Description,
    Destroy,
    FailureKind,
    Level,
    Log,
    Output,
    Request,
    Restore,
    Send,
    StepFailure,
    StepInput,
    StepResult,
    TakeSnapshot,
    Tool,
)


class HandlerFailed(Exception):
    """Raised by a behaviour: the step fails as `handler`."""


class Dies(Exception):
    """Raised by a behaviour: the step is fatal."""

    def __init__(self, message: str = "it crashed", kind: FailureKind = FailureKind.TRAP) -> None:
        super().__init__(message)
        self.kind = kind


class Scripted:
    """An actor. Override what the test needs; call `send`, `request`, `cancel`, `log` from there."""

    listens: tuple[str | Subscription, ...] = ()
    tools: tuple[Tool, ...] = ()

    def __init__(self) -> None:
        self.id: ActorId
        self.scope: Scope
        self.parent: Scope | None
        self.config: str
        self.step: StepInput
        self.outputs: list[Output] = []
        self.interrupted = threading.Event()
        self.looping: threading.Event
        self._message: str | None = None
        self._fresh = 0
        self._requests = 0

    # What a test overrides

    def construct(self) -> None: ...

    def handle(self, envelope: Envelope) -> None: ...

    def reply(self, answer: Answer) -> None: ...

    def snapshot(self) -> str | None:
        return None

    def restore(self, state: str) -> None: ...

    # What it calls

    def send(self, message_type: str, payload: Any = None, to: Scope | None = None) -> str:
        self._fresh += 1
        key = correlate(self._message, f"{self.id}.{self.step.step}.{self._fresh}")
        self.outputs.append(Send(key, message_type, json.dumps(payload), to))
        return key

    def request(self, capability: str, payload: Any = None) -> int:
        self._requests += 1
        self.outputs.append(Request(self._requests, capability, json.dumps(payload)))
        return self._requests

    def cancel(self, request: int) -> None:
        self.outputs.append(CancelRequest(request))

    def log(self, text: str) -> None:
        self.outputs.append(Log(Level.INFO, text))

    def loop_for_ever(self) -> None:
        """Return only when interrupted; then the step fails as `cancelled`."""
        self.looping.set()
        self.interrupted.wait()
        raise Dies("interrupted", FailureKind.CANCELLED)

    def run(self, step: StepInput) -> StepResult:
        self.step, self.outputs = step, []
        description: Description | None = None
        state: str | None = None
        failure: StepFailure | None = None
        try:
            body = step.body
            if isinstance(body, Construct):
                self.construct()
                wishes = (item if isinstance(item, Subscription) else Subscription(item) for item in self.listens)
                description = Description(self.tools, tuple(wishes))
            elif isinstance(body, Deliver):
                self._message = body.envelope.id
                self.handle(body.envelope)
            elif isinstance(body, Answer):
                self.reply(body)
            elif isinstance(body, TakeSnapshot):
                state = self.snapshot()
            elif isinstance(body, Restore):
                self.restore(body.state)
        except HandlerFailed as error:
            failure = StepFailure(FailureKind.HANDLER, str(error))
        except Dies as error:
            failure = StepFailure(error.kind, str(error))
        outputs = [output for output in self.outputs if isinstance(output, Log) or failure is None or not failure.fatal]
        return StepResult(step.actor, step.step, tuple(outputs), failure, description, state)


class ScriptedGuests:
    """All actors of a shard. `behaviours` maps a component's name to the class of its actors."""

    def __init__(self, behaviours: Mapping[str, type[Scripted]]) -> None:
        self._behaviours = behaviours
        self.living: dict[ActorId, Scripted] = {}
        self.steps: list[StepInput] = []
        """Every input that was consumed, in order."""
        self.threads: set[int] = set()
        self.looping = threading.Event()
        """Set when an actor began to loop."""
        self.closed = False

    def step(self, step: StepInput) -> StepResult:
        self.threads.add(threading.get_ident())
        self.steps.append(step)
        body = step.body
        if isinstance(body, Destroy):
            self.living.pop(step.actor, None)
            return StepResult(step.actor, step.step)
        if isinstance(body, Construct):
            actor = self._behaviours[body.spec.component]()
            actor.id, actor.scope, actor.parent = step.actor, scope_of(step.actor), body.parent
            actor.looping = self.looping
            actor.config = body.spec.config
            self.living[step.actor] = actor
        actor = self.living.get(step.actor)
        if actor is None:
            return StepResult(step.actor, step.step, failure=StepFailure(FailureKind.TRAP, "there is no such instance"))
        result = actor.run(step)
        if result.failure is not None and result.failure.fatal:
            self.living.pop(step.actor, None)
        return result

    def interrupt(self, actor: ActorId) -> None:
        running = self.living.get(actor)
        if running is not None:
            running.interrupted.set()

    def close(self) -> None:
        self.closed = True
        self.living.clear()


def actor(name: str, component: str | None = None, config: str = "{}") -> ActorSpec:
    """A specification; the component's name is the actor's unless given."""
    return ActorSpec(name, component or name, config)


def hears(pattern: str, extent: Extent = Extent.OWN) -> Subscription:
    """A subscription."""
    return Subscription(pattern, extent)
