"""Where guests live: the seam at which worker processes attach.

A shard takes batches of inputs and gives back batches of results, all plain data. It knows nothing of routing, requests or runs.
"""

from collections.abc import Sequence
from typing import Protocol

from vespiary.model.ids import ActorId
from vespiary.model.steps import StepInput, StepResult


class ShardLost(Exception):
    """The shard and all that lived in it are gone. The next batch is given to a new one.

    `reason` is for people. `running` is the actor whose step it was in the middle of, if that is known. `killed`: somebody ended it
    from outside, so that no actor is to blame.
    """

    def __init__(self, reason: str, running: ActorId | None = None, *, killed: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.running = running
        self.killed = killed


class Shard(Protocol):
    """A home for actors. The scheduler keeps at most one step of an actor under way."""

    @property
    def generation(self) -> int:
        """Counts incarnations: another number than when an instance was made means that the instance is gone. Not negative."""
        ...

    async def run(self, batch: Sequence[StepInput]) -> Sequence[StepResult]:
        """Run the steps in order and give a result for each, in the same order. Never raises for what a guest does.

        Raises `ShardLost`, for every batch that it has, when it breaks as a whole.
        """
        ...

    def interrupt(self, actor: ActorId) -> None:
        """End the step that this actor is in, if any; its result says `cancelled`.

        A step that waits in a batch is skipped in the same way, unless it is `Destroy`. The caller drops the actor afterwards.
        """
        ...

    async def close(self) -> None:
        """Drop all actors. A step under way is interrupted."""
        ...
