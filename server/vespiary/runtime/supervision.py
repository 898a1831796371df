"""What follows from a failure: an actor is rebuilt without the input that was fatal to it, until it has failed too often.

Knows the rules of restarting. Does not know how a step failed, beyond what its failure says.
"""

import logging
from array import array

from vespiary.model.steps import Answer, Construct, Deliver, FailureKind, Restore, StepBody, StepFailure
from vespiary.model.vocabulary import ACTOR_FAILED
from vespiary.model.wire import to_json
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell, Phase
from vespiary.runtime.exchange import Exchange
from vespiary.runtime.lifecycle import Lifecycle
from vespiary.runtime.observer import Observer
from vespiary.runtime.requests import Requests

logger = logging.getLogger(__name__)


class Supervisor:
    """Deals with failed steps. `keeps`: whether the journal can bring an instance back as it was."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        exchange: Exchange,
        requests: Requests,
        observer: Observer,
        bounds: Bounds,
        *,
        keeps: bool,
    ) -> None:
        self._lifecycle = lifecycle
        self._exchange = exchange
        self._requests = requests
        self._observer = observer
        self._bounds = bounds
        self._keeps = keeps
        self.failures = 0
        self.restarts = 0

    def stumbled(self, cell: ActorCell, failure: StepFailure) -> None:
        """The actor's code raised; the instance lives on and the step's outputs count."""
        self.failures += 1
        logger.info("%s in run %s: a handler failed: %s", cell.id, cell.home.run.id, failure.message)
        self._observer.failed(cell.home.run.id, cell.id, failure, restarted=False)

    def unborn(self, cell: ActorCell, failure: StepFailure) -> None:
        """A constructor failed while its agent was being made: there will be no agent."""
        self.failures += 1
        home = cell.home
        logger.info("%s in run %s could not be made: %s", cell.id, home.run.id, failure.message)
        if home.barrier is not None:
            home.barrier.abandon(failure.message, cell.spec.name, failure)
        self._observer.failed(home.run.id, cell.id, failure, restarted=False)
        self._lifecycle.end(home, failure.message)

    def died(self, cell: ActorCell, body: StepBody, failure: StepFailure) -> None:
        """The instance is gone: bring it back without the input that was fatal, or end the agent if that was done too often.

        With a journal it comes back as it was before that input, with all that it waits for. Without one, or when it could not even
        be made, a new one begins anew.
        """
        kept = self._keeps and cell.born > 0 and not isinstance(body, Construct | Restore)
        if isinstance(body, Deliver | Answer):
            poison = body.envelope if isinstance(body, Deliver) else body
            self._exchange.bury(cell, poison, failure.message, receiver=True)
        if not kept:
            self._forget(cell, None if isinstance(body, Restore) else cell.snapshot)
        if not self._again(cell, failure, kept):
            return
        if kept:
            cell.generation = -1
            if isinstance(body, Answer):
                # Some handler waits for it. It must hear that it will not come.
                cell.mailbox.put_answer(_unread(body, failure), first=True)
        else:
            cell.phase = Phase.REBUILDING
            cell.urgent.append(cell.birth())

    def lost(self, cell: ActorCell, reason: str, state: str | None) -> None:
        """The instance was lost with its shard and could not be rebuilt: a new one begins, with its last known state if any."""
        if cell.leaving:
            return
        failure = StepFailure(FailureKind.TRAP, reason)
        self._forget(cell, state)
        if self._again(cell, failure, kept=False):
            cell.phase = Phase.REBUILDING
            cell.urgent.append(cell.birth())

    def _forget(self, cell: ActorCell, state: str | None) -> None:
        """The next instance knows nothing of what this one waited for: it counts its requests from the start."""
        self._requests.cancel_all(cell)
        cell.mailbox.drop_answers()
        cell.urgent.clear()
        cell.put_back = None
        cell.state = state
        cell.generation = -1
        cell.born = cell.saved = 0
        cell.history = array("Q")

    def _again(self, cell: ActorCell, failure: StepFailure, kept: bool) -> bool:
        """Whether the actor goes on. Tells everybody, and ends the agent if it does not."""
        self.failures += 1
        home, run = cell.home, cell.home.run
        again = cell.restarts < self._bounds.restarts_per_actor
        logger.warning("%s in run %s failed (%s): %s", cell.id, run.id, failure.kind.value, failure.message)
        self._observer.failed(run.id, cell.id, failure, restarted=again)
        if again:
            cell.restarts += 1
            self.restarts += 1
        told = {
            "actor": cell.id,
            "code": f"actor.{failure.kind.value}",
            "message": failure.message,
            "restarted": again,
            "kept": again and kept,
        }
        for place in (home, home.parent):
            if place is not None and not place.ended:
                self._exchange.host(place, ACTOR_FAILED, told)
        if not again:
            times = self._bounds.restarts_per_actor + 1
            self._lifecycle.end(home, f'its actor "{cell.spec.name}" failed {times} times, at last: {failure.message}')
        return again and not cell.leaving


def _unread(answer: Answer, failure: StepFailure) -> Answer:
    told = {"code": "actor.failed", "message": f"The answer came, and this actor failed on it: {failure.message}"}
    return Answer(answer.request, False, to_json(told))
