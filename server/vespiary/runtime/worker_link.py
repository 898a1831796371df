"""The server's end of the connection to one worker process: batches go out, results come back by number.

One per incarnation. Knows frames and which step is where; does not know how a process is started or when to start another.
Whatever the process says that is not understood ends the connection.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from vespiary.model import frames
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId
from vespiary.model.pack import Packed, pack_input, unpack_result
from vespiary.model.steps import Construct, Destroy, FailureKind, StepFailure, StepInput, StepResult
from vespiary.runtime.worker_process import WorkerProcess

logger = logging.getLogger(__name__)

_MARGIN = 1024
"""Bytes of a frame that are not steps."""


@dataclass(slots=True, eq=False)
class Flight:
    """A batch under way. `done` gives all its results, in order."""

    steps: Sequence[StepInput]
    done: "asyncio.Future[list[StepResult]]"
    unwanted: set[ActorId] = field(default_factory=set[ActorId])
    actors: set[ActorId] = field(init=False)
    results: list[StepResult | None] = field(init=False)
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.actors = {step.actor for step in self.steps}
        self.results = [None] * len(self.steps)
        self.missing = len(self.steps)

    def put(self, index: int, result: StepResult) -> None:
        """One result. The last one settles the flight."""
        self.results[index] = result
        self.missing -= 1
        if not self.missing and not self.done.done():
            self.done.set_result(cast("list[StepResult]", self.results))

    def cancel(self) -> None:
        """No more results will come: what is missing was cancelled. Instances that were to be dropped are gone."""
        for index, step in enumerate(self.steps):
            if self.results[index] is None:
                self.put(index, unrun(step))


@dataclass(slots=True, eq=False)
class _Part:
    """What was sent of a flight under one number: the indexes of its steps, and how many of them were answered."""

    flight: Flight
    indexes: Sequence[int]
    answered: int = 0


class WorkerLink(asyncio.Protocol):
    """`greeted` is settled once both sides know that they understand one another; `lost` is called once, when it is over."""

    def __init__(
        self,
        process: WorkerProcess,
        *,
        version: str,
        progress: Callable[[str], None],
        lost: Callable[["WorkerLink"], None],
    ) -> None:
        self.process = process
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over = False
        self.fault: str | None = None
        """What the process did that ended the connection, if it was that."""
        self.answered = False
        """Whether it ever answered anything."""
        self._version = version
        self._progress = progress
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._splitter = frames.Splitter()
        self._number = 0
        self._parts: dict[int, _Part] = {}
        self._loads: dict[int, asyncio.Future[str]] = {}

    # What the shard calls

    def send(self, flight: Flight) -> None:
        """Hand a batch over. What does not fit fails; what is unwanted is skipped."""
        if not flight.unwanted:
            try:
                data = frames.frame((frames.RUN, self._number + 1, [pack_input(step) for step in flight.steps]))
            except ValueError:
                pass  # one of them, or all together
            else:
                self._write(flight, range(len(flight.steps)), data)
                return
        self._send_one_by_one(flight)

    def interrupt(self, flight: Flight, actor: ActorId) -> None:
        """End or skip an actor's step of a batch that was sent."""
        for number, part in self._parts.items():
            if part.flight is flight:
                self._say((frames.INTERRUPT, number, actor))

    def load(self, reference: str) -> "asyncio.Future[str]":
        """Have a component loaded; gives its identity, or raises the `VespiaryError` that it failed with."""
        number = self._next()
        future = self._loads[number] = asyncio.get_running_loop().create_future()
        try:
            self._say((frames.LOAD, number, reference))
        except ValueError as error:
            del self._loads[number]
            future.set_exception(VespiaryError(f"This cannot be the name of a component: {error}.", code="usage"))
        return future

    def finish(self) -> None:
        """Ask the process to end: what runs is interrupted, what waits is skipped, all is answered."""
        self._say((frames.CLOSE,))

    def give_up(self, why: str) -> None:
        """End the process because it did this."""
        self.fault = why
        self.process.kill()
        self.abort()

    def abort(self) -> None:
        """Cut the connection, which ends the process."""
        if self._transport is not None:
            self._transport.abort()

    def running(self) -> ActorId | None:
        """The actor whose step the process had in hand, as far as it said so."""
        number, index = self.process.marked()
        part = self._parts.get(number)
        if part is None or index >= len(part.indexes):
            return None
        return part.flight.steps[part.indexes[index]].actor

    def flights(self) -> list[Flight]:
        """The batches that are not answered."""
        return list({id(part.flight): part.flight for part in self._parts.values()}.values())

    def loads(self) -> "list[asyncio.Future[str]]":
        """The components that are being loaded."""
        return list(self._loads.values())

    def _send_one_by_one(self, flight: Flight) -> None:
        room = limit = frames.MAX_FRAME - _MARGIN
        indexes: list[int] = []
        packed: list[Packed] = []

        def ship() -> None:
            if indexes:
                data = frames.frame((frames.RUN, self._number + 1, packed))
                self._write(flight, tuple(indexes), data)
                indexes.clear()
                packed.clear()

        for index, step in enumerate(flight.steps):
            if step.actor in flight.unwanted and not isinstance(step.body, Destroy):
                flight.put(index, unrun(step))
                continue
            form = pack_input(step)
            try:
                size = len(frames.pack(form))
                if size > limit:
                    raise frames.TooLarge(size)
            except ValueError as error:
                flight.put(index, _too_large(step, error))
                continue
            if size > room:
                ship()
                room = limit
            room -= size
            indexes.append(index)
            packed.append(form)
        ship()

    def _write(self, flight: Flight, indexes: Sequence[int], data: bytes) -> None:
        self._parts[self._next()] = _Part(flight, indexes)
        if self._transport is not None and not self.over:
            self._transport.write(data)

    def _say(self, message: Packed) -> None:
        data = frames.frame(message)
        if self._transport is not None and not self.over:
            self._transport.write(data)

    def _next(self) -> int:
        self._number += 1
        return self._number

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is the loop's now."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what came; whatever is not understood ends the connection."""
        if self.fault is not None:
            return
        try:
            for message in self._splitter.feed(data):
                self._take(*message)
        except ValueError as error:
            self.give_up(f"said something that is not understood ({error})")

    def connection_lost(self, exc: Exception | None) -> None:
        """The process is gone, or as good as gone."""
        self.over = True
        self._lost(self)

    def _take(self, kind: int, *content: object) -> None:
        match kind, content:
            case frames.RESULTS, (int(number), list(), bool(more)):
                self._results(number, cast("list[Any]", content[1]), more)
            case frames.PROGRESS, (str(text),):
                self._tell(text)
            case frames.HELLO, (int(form), str(version)):
                self._greet(form, version)
            case frames.LOADED, (int(number), str(identity)):
                self._loaded(number).set_result(identity)
            case frames.FAILED, (int(number), str(code), str(message), (str() | None) as hint):
                self._loaded(number).set_exception(VespiaryError(message, hint=hint, code=code))
            case _:
                raise ValueError("an unknown kind of message")

    def _results(self, number: int, packed: "list[Any]", more: bool) -> None:
        part = self._parts.get(number)
        if part is None:
            raise ValueError("results that nobody waits for")
        end = part.answered + len(packed)
        if end > len(part.indexes) or (not more and end < len(part.indexes)):
            raise ValueError("another number of results than there were steps")
        results = [unpack_result(result) for result in packed]
        indexes = part.indexes[part.answered : end]
        for index, result in zip(indexes, results, strict=True):
            step = part.flight.steps[index]
            if (result.actor, result.step) != (step.actor, step.step):
                raise ValueError("the results of other steps")
        part.answered = end
        if not more:
            del self._parts[number]
        self.answered = True
        for index, result in zip(indexes, results, strict=True):
            part.flight.put(index, result)

    def _loaded(self, number: int) -> "asyncio.Future[str]":
        future = self._loads.pop(number, None)
        if future is None:
            raise ValueError("an answer that nobody waits for")
        self.answered = True
        # Whoever asked may have gone.
        return asyncio.get_running_loop().create_future() if future.done() else future

    def _greet(self, form: int, version: str) -> None:
        if self.greeted.done():
            raise ValueError("a second greeting")
        if (form, version) != (frames.FORMAT, self._version):
            raise ValueError(f"it is version {version} and this is {self._version}; a restart brings them together")
        self.greeted.set_result(None)

    def _tell(self, text: str) -> None:
        try:
            self._progress(text)
        except Exception:
            logger.exception("Somebody who was told of progress failed.")


def unrun(step: StepInput) -> StepResult:
    """The result of a step that will not be run: cancelled, except that an instance which is gone is dropped."""
    if isinstance(step.body, Destroy):
        return StepResult(step.actor, step.step)
    return StepResult(step.actor, step.step, failure=StepFailure(FailureKind.CANCELLED, "It was cancelled."))


def _too_large(step: StepInput, error: ValueError) -> StepResult:
    kind = FailureKind.CONSTRUCT if isinstance(step.body, Construct) else FailureKind.MEMORY
    failure = StepFailure(kind, f"The input cannot be handed to the actor's process: {error}.")
    return StepResult(step.actor, step.step, failure=failure)
