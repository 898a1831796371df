"""A shard inside this process: guests on one worker thread of their own.

Knows threads and how to reach the event loop from one. Uses asyncio directly: handing a batch over with `call_soon_threadsafe`
costs a fraction of a thread pool's round trip. The worker sleeps in its queue when there is nothing to do.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

import anyio

from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId
from vespiary.model.steps import Destroy, FailureKind, StepFailure, StepInput, StepResult
from vespiary.runtime.guests import Guests
from vespiary.runtime.outside import SANDBOX_FAILED

logger = logging.getLogger(__name__)

_INSIST = 0.02
"""Seconds between interrupts: one may fall between two calls of a guest and be lost."""

_Results = list[StepResult]
_Job = tuple[Sequence[StepInput], "asyncio.Future[_Results]"]


class InProcessShard:
    """Makes its thread, and the guests on it, when the first batch comes. `close_seconds` bounds the wait for the thread."""

    generation = 0

    def __init__(self, make_guests: Callable[[], Guests], *, close_seconds: float = 2.0) -> None:
        self._make_guests = make_guests
        self._close_seconds = close_seconds
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._guests: Guests | None = None
        self._under_way: set[ActorId] = set()
        self._unwanted: set[ActorId] = set()
        """Actors whose step is not to be begun. Written by the loop, read by the thread."""
        self._running: ActorId | None = None
        """The actor that the thread is busy with. Written by the thread, read by the loop."""
        self._closing = False
        self.generation = 1
        """Always the same: the instances end with this process only."""

    async def run(self, batch: Sequence[StepInput]) -> Sequence[StepResult]:
        """Run the steps in order on the worker thread."""
        if self._closing:
            return [_cancelled(step) for step in batch]
        self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Results] = loop.create_future()
        actors = {step.actor for step in batch}
        self._under_way |= actors
        self._jobs.put((batch, future))
        try:
            return await future
        finally:
            self._under_way -= actors
            self._unwanted -= actors

    def interrupt(self, actor: ActorId) -> None:
        """End the actor's step. One that has not begun is skipped; its instance, if there is one, is left as it was."""
        if actor in self._under_way:
            self._unwanted.add(actor)
            self._insist(actor)

    async def close(self) -> None:
        """Interrupt what runs, drop all guests and end the thread."""
        if self._closing:
            return
        self._closing = True
        thread, ended = self._thread, self._ended
        if thread is None or ended is None:
            return
        self._jobs.put(None)
        with anyio.CancelScope(shield=True), anyio.move_on_after(self._close_seconds):
            while not ended.is_set():
                self._interrupt_running()
                with anyio.move_on_after(_INSIST):
                    await ended.wait()
            # The thread has only its return before it.
            thread.join(self._close_seconds)
        if thread.is_alive():
            logger.error("The guests' thread did not end within %.1f s and is left behind.", self._close_seconds)

    # On the loop

    def _start(self) -> None:
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._ended = asyncio.Event()
            self._thread = threading.Thread(target=self._work, name="vespiary-guests", daemon=True)
            self._thread.start()

    def _insist(self, actor: ActorId) -> None:
        if actor in self._unwanted and actor in self._under_way:
            if self._guests is not None:
                self._guests.interrupt(actor)
            if self._loop is not None:
                self._loop.call_later(_INSIST, self._insist, actor)

    def _interrupt_running(self) -> None:
        running = self._running  # not the steps under way: whoever waited for those may have been cancelled
        if running is not None and self._guests is not None:
            self._guests.interrupt(running)

    # On the thread

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch, future = job
            results = self._run_batch(batch)
            if not self._tell(_settle, future, results):
                break
        if self._guests is not None:
            try:
                self._guests.close()
            except Exception:  # the thread's end must be told whatever the guests do
                logger.exception("The guests did not close.")
        if self._ended is not None:
            self._tell(self._ended.set)

    def _tell(self, call: Callable[..., object], *args: object) -> bool:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return False
        return True

    def _run_batch(self, batch: Sequence[StepInput]) -> _Results:
        try:
            if self._guests is None:
                self._guests = self._make_guests()
        except Exception as error:  # told to whoever wanted an actor; the next batch tries again
            known = isinstance(error, VespiaryError)
            if not known:
                logger.exception("The sandbox could not be made.")
            message = str(error) if known else "The sandbox could not be made. The host's log says why."
            failure = StepFailure(FailureKind.CONSTRUCT, message)
            return [StepResult(step.actor, step.step, failure=failure) for step in batch]
        return [self._step(self._guests, step) for step in batch]

    def _step(self, guests: Guests, step: StepInput) -> StepResult:
        if (self._closing or step.actor in self._unwanted) and not isinstance(step.body, Destroy):
            return _cancelled(step)
        self._running = step.actor
        try:
            return guests.step(step)
        except Exception:  # a promise of Guests was broken: the actor pays, the others go on
            logger.exception("Step %d of %s", step.step, step.actor)
            failure = StepFailure(FailureKind.TRAP, f"{SANDBOX_FAILED} The host's log says why.")
            return StepResult(step.actor, step.step, failure=failure)
        finally:
            self._running = None


def _cancelled(step: StepInput) -> StepResult:
    return StepResult(step.actor, step.step, failure=StepFailure(FailureKind.CANCELLED, "It was cancelled."))


def _settle(future: "asyncio.Future[_Results]", results: _Results) -> None:
    if not future.done():
        future.set_result(results)
