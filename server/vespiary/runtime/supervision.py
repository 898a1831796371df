"""What follows from a failure: an actor is rebuilt without the input that was fatal to it, until it has failed too often.

Knows the rules of restarting. Does not know how a step failed, beyond what its failure says.
"""

import logging

from vespiary.model.steps import Answer, Deliver, Restore, StepBody, StepFailure
from vespiary.model.vocabulary import ACTOR_FAILED
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell, Phase
from vespiary.runtime.exchange import Exchange
from vespiary.runtime.lifecycle import Lifecycle
from vespiary.runtime.observer import Observer
from vespiary.runtime.requests import Requests

logger = logging.getLogger(__name__)


class Supervisor:
    """Deals with failed steps."""

    def __init__(
        self, lifecycle: Lifecycle, exchange: Exchange, requests: Requests, observer: Observer, bounds: Bounds
    ) -> None:
        self._lifecycle = lifecycle
        self._exchange = exchange
        self._requests = requests
        self._observer = observer
        self._bounds = bounds
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
        """The instance is gone: make a new one, or end the agent if that was done too often."""
        self.failures += 1
        home, run = cell.home, cell.home.run
        self._requests.cancel_all(cell)
        cell.mailbox.drop_answers()  # a new instance counts its requests from the start
        if isinstance(body, Deliver | Answer):
            poison = body.envelope if isinstance(body, Deliver) else body
            self._exchange.bury(cell, poison, failure.message, receiver=True)
        elif isinstance(body, Restore):
            cell.snapshot = None
        again = cell.restarts < self._bounds.restarts_per_actor
        logger.warning("%s in run %s failed (%s): %s", cell.id, run.id, failure.kind.value, failure.message)
        self._observer.failed(run.id, cell.id, failure, restarted=again)
        if again:
            cell.restarts += 1
            self.restarts += 1
            cell.phase = Phase.REBUILDING
            cell.urgent.clear()
            cell.urgent.append(cell.birth())
        told = {
            "actor": cell.id,
            "code": f"actor.{failure.kind.value}",
            "message": failure.message,
            "restarted": again,
        }
        for place in (home, home.parent):
            if place is not None and not place.ended:
                self._exchange.host(place, ACTOR_FAILED, told)
        if not again:
            times = self._bounds.restarts_per_actor + 1
            self._lifecycle.end(home, f'its actor "{cell.spec.name}" failed {times} times, at last: {failure.message}')
