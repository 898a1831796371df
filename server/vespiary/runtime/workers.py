"""Shards as processes: guests in a worker process, which may die without hurting anything here.

Knows when a process is started, and what becomes of batches when one dies; `worker_process` knows processes, `worker_link` the
conversation. Never imports the sandbox: that is the worker's.
"""

import asyncio
import logging
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import anyio

import vespiary
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId
from vespiary.model.steps import Destroy, FailureKind, StepFailure, StepInput, StepResult
from vespiary.runtime.shard import ShardLost
from vespiary.runtime.worker_link import Flight, WorkerLink, unrun
from vespiary.runtime.worker_process import WorkerProcess, ending

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""Processes that are tried for one start, and that may die without having answered anything, until there is a rest."""
KILLS = 10
"""Processes that may be killed from outside while they start or load, in a row: that is nobody's fault, but has an end."""
PAUSE = 0.1
"""Seconds between the attempts of a start, doubled each time."""
REST = 5.0
"""Seconds after a failed start in which no process is started: whatever would need one fails at once."""
BURY = 1.0
"""Seconds that a process has to be gone once its connection is; then it is killed."""


class WorkerFailed(VespiaryError):
    """There is no worker process to do it, or none any more. `killed`: it was ended from outside, and may be tried again."""

    code = "worker.failed"

    def __init__(self, message: str, *, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed


class WorkerShard:
    """Starts its process with the first batch or `load`, and another with the next one after it was lost.

    `start_seconds` is how long a process has until it answers, `close_seconds` bounds `close`. A process that does not react to an
    interrupt within `stuck_seconds` is ended; that is more than a component takes to compile, which nothing can interrupt.

    `progress` is told sentences for people, on the loop. `guests` names a factory of other guests, for tests and benchmarks.
    Belongs to the event loop that first uses it.
    """

    def __init__(
        self,
        *,
        progress: Callable[[str], None] = lambda text: None,
        guests: str | None = None,
        start_seconds: float = 30.0,
        close_seconds: float = 2.0,
        stuck_seconds: float = 60.0,
    ) -> None:
        self._progress = progress
        self._guests = guests
        self._start_seconds = start_seconds
        self._close_seconds = close_seconds
        self._stuck_seconds = stuck_seconds
        self._link: WorkerLink | None = None
        self._starting: asyncio.Task[WorkerLink | str] | None = None
        self._flights: dict[int, Flight] = {}
        self._processes: set[WorkerProcess] = set()
        """Not reaped yet."""
        self._burials: set[asyncio.Task[None]] = set()
        self._barren = 0
        """Processes in a row that were lost before they answered anything, and not by an actor's doing."""
        self._problem: str | None = None
        self._rest_until = 0.0
        self._generation = 0
        self._closing = False

    @property
    def generation(self) -> int:
        """How often a process became ready or was lost: 0 before the first, odd while there is one, even while there is none.

        Read when `run` has returned, it is the generation of the process that ran the batch: instances that the batch made exist
        for as long as the number stays the same.
        """
        return self._generation

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return self._link.process.pid if self._link is not None else None

    @property
    def alive(self) -> bool:
        """Whether there is a process that answers."""
        return self._link is not None

    async def run(self, batch: Sequence[StepInput]) -> Sequence[StepResult]:
        """Run the steps in order in the worker process.

        Raises `ShardLost` when the process ends before all is answered. Where none can be started, every step fails as `construct`.
        """
        if self._closing or not batch:
            return [unrun(step) for step in batch]
        if self._link is None and all(isinstance(step.body, Destroy) for step in batch):
            return [unrun(step) for step in batch]  # nothing lives, so nothing need be started to drop it
        flight = Flight(batch, asyncio.get_running_loop().create_future())
        self._flights[id(flight)] = flight
        try:
            link = await self._ready()
            if isinstance(link, str):
                return [unrun(step) if self._closing else _unmade(step, link) for step in batch]
            if link.over:
                raise ShardLost("its worker process ended")
            link.send(flight)
            results = await flight.done
            if link.over and not self._closing:
                # Its results came with its last breath. Nobody must take its instances for living ones.
                raise ShardLost("its worker process ended")
            return results
        finally:
            del self._flights[id(flight)]

    async def load(self, reference: str) -> str:
        """Have the process load a component, compiling it if it must be, and give the component's identity.

        Raises the `VespiaryError` that it failed with; `WorkerFailed` when there is no process or it dies of it. One that was
        killed from outside meanwhile is replaced by another.
        """
        for _ in range(KILLS):
            try:
                return await self._load(reference)
            except WorkerFailed as error:
                if not error.killed:
                    raise
        return await self._load(reference)

    async def _load(self, reference: str) -> str:
        if self._closing:
            raise WorkerFailed("The worker process is being ended.")
        link = await self._ready()
        if isinstance(link, str):
            raise WorkerFailed(link)
        if link.over:
            raise WorkerFailed("The worker process ended before it loaded the component.", killed=True)
        return await link.load(reference)

    def interrupt(self, actor: ActorId) -> None:
        """End the actor's step. One that has not begun is skipped; its instance, if there is one, is left as it was."""
        for flight in self._flights.values():
            if actor in flight.actors and actor not in flight.unwanted:
                if not flight.unwanted:
                    asyncio.get_running_loop().call_later(self._stuck_seconds, self._look_at, flight)
                flight.unwanted.add(actor)
                if self._link is not None:
                    self._link.interrupt(flight, actor)

    def _look_at(self, flight: Flight) -> None:
        """See whether an interrupt had its effect."""
        if flight.missing and self._link is not None and flight in self._link.flights():
            self._link.give_up(f"did not react to an interrupt for {self._stuck_seconds:g} s")

    async def close(self) -> None:
        """Interrupt what runs, and end the process: within `close_seconds`, by force if it must be."""
        if self._closing:
            return
        self._closing = True
        with anyio.CancelScope(shield=True):
            if self._link is not None:
                self._link.finish()
            elif self._starting is not None:
                self._kill()
            await self._gone(self._close_seconds * 0.6)
            self._kill()
            await self._gone(self._close_seconds * 0.4)
            for flight in self._flights.values():
                flight.cancel()
        if self._processes:
            logger.error("A worker process did not end within %.1f s and is left behind.", self._close_seconds)

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()

    async def _gone(self, seconds: float) -> None:
        """Wait until nothing is left of any process, but not for ever."""
        waiting: set[asyncio.Future[Any]] = {process.ended for process in self._processes} | self._burials
        if self._starting is not None:
            waiting.add(self._starting)
        if waiting:
            await asyncio.wait(waiting, timeout=seconds)

    # Starting

    async def _ready(self) -> "WorkerLink | str":
        """The process that works now, started if there is none; or why there is none."""
        if self._link is not None:
            return self._link
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
            self._starting.add_done_callback(self._started)
        # Whoever waits may be cancelled; the start goes on for the others.
        return await asyncio.shield(self._starting)

    def _started(self, task: "asyncio.Task[WorkerLink | str]") -> None:
        self._starting = None

    async def _start(self) -> "WorkerLink | str":
        loop = asyncio.get_running_loop()
        if self._problem is not None and loop.time() < self._rest_until:
            return self._problem
        why = "it was not tried"
        attempt = kills = 0
        while attempt < ATTEMPTS and kills < KILLS:
            if attempt:
                await asyncio.sleep(PAUSE * 2 ** (attempt - 1))
            if self._closing:
                break
            link = await self._attempt()
            if self._closing:
                break
            if isinstance(link, WorkerLink):
                self._problem = None
                return link
            why, killed = link
            attempt, kills = (attempt, kills + 1) if killed else (attempt + 1, kills)
        if self._closing:
            self._kill()
            return "The worker process is being ended."
        return self._rest(f"The worker process that runs actors could not be started: {why}.")

    def _rest(self, problem: str) -> str:
        logger.error("%s Next attempt in %.0f s at the earliest.", problem, REST)
        self._problem = problem
        self._rest_until = asyncio.get_running_loop().time() + REST
        return problem

    async def _attempt(self) -> "WorkerLink | tuple[str, bool]":
        """A process that answers; or why not, and whether it was killed from outside."""
        loop = asyncio.get_running_loop()
        process = WorkerProcess(guests=self._guests, start_seconds=self._start_seconds)
        self._processes.add(process)
        process.ended.add_done_callback(lambda _: self._processes.discard(process))
        link = WorkerLink(process, version=vespiary.__version__, progress=self._progress, lost=self._lose)
        may_have_ended = True
        try:
            async with asyncio.timeout(self._start_seconds):
                connection = await process.connected
                await loop.create_connection(lambda: link, sock=connection)
                await link.greeted
            if link.over:
                raise _Lost
        except TimeoutError:
            may_have_ended = False
            why = f"it did not answer within {self._start_seconds:g} s"
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        except _Lost:
            why = await self._epitaph(link)
        else:
            self._link = link
            self._generation += 1
            return link
        if may_have_ended:
            await asyncio.wait({process.ended}, timeout=BURY)
        killed = _was_killed(process)
        process.kill()
        link.abort()
        process.forget()
        return why, killed

    # Losing

    def _lose(self, link: WorkerLink) -> None:
        """The connection is over: every batch in flight is lost."""
        if not link.greeted.done():
            link.greeted.set_exception(_Lost())
            link.greeted.exception()  # it may be that nobody waits any more
        if link is not self._link:
            return
        self._link = None
        self._generation += 1
        burial = asyncio.get_running_loop().create_task(self._bury(link))
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)

    async def _bury(self, link: WorkerLink) -> None:
        why = await self._epitaph(link)
        running = link.running()
        killed = link.fault is None and _was_killed(link.process)
        link.process.forget()
        if not self._closing:
            logger.warning("Worker process %s: it %s.", link.process.pid, why)
            if link.answered or running is not None:
                self._barren = 0
            elif not killed:
                self._barren += 1
            if self._barren >= ATTEMPTS:
                self._rest(f"The worker process that runs actors ends as soon as it is started: it {why}.")
        for flight in link.flights():
            if self._closing:
                flight.cancel()
            elif not flight.done.done():
                flight.done.set_exception(ShardLost(f"its worker process {why}", running, killed=killed))
        for load in link.loads():
            if not load.done():
                load.set_exception(
                    WorkerFailed(f"The worker process {why} while it loaded the component.", killed=killed)
                )

    async def _epitaph(self, link: WorkerLink) -> str:
        """How the process ended: "was killed (signal 9)". One that only hung up is killed."""
        process = link.process
        await asyncio.wait({process.ended}, timeout=BURY)
        if link.fault is not None:
            return link.fault
        if not process.ended.done():
            process.kill()
            return "closed its connection"
        why = ending(process.ended.result())
        words = "" if link.answered or process.ended.result() in (0, -9) else process.last_words
        return f"{why}: {words}" if words else why


_FROM_OUTSIDE = {int(number) for name in ("SIGKILL", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))}
"""Signals that no guest brings about."""


class _Lost(Exception):
    """The connection ended before the greeting."""


def make_worker_shards(count: int, *, progress: Callable[[str], None] = lambda text: None) -> list[WorkerShard]:
    """So many shards, none of which has a process yet."""
    return [WorkerShard(progress=progress) for _ in range(count)]


def _unmade(step: StepInput, why: str) -> StepResult:
    if isinstance(step.body, Destroy):
        return unrun(step)
    return StepResult(step.actor, step.step, failure=StepFailure(FailureKind.CONSTRUCT, why))


def _was_killed(process: WorkerProcess) -> bool:
    code = process.ended.result() if process.ended.done() else None
    return code is not None and -code in _FROM_OUTSIDE
