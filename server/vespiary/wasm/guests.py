"""All guests of one shard: takes step inputs, runs them in the sandbox, gives step results.

Implements `vespiary.runtime.guests.Guests` in form, without importing it. A step never raises for what a guest does; after a fatal
failure the instance is gone and only the step's log lines are left. Knows nothing of scheduling or agents.
"""

import logging
import threading
import time
from dataclasses import replace
from typing import Any

from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId, Scope, scope_of
from vespiary.model.steps import (
    Answer,
    Construct,
    Deliver,
    Description,
    Destroy,
    FailureKind,
    Limits,
    Restore,
    StepFailure,
    StepInput,
    StepResult,
    TakeSnapshot,
)
from vespiary.wasm.call import CallLayer, GuestError, best_layer
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.descriptions import BadDescription, parse_description
from vespiary.wasm.failures import failure, handler_failure
from vespiary.wasm.guest import Guest, StepFailed
from vespiary.wasm.imports import set_current
from vespiary.wasm.outbox import Outbox, RequestIds

_log = logging.getLogger(__name__)
_DEFAULT_LIMITS = Limits()


class _Step:
    """The step that runs now, as far as another thread may touch it."""

    __slots__ = ("actor", "guest", "interrupted")

    def __init__(self, actor: ActorId) -> None:
        self.actor = actor
        self.guest: Guest | None = None
        self.interrupted = False


class WasmGuests:
    """The guests of one shard. `step` and `close` are called by one thread at a time, `interrupt` by any."""

    def __init__(self, components: ComponentStore, *, layer: CallLayer | None = None) -> None:
        self._components = components
        self._layer = layer or best_layer()
        self._guests: dict[ActorId, Guest] = {}
        # Begun anew with each instance: one that is brought back counts as the one before it did. Those of later steps differ.
        self._requests: dict[ActorId, RequestIds] = {}
        self._lock = threading.Lock()
        self._running: _Step | None = None

    def __len__(self) -> int:
        return len(self._guests)

    def step(self, step: StepInput) -> StepResult:
        """Consume one input. Never raises for anything that a guest does."""
        start = time.perf_counter_ns()
        guest = self._guests.get(step.actor)
        box = self._outbox(step, guest)
        running = _Step(step.actor)
        self._watch(running, guest)
        with self._lock:
            self._running = running
        set_current(box)
        description: Description | None = None
        state: str | None = None
        why: StepFailure | None = None
        try:
            match step.body:
                case Construct():
                    description = self._construct(step, step.body, running)
                case Deliver():
                    envelope = step.body.envelope
                    self._told(
                        self._living(step.actor).call(
                            "handle", envelope.id, envelope.type, envelope.sender, envelope.scope, envelope.payload
                        )
                    )
                case Answer():
                    body = step.body
                    self._told(self._living(step.actor).call("reply", body.request, body.ok, body.payload))
                case TakeSnapshot():
                    state = self._living(step.actor).call("snapshot")
                case Restore():
                    self._restore(self._living(step.actor), step.body)
                case Destroy():
                    self._forget(step.actor)
            if box.broken is not None:
                why = failure(FailureKind.PROTOCOL, f"The actor broke a rule: {box.broken}")
        except StepFailed as ended:
            why = ended.why
        except Exception as fault:  # noqa: BLE001
            # The actor boundary: a fault of ours ends one actor, not the shard.
            _log.exception("step %s of %s failed in the host", step.step, step.actor)
            why = failure(
                FailureKind.TRAP, f"Vespiary failed while it ran the actor: {type(fault).__name__}. See its log."
            )
        finally:
            set_current(None)
            with self._lock:
                self._running = None
        if why is not None and why.fatal:
            self._drop(step.actor)
            description = state = None
        return StepResult(
            actor=step.actor,
            step=step.step,
            outputs=box.logs() if why is not None and why.fatal else tuple(box.items),
            failure=why,
            description=description,
            state=state,
            busy_ns=time.perf_counter_ns() - start,
        )

    def interrupt(self, actor: ActorId) -> None:
        """End the call that is running inside this actor, if one is. Returns at once; the call ends within milliseconds."""
        with self._lock:
            running = self._running
            if running is None or running.actor != actor:
                return
            running.interrupted = True
            if running.guest is not None:
                running.guest.watch.interrupt()

    def close(self) -> None:
        """Drop all guests. No step may be running."""
        for actor in list(self._guests):
            self._forget(actor)
        self._requests.clear()

    def _outbox(self, step: StepInput, guest: Guest | None) -> Outbox:
        body = step.body
        requests = self._requests.get(step.actor)
        if requests is None or isinstance(body, Construct):
            requests = RequestIds()
            if isinstance(body, Construct):
                self._requests[step.actor] = requests
        parent_message: str | None = None
        limits = guest.spec.limits if guest is not None else _DEFAULT_LIMITS
        parent = guest.parent if guest is not None else None
        if isinstance(body, Construct):
            limits, parent = body.spec.limits, body.parent
        elif isinstance(body, Deliver):
            parent_message = body.envelope.id
        elif isinstance(body, Answer):
            parent_message = requests.parents.pop(body.request, None)
        return Outbox(
            step.actor,
            scope_of(step.actor),
            parent,
            step.step,
            step.now,
            step.seed,
            limits,
            requests,
            parent_message,
        )

    def _watch(self, running: _Step, guest: Guest | None) -> None:
        """Let interrupts reach the guest; one that came before is passed on."""
        if guest is None:
            return
        with self._lock:
            guest.watch.interrupted = running.interrupted
            running.guest = guest

    def _construct(self, step: StepInput, body: Construct, running: _Step) -> Description:
        self._drop(step.actor)
        scope = Scope(scope_of(step.actor))
        try:
            loaded = self._components.load(body.spec.component)
        except VespiaryError as fault:
            raise StepFailed(failure(FailureKind.CONSTRUCT, str(fault))) from fault
        guest = Guest(self._components.engine, loaded, body.spec, scope, body.parent)
        self._guests[step.actor] = guest
        self._watch(running, guest)
        guest.construct(self._layer)
        text = guest.call("describe")
        if isinstance(text, GuestError):
            raise StepFailed(
                failure(FailureKind.CONSTRUCT, str(text).strip() or "The actor cannot work and does not say why.")
            )
        try:
            return replace(parse_description(text), component=loaded.identity)
        except BadDescription as fault:
            raise StepFailed(failure(FailureKind.PROTOCOL, f"The actor's description is nonsense: {fault}.")) from None

    def _living(self, actor: ActorId) -> Guest:
        guest = self._guests.get(actor)
        if guest is None:
            raise StepFailed(
                failure(FailureKind.TRAP, f"The actor {actor} is gone: it failed earlier, or it was never constructed.")
            )
        return guest

    def _told(self, answer: Any) -> None:
        if isinstance(answer, GuestError):
            raise StepFailed(handler_failure(str(answer)))  # orjson takes no subclass

    def _restore(self, guest: Guest, body: Restore) -> None:
        answer = guest.call("restore", body.state)
        if isinstance(answer, GuestError):
            raise StepFailed(failure(FailureKind.CONSTRUCT, f"The actor does not take its state back: {answer}"))

    def _drop(self, actor: ActorId) -> None:
        guest = self._guests.pop(actor, None)
        if guest is not None:
            guest.close()
        if (requests := self._requests.get(actor)) is not None:
            requests.parents.clear()

    def _forget(self, actor: ActorId) -> None:
        self._drop(actor)
        self._requests.pop(actor, None)
