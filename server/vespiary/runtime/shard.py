"""Where guests live: the seam at which worker processes will attach.

A shard takes batches of inputs and gives back batches of results, all plain data. It knows nothing of routing, requests or runs.
"""

from collections.abc import Sequence
from typing import Protocol

from vespiary.model.ids import ActorId
from vespiary.model.steps import StepInput, StepResult


class Shard(Protocol):
    """A home for actors. The scheduler keeps at most one step of an actor under way."""

    async def run(self, batch: Sequence[StepInput]) -> Sequence[StepResult]:
        """Run the steps in order and give a result for each, in the same order. Never raises for what a guest does."""
        ...

    def interrupt(self, actor: ActorId) -> None:
        """End the step that this actor is in, if any; its result says `cancelled`.

        A step that waits in a batch is skipped in the same way, unless it is `Destroy`. The caller drops the actor afterwards.
        """
        ...

    async def close(self) -> None:
        """Drop all actors. A step under way is interrupted."""
        ...
