"""The worker's jobs: a queue that the reader fills and the main thread works off, and the interrupts that go past it.

Behaves towards guests as `vespiary.runtime.inprocess` does. Knows batches and guests; does not know the connection, except for
how large an answer may be.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from vespiary.model import frames
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId
from vespiary.model.pack import Packed, pack_result, unpack_input
from vespiary.model.steps import Destroy, FailureKind, StepFailure, StepInput, StepResult
from vespiary.worker.guests import Hosted

logger = logging.getLogger(__name__)

_MARGIN = 1024
"""Bytes of a frame that are not results."""


@dataclass(slots=True, eq=False)
class Batch:
    """Steps to be run. `unwanted` is written by the reader: actors whose step is not to be begun, and ended if it runs."""

    number: int
    inputs: Sequence[Packed]
    unwanted: set[ActorId] = field(default_factory=set[ActorId])


@dataclass(slots=True, eq=False)
class Load:
    """A component to be loaded."""

    number: int
    reference: str


class Bench:
    """`make` gives the guests, on the main thread; `mark` is told which step of which batch runs: 0, 0 for none."""

    def __init__(self, make: Callable[[], Hosted], mark: Callable[[int, int], None]) -> None:
        self._make = make
        self._mark = mark
        self._guests: Hosted | None = None
        self._jobs: SimpleQueue[Batch | Load | None] = SimpleQueue()
        self._batches: dict[int, Batch] = {}
        self._lock = threading.Lock()
        self._running: tuple[Batch, ActorId] | None = None
        self._pressing: set[int] = set()
        self._closing = False

    # On the reader's thread

    def add(self, job: Batch | Load) -> None:
        """One job more."""
        if isinstance(job, Batch):
            self._batches[job.number] = job
        self._jobs.put(job)

    def interrupt(self, number: int, actor: ActorId) -> None:
        """End an actor's step of a batch, or skip it. Does nothing for a batch that has been answered."""
        with self._lock:
            batch = self._batches.get(number)
            if batch is None:
                return
            batch.unwanted.add(actor)
            self._pressing.add(number)
        self.insist()

    def close(self) -> None:
        """Skip and interrupt everything, and let `work` return when all is answered."""
        self._closing = True
        self._jobs.put(None)
        self.insist()

    @property
    def pressing(self) -> bool:
        """Whether `insist` is to be called again soon: an interrupt may fall between two calls of a guest and be lost."""
        return self._closing or bool(self._pressing)

    def insist(self) -> None:
        """Interrupt the step that runs, if it is unwanted."""
        running, guests = self._running, self._guests
        if running is not None and guests is not None and (self._closing or running[1] in running[0].unwanted):
            guests.interrupt(running[1])

    # On the main thread

    def work(self) -> Iterator[Packed]:
        """Do all jobs; gives the messages that answer them."""
        while (job := self._jobs.get()) is not None:
            if isinstance(job, Load):
                yield self._load(job)
                continue
            results = self._run(job)
            with self._lock:
                del self._batches[job.number]
                self._pressing.discard(job.number)
            yield from answers(job.number, results)

    def _load(self, job: Load) -> Packed:
        try:
            return (frames.LOADED, job.number, self._made().load(job.reference))
        except VespiaryError as error:
            return (frames.FAILED, job.number, error.code, error.message, error.hint)
        except Exception:
            logger.exception("Loading %s", job.reference)
            return (frames.FAILED, job.number, "internal", "The sandbox failed. The host's log says why.", None)

    def _made(self) -> Hosted:
        if self._guests is None:
            self._guests = self._make()
        return self._guests

    def _run(self, batch: Batch) -> list[StepResult]:
        steps = [unpack_input(packed) for packed in batch.inputs]
        try:
            guests = self._made()
        except Exception as error:  # told to whoever wanted an actor; the next batch tries again
            known = isinstance(error, VespiaryError)
            if not known:
                logger.exception("The sandbox could not be made.")
            message = str(error) if known else "The sandbox could not be made. The host's log says why."
            return [_failed(step, FailureKind.CONSTRUCT, message) for step in steps]
        results: list[StepResult] = []
        for index, step in enumerate(steps):
            if (self._closing or step.actor in batch.unwanted) and not isinstance(step.body, Destroy):
                results.append(_failed(step, FailureKind.CANCELLED, "It was cancelled."))
                continue
            self._mark(batch.number, index)
            self._running = (batch, step.actor)
            try:
                results.append(guests.step(step))
            except Exception:  # a promise of Guests was broken: the actor pays, the others go on
                logger.exception("Step %d of %s", step.step, step.actor)
                results.append(_failed(step, FailureKind.TRAP, "The sandbox itself failed. The host's log says why."))
            finally:
                self._running = None
        self._mark(0, 0)
        return results


def answers(number: int, results: Sequence[StepResult]) -> Iterator[Packed]:
    """The messages that carry these results: one, unless they are too large for it. A result that is too large itself fails."""
    packed = [pack_result(result) for result in results]
    whole = (frames.RESULTS, number, packed, False)
    try:
        frames.pack(whole)
    except ValueError:
        yield from _divided(number, results, packed)
    else:
        yield whole


def _divided(number: int, results: Sequence[StepResult], packed: Sequence[Packed]) -> Iterator[Packed]:
    part: list[Any] = []
    room = frames.MAX_FRAME - _MARGIN
    for result, form in zip(results, packed, strict=True):
        try:
            size = len(frames.pack(form)) + _MARGIN
            if size > frames.MAX_FRAME:
                raise frames.TooLarge(size)
        except ValueError as error:
            failure = StepFailure(FailureKind.PROTOCOL, f"What the actor put out cannot leave its process: {error}.")
            form = pack_result(StepResult(result.actor, result.step, failure=failure))
            size = _MARGIN
        if part and size > room:
            yield (frames.RESULTS, number, part, True)
            part, room = [], frames.MAX_FRAME - _MARGIN
        part.append(form)
        room -= size
    yield (frames.RESULTS, number, part, False)


def _failed(step: StepInput, kind: FailureKind, message: str) -> StepResult:
    return StepResult(step.actor, step.step, failure=StepFailure(kind, message))
