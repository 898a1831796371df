"""Where guests live: the seam at which worker processes attach.

A shard takes batches of inputs and gives back batches of results, all plain data. It knows nothing of routing, requests or runs.
"""

from collections.abc import Sequence
from typing import Protocol

from vespiary.model.ids import ActorId
from vespiary.model.steps import StepInput, StepResult


class ShardLost(Exception):
    """The process of a shard is gone, and all its instances with it. Of the batch nothing took effect; it may be run again."""

    def __init__(self, reason: str, running: ActorId | None = None, *, killed: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        """For people, as the end of a sentence: "its worker process was killed (signal 9)"."""
        self.running = running
        """The actor whose step was being run, as far as that is known: the one to suspect."""
        self.killed = killed
        """Whether it was ended from outside, so that no actor is to blame."""


class Shard(Protocol):
    """A home for actors. The scheduler keeps at most one step of an actor under way."""

    @property
    def generation(self) -> int:
        """Changes whenever the instances of this shard are gone.

        Read it when `run` has returned: an instance that the batch made exists for as long as the number stays the same.
        """
        ...

    async def run(self, batch: Sequence[StepInput]) -> Sequence[StepResult]:
        """Run the steps in order and give a result for each, in the same order.

        Never raises for what a guest does, except that a process may end with it: then it raises `ShardLost`.
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
