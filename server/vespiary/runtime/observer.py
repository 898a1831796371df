"""What the colony tells its owner while it works. Called on the event loop; must not block or raise."""

from typing import Protocol

from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import Log, StepFailure
from vespiary.runtime.deadletters import DeadLetter


class Observer(Protocol):
    """The owner's ear."""

    def message(self, run: RunId, published_in: Scope, envelope: Envelope) -> None:
        """A message was published, after the step that sent it was committed."""
        ...

    def log(self, run: RunId, actor: ActorId, line: Log) -> None:
        """An actor logged a line."""
        ...

    def failed(self, run: RunId, actor: ActorId, failure: StepFailure, *, restarted: bool) -> None:
        """A step failed. When the failure was fatal and the actor is not restarted, its agent ends.

        After a failure that is not fatal the instance lives on, and `restarted` is false.
        """
        ...

    def buried(self, letter: DeadLetter) -> None:
        """A message or an answer could not be delivered, or was fatal to its receiver."""
        ...

    def broken(self, run: RunId, problem: VespiaryError) -> None:
        """A run's journal cannot be written or read: all of it ends here now. What was kept of it stays as it was."""
        ...

    def exited(self, run: RunId, scope: Scope, reason: str) -> None:
        """A scope and its children have ended."""
        ...
