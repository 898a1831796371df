"""Keeps the journal within what the configuration allows, after a run's end. Knows when it is worth looking.

Finished runs only; what was interrupted stays until a person resumes it or gives it up.
"""

import logging
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from vespiary.model.errors import VespiaryError
from vespiary.model.runs import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from vespiary.config import JournalConfig
    from vespiary.journal.store import JournalStore
    from vespiary.model.ids import RunId

log = logging.getLogger(__name__)

SPARE = 20
"""One part of so many may be kept too much, so that not every run's end prunes."""

REST_NS = 60 * 10**9
"""Between two looks at sizes."""

WAIT_SECONDS = 2.0
"""How long a run's end waits; the rest is done in the background, or when the journal is opened next."""


class Pruner:
    """`now` gives nanoseconds."""

    def __init__(self, store: "JournalStore", now: "Callable[[], int]") -> None:
        self._store = store
        self._now = now
        self._looked: int | None = None
        self._busy = False

    async def tidy(self, ended: "RunId", wanted: "JournalConfig") -> None:
        """A run has ended: forget the oldest finished runs if there are too many, or they are too large. Never raises."""
        if self._busy:
            return
        self._busy = True
        try:
            with anyio.move_on_after(WAIT_SECONDS):
                if await anyio.to_thread.run_sync(self._needed, ended, wanted, abandon_on_cancel=True):
                    pruned = await self._store.prune(keep_runs=wanted.keep_runs, keep_bytes=wanted.keep_mb * 1_000_000)
                    log.info("%d runs were forgotten, to keep the journal small.", pruned.runs)
        except VespiaryError as error:
            log.warning("The journal could not be made smaller: %s", error)
        finally:
            self._busy = False

    def _needed(self, ended: "RunId", wanted: "JournalConfig") -> bool:
        """Looks at the records of runs, and at sizes now and then only: what prunes has to look at every event."""
        most = wanted.keep_runs + wanted.keep_runs // SPARE
        runs = self._store.runs()
        if sum(run.state is not Outcome.RUNNING or run.run == ended for run in runs) > most:
            return True
        if self._store.file_bytes() <= wanted.keep_mb * 1_000_000:
            return False
        now = self._now()
        if self._looked is not None and now - self._looked < REST_NS:
            return False
        self._looked = now
        return True
