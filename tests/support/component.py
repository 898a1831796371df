"""A Python actor in the real sandbox, driven step by step, for tests of what only happens there.

The component is the one that Vespiary itself uses: built from the checkout on first need and kept in the user's cache.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from vespiary.model.ids import ActorId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import (
    ActorSpec,
    Answer,
    Construct,
    Deliver,
    Limits,
    Log,
    Request,
    Restore,
    Send,
    StepBody,
    StepInput,
    StepResult,
    TakeSnapshot,
)
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests


@cache
def component_store() -> ComponentStore:
    """The components of this test process."""
    return ComponentStore(lambda text: None)


def python_actor(source: str, *, config: Any = None, entry: str = "mine", **files: Any) -> str:
    """The constructor's text of an actor whose module is `mine.py`. Further files by path, `/` written as `__`."""
    more = {name.replace("__", "/") if not name.startswith("__") else name: text for name, text in files.items()}
    code = {"entry": entry, "files": {"mine.py": source, **more}}
    return json.dumps({"name": "mine", "config": config or {}, "code": code})


class LiveActor:
    """One actor. Steps are numbered from 1; time and seed are the test's."""

    def __init__(self, config: str, *, limits: Limits | None = None, actor: str = "abc123/mine") -> None:
        self.guests = WasmGuests(component_store())
        self.actor = ActorId(actor)
        self.now = 1_700_000_000_000_000_000
        self._step = 0
        spec = ActorSpec("mine", "python", config, limits or Limits())
        self.made = self.step(Construct(spec, None))

    def step(self, body: StepBody, seed: int | None = None) -> StepResult:
        """Take one step; without a seed, its number is the seed."""
        self._step += 1
        return self.guests.step(StepInput(self.actor, self._step, self.now, seed or self._step, body))

    def send(self, message_type: str, payload: Any = None, *, seed: int | None = None) -> StepResult:
        """Deliver a message of the actor's own scope."""
        envelope = Envelope("root:1", message_type, ActorId("abc123/other"), Scope("abc123"), json.dumps(payload))
        return self.step(Deliver(envelope), seed)

    def answer(self, request: Request, payload: Any, *, ok: bool = True) -> StepResult:
        """Answer a request."""
        return self.step(Answer(request.id, ok, json.dumps(payload)))

    def snapshot(self) -> str | None:
        """The actor's state."""
        return self.step(TakeSnapshot()).state

    def restore(self, state: str) -> StepResult:
        """Give a state back."""
        return self.step(Restore(state))

    def close(self) -> None:
        """Drop it."""
        self.guests.close()


def logs(result: StepResult) -> list[tuple[str, str]]:
    """The log lines of a step: (level, text)."""
    return [(output.level.value, output.text) for output in result.outputs if isinstance(output, Log)]


def sends(result: StepResult) -> list[tuple[str, Any]]:
    """The messages of a step: (type, payload)."""
    return [(output.type, json.loads(output.payload)) for output in result.outputs if isinstance(output, Send)]


def requests(result: StepResult) -> Sequence[Request]:
    """The requests of a step."""
    return [output for output in result.outputs if isinstance(output, Request)]


def error(result: StepResult) -> str:
    """What went wrong in a step; empty if nothing did."""
    return "" if result.failure is None else result.failure.message
