"""What a worker process needs of the sandbox, and the sandbox that it has unless it is told otherwise.

`Hosted` has the form of `vespiary.runtime.guests.Guests` and one method more. Tests and benchmarks host other guests: they name a
factory on the command line of the process, which nobody but the server writes.
"""

import importlib
from collections.abc import Callable
from typing import Protocol

from vespiary.model.ids import ActorId
from vespiary.model.steps import StepInput, StepResult

Progress = Callable[[str], None]
"""Told a sentence for people when something takes long."""


class Hosted(Protocol):
    """All guests of the process. Every method but `interrupt` is called on the main thread."""

    def step(self, step: StepInput) -> StepResult:
        """Consume one input, blocking until the guest returns. Never raises for anything that a guest does."""
        ...

    def interrupt(self, actor: ActorId) -> None:
        """End the call that is running inside this actor, if one is. Any thread may call this."""
        ...

    def load(self, reference: str) -> str:
        """Load a component, compiling it if it must be; gives its identity. Raises `VespiaryError`."""
        ...


Factory = Callable[[Progress], Hosted]
SANDBOX = "vespiary.worker.sandbox:Sandbox"


def factory(name: str) -> Factory:
    """The function `module:function`."""
    module, _, function = name.partition(":")
    found: Factory = getattr(importlib.import_module(module), function)
    return found
