"""Guests that are poisoned by some messages, for a shard in this process and for worker processes (`support.crash_guests:make`)."""

import json
import os
import signal

from support.guests import Dies, Scripted, hears
from support.worker_guests import Guests, Progress
from vespiary.model.messages import Envelope, Extent
from vespiary.model.steps import FailureKind


class Counter(Scripted):
    """Counts what it hears, and says so. Some messages are its end."""

    listens = (hears("count", Extent.OWN), hears("poison", Extent.OWN), hears("vespiary.actor.failed", Extent.OWN))

    def construct(self) -> None:
        self.count = 0

    def handle(self, envelope: Envelope) -> None:
        self.count += 1
        if envelope.type == "vespiary.actor.failed":
            self.send("heard", json.loads(envelope.payload))
        elif envelope.type == "count":
            self.send("counted", self.count)
        else:
            self.count += 1000  # what a poisoned step did is not kept
            self.poison(json.loads(envelope.payload))

    def poison(self, how: str) -> None:
        if how == "trap":
            raise Dies("poisoned")
        if how == "loop":
            raise Dies("it computed too long", FailureKind.DEADLINE)
        os.kill(os.getpid(), signal.SIGSEGV)


class Other(Counter):
    """Hears no poison."""

    listens = (hears("count", Extent.OWN),)

    def handle(self, envelope: Envelope) -> None:
        self.count += 1
        self.send("other", self.count)


BEHAVIOURS: dict[str, type[Scripted]] = {"Counter": Counter, "Other": Other}


class Mortal(Guests):
    """Guests of a worker process."""

    def __init__(self, tell: Progress) -> None:
        super().__init__(tell)
        self._behaviours = BEHAVIOURS


def make(tell: Progress) -> Guests:
    """The usual ones."""
    return Mortal(tell)
