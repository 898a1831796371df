"""Failures of a step that came from outside of its actor: from time, from a person, from a process that ended.

The same input given again says nothing about them. Knows the words in which the runtime tells of them.
"""

from vespiary.model.steps import FailureKind, StepFailure

SHARD_FAILED = "The shard that the actor lives in failed."
KEEPS_ENDING = "Its worker process keeps ending"
ENDED_WITH_IT = "The worker process ended while it ran this actor"
SANDBOX_FAILED = "The sandbox itself failed."
_WORDS = (SHARD_FAILED, KEEPS_ENDING, ENDED_WITH_IT, SANDBOX_FAILED, "Vespiary failed while it ran the actor")


def from_outside(failure: StepFailure) -> str | None:
    """What the failure came from, in a word or two; none for one that the actor's code and its input lead to every time."""
    if failure.kind is FailureKind.DEADLINE:
        return "deadline"
    if failure.kind is FailureKind.CANCELLED:
        return "cancelled"
    return "lost process" if failure.kind is FailureKind.TRAP and failure.message.startswith(_WORDS) else None
