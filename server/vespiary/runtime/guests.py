"""The seam between the runtime and the sandbox: what a shard needs of a guest.

`vespiary.wasm` implements it; tests of the runtime implement it with plain Python. A guest is used by one thread at a time and
never calls back.
"""

from typing import Protocol

from vespiary.model.ids import ActorId
from vespiary.model.steps import StepInput, StepResult


class Guests(Protocol):
    """All guests of one shard. Every method but `interrupt` is called on the shard's own thread."""

    def step(self, step: StepInput) -> StepResult:
        """Consume one input, blocking until the guest returns. Never raises for anything that a guest does."""
        ...

    def interrupt(self, actor: ActorId) -> None:
        """End the call that is running inside this actor, if one is; it fails as `cancelled`. Any thread may call this."""
        ...

    def close(self) -> None:
        """Drop all guests."""
        ...
