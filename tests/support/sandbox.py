"""Drives `WasmGuests` in tests: actors by name, steps numbered by themselves, a fixed clock and seed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.wat import WatActor
from vespiary.model.ids import ActorId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import (
    ActorSpec,
    Answer,
    Construct,
    Deliver,
    Destroy,
    Limits,
    Log,
    Restore,
    StepBody,
    StepInput,
    StepResult,
    TakeSnapshot,
)
from vespiary.wasm.guests import WasmGuests

NOW = 1_700_000_000_123_456_789
SCOPE = Scope("abCD12")
QUICK = Limits(memory_bytes=64 * 2**20, construct_ms=20_000, call_ms=300)


class Sandbox:
    """One shard's guests. `folder` is where component files are written."""

    def __init__(self, guests: WasmGuests, folder: Path) -> None:
        self.guests = guests
        self.folder = folder
        self._step = 0

    def run(self, name: str, body: StepBody, *, seed: int = 7, now: int = NOW, step: int | None = None) -> StepResult:
        """One step."""
        self._step += 1
        number = self._step if step is None else step
        return self.guests.step(StepInput(ActorId(f"{SCOPE}/{name}"), number, now, seed, body))

    def file(self, actor: WatActor | bytes, name: str = "actor") -> str:
        """Write a component; gives its path."""
        path = self.folder / f"{name}.wat"
        path.write_bytes(actor if isinstance(actor, bytes) else actor.bytes())
        return str(path)

    def make(
        self,
        actor: WatActor | bytes | str,
        name: str = "actor",
        *,
        config: str = "{}",
        limits: Limits = QUICK,
        parent: Scope | None = None,
    ) -> StepResult:
        """Construct an actor from a component, or from the path of one."""
        reference = actor if isinstance(actor, str) else self.file(actor, name)
        return self.run(name, Construct(ActorSpec(name, reference, config, limits), parent))

    def python(self, source: str, name: str = "actor", *, limits: Limits | None = None) -> StepResult:
        """Construct a Python actor from the source of its module."""
        config = {"name": name, "config": {}, "code": {"entry": "main", "files": {"main.py": source}}}
        return self.make("python", name, config=json.dumps(config), limits=limits or Limits(call_ms=2_000))

    def deliver(self, name: str = "actor", payload: Any = None, type: str = "test.go", **how: Any) -> StepResult:
        """Deliver a message."""
        text = json.dumps({} if payload is None else payload)
        envelope = Envelope("root:m1", type, ActorId(f"{SCOPE}/other"), SCOPE, text)
        return self.run(name, Deliver(envelope), **how)

    def answer(self, request: int, payload: str = "{}", name: str = "actor", *, ok: bool = True) -> StepResult:
        """Deliver an answer."""
        return self.run(name, Answer(request, ok, payload))

    def snapshot(self, name: str = "actor") -> StepResult:
        """Ask for the state."""
        return self.run(name, TakeSnapshot())

    def restore(self, state: str, name: str = "actor") -> StepResult:
        """Give a state back."""
        return self.run(name, Restore(state))

    def destroy(self, name: str = "actor") -> StepResult:
        """Drop the actor."""
        return self.run(name, Destroy())


def lines(result: StepResult) -> list[str]:
    """The texts of the log lines of a step."""
    return [item.text for item in result.outputs if isinstance(item, Log)]


MakeSandbox = Callable[[], Sandbox]
