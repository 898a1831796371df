"""The runs of one workspace: start, cancel, list, listen."""

import logging
import random
from collections.abc import Callable
from typing import Protocol

from vespiary.app.run import Listener, Run
from vespiary.model.errors import UsageError
from vespiary.model.events import RunEvent
from vespiary.model.ids import RunId, new_run_id
from vespiary.model.runs import RunInfo, Task

log = logging.getLogger(__name__)

KEPT = 200
"""Runs that are remembered after their end; the oldest are forgotten first."""


class Driver(Protocol):
    """Who makes runs go: prepares a record (raising what a person must know at once), then drives it in the background."""

    def prepare(self, run_id: RunId, task: Task, listener: Listener) -> Run:
        """A record for the task. Raises `UsageError` or `ConfigError`."""
        ...

    def drive(self, run: Run) -> None:
        """Start the run; returns at once."""
        ...


class Runs:
    """All runs, newest last. Used on the event loop only."""

    def __init__(self, driver: Driver, source: random.Random) -> None:
        self._driver = driver
        self._source = source
        self._runs: dict[RunId, Run] = {}
        self._listeners: list[Listener] = []

    def start(self, task: Task) -> RunId:
        """Begin a run and return at once. Raises `UsageError` or `ConfigError` when the task cannot be meant."""
        run_id = new_run_id(self._source)
        while run_id in self._runs:
            run_id = new_run_id(self._source)
        run = self._driver.prepare(run_id, task, self.publish)
        self._runs[run_id] = run
        self._forget()
        self._driver.drive(run)
        return run_id

    def cancel(self, run_id: RunId) -> bool:
        """Ask for the end of a run; false when it has ended already. Raises `UsageError` for an unknown run."""
        run = self._known(run_id)
        if run.finished.is_set():
            return False
        run.cancelled.set()
        return True

    def suspend(self, run_id: RunId) -> bool:
        """End a run that is kept for now: it can be resumed. False when it has ended already. Raises `UsageError`."""
        run = self._known(run_id)
        if run.finished.is_set():
            return False
        run.suspend()
        run.cancelled.set()
        return True

    def suspend_all(self, *, kept: bool) -> None:
        """End every run here: for now if they are `kept` and can be resumed, for good otherwise."""
        for run in self.all_living():
            if kept:
                run.suspend()
            run.cancelled.set()

    def adopt(self, run: Run) -> None:
        """A run that an earlier process began lives here now."""
        self._runs[run.id] = run
        self._forget()

    def knows(self, run_id: RunId) -> bool:
        """Whether the run lives here, or did and is remembered."""
        return run_id in self._runs

    def get(self, run_id: RunId) -> RunInfo:
        """A run as it stands. Raises `UsageError` for an unknown run."""
        return self._known(run_id).info()

    def list(self) -> tuple[RunInfo, ...]:
        """The known runs, oldest first."""
        return tuple(run.info() for run in self._runs.values())

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear the events of all runs from now on; gives a function that ends it."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    async def finished(self, run_id: RunId) -> RunInfo:
        """Wait for the end of a run."""
        run = self._known(run_id)
        await run.finished.wait()
        return run.info()

    def living(self, run_id: RunId) -> Run | None:
        """The record of a run that has not told its last event."""
        run = self._runs.get(run_id)
        return run if run is not None and not run.finished.is_set() else None

    def all_living(self) -> "list[Run]":
        """The records of all runs that have not told their last event."""
        return [run for run in self._runs.values() if not run.finished.is_set()]

    def _known(self, run_id: RunId) -> Run:
        run = self._runs.get(run_id)
        if run is None:
            raise UsageError(f"There is no run {run_id!r}.", hint="It may have been forgotten.", code="run.unknown")
        return run

    def publish(self, event: RunEvent) -> None:
        """Hand an event to all listeners."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # a front's fault must not reach the agents
                log.exception("A listener failed on event %s of run %s", event.seq, event.run_id)

    def _forget(self) -> None:
        finished = [run_id for run_id, run in self._runs.items() if run.finished.is_set()]
        for run_id in finished[: max(0, len(self._runs) - KEPT)]:
            del self._runs[run_id]
