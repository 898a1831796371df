"""Delivery: from a committed message to the mailboxes of those who hear it.

Knows the router, the mailboxes and who may send what. Does not decide when a message takes effect.
"""

from collections.abc import Callable
from typing import Any

from vespiary.model.ids import HOST_ACTOR, SYSTEM_SCOPE, Scope, correlate
from vespiary.model.messages import Envelope
from vespiary.model.steps import Answer, Level, Log, Send
from vespiary.model.vocabulary import HOST_ONLY, OWN_SCOPE_ONLY
from vespiary.model.wire import to_json
from vespiary.runtime.cells import ActorCell, RunCell, ScopeCell
from vespiary.runtime.clock import Clock
from vespiary.runtime.deadletters import DeadLetter, DeadLetters
from vespiary.runtime.mailbox import Place
from vespiary.runtime.observer import Observer
from vespiary.runtime.router import Router
from vespiary.runtime.scheduler import Scheduler


class Exchange:
    """Publishes messages and hands answers over. `overfull` is told of a run for which more waits than may."""

    def __init__(
        self,
        router: Router[ActorCell],
        scheduler: Scheduler,
        observer: Observer,
        dead: DeadLetters,
        clock: Clock,
        overfull: Callable[[RunCell], None],
    ) -> None:
        self._router = router
        self._scheduler = scheduler
        self._observer = observer
        self._dead = dead
        self._clock = clock
        self._overfull = overfull
        self.messages = 0
        self.deliveries = 0

    def publish(self, place: ScopeCell, envelope: Envelope, stands: Place | None = None) -> int:
        """Let everybody hear it who wants what is published in `place`. Gives the number of mailboxes.

        `stands` is where the journal has the message, if it does.
        """
        run = place.run
        hearers = self._router.hearers(run.id, place.path, envelope.type)
        for cell in hearers:
            cell.mailbox.put(envelope, stands)
            self._scheduler.wake(cell)
        self.messages += 1
        self.deliveries += len(hearers)
        self._observer.message(run.id, place.scope, envelope)
        if run.account.over and not run.recovering:
            self._overfull(run)
        return len(hearers)

    def letter(self, run: RunCell, message_type: str, payload: str | dict[str, Any]) -> Envelope:
        """A message of the host."""
        if isinstance(payload, dict):
            payload = to_json(payload)
        run.letters += 1
        fresh = f"{run.letters:012x}"
        return Envelope(correlate(None, fresh), message_type, HOST_ACTOR, SYSTEM_SCOPE, payload)

    def host(self, place: ScopeCell, message_type: str, payload: str | dict[str, Any]) -> None:
        """Publish a message of the host."""
        self.publish(place, self.letter(place.run, message_type, payload))

    def send(self, cell: ActorCell, message: Send, stands: Place | None = None) -> int:
        """Publish an actor's message where it wants it. What cannot be published becomes a dead letter and a line in its log."""
        home = cell.home
        envelope = Envelope(message.id, message.type, cell.id, home.scope, message.payload)
        if message.type in HOST_ONLY:  # the sandbox refuses this already
            return self._undelivered(cell, envelope, f"{message.type} was not sent: only the host may send it.")
        if message.to not in (None, home.scope) and message.type in OWN_SCOPE_ONLY:  # and this
            return self._undelivered(cell, envelope, f"{message.type} was not sent: it stays in its own scope.")
        place = home if message.to is None else self._find(home, message.to)
        if place is None:
            reason = f"{message.type} was not delivered: no agent of this run lives in scope {message.to}."
            return self._undelivered(cell, envelope, reason)
        return self.publish(place, envelope, stands)

    def answer(self, cell: ActorCell, answer: Answer) -> None:
        """Hand over the answer to a request."""
        cell.mailbox.put_answer(answer)
        self._scheduler.wake(cell)
        run = cell.home.run
        if run.account.over and not run.recovering:
            self._overfull(run)

    def bury(self, cell: ActorCell, content: Envelope | Answer, reason: str, receiver: bool) -> None:
        """Keep a dead letter that the actor sent, or that it failed on as its receiver."""
        who = cell.id if receiver else None
        letter = DeadLetter(cell.home.run.id, who, content, reason, self._clock.now())
        self._dead.add(letter)
        self._observer.buried(letter)

    def _find(self, home: ScopeCell, scope: Scope) -> ScopeCell | None:
        place = home.run.scopes.get(scope)
        # An agent that is still being made is known to itself only.
        return place if place is None or place.barrier is None or place is home else None

    def _undelivered(self, cell: ActorCell, envelope: Envelope, reason: str) -> int:
        self.bury(cell, envelope, reason, receiver=False)
        self._observer.log(cell.home.run.id, cell.id, Log(Level.WARN, reason))
        return 0
