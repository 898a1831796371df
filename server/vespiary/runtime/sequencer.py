"""One order for everything that changes a colony: numbered, committed, and then applied, one after the other.

Whatever comes from outside of it (results of steps, answers, messages of the host) is submitted here. So a run's state is what its
entries say, applied in their order, and can be made again from them. Knows nothing of what an entry means.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from anyio.lowlevel import checkpoint

from vespiary.model.errors import VespiaryError
from vespiary.model.ids import RunId
from vespiary.runtime.cells import RunCell
from vespiary.runtime.journal import Entry, Journal

logger = logging.getLogger(__name__)

_TURN = 64
"""Tickets that take effect before the event loop may do something else."""

Apply = Callable[[Sequence[int]], Awaitable[None]]
"""Lets entries take effect; gets their numbers."""
Failed = Callable[[RunCell, BaseException, bool], None]
"""Told of a run whose entry could not be kept (true) or could not be applied (false)."""


@dataclass(slots=True, eq=False)
class Ticket:
    """What was submitted. `done` is set once it has taken effect."""

    entries: Sequence[tuple[RunCell, Entry]]
    numbers: Sequence[int]
    committed: Sequence[tuple[RunCell, Awaitable[None]]]
    apply: Apply
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Sequencer:
    """Commits and applies, in the order of submission."""

    def __init__(self, journal: Journal, failed: Failed) -> None:
        self._journal = journal
        self._failed = failed
        self._queue: deque[Ticket] = deque()
        self._more = asyncio.Event()
        self.after: Callable[[RunCell], None] = lambda _: None
        """Told of a run when something of it has taken effect, and nothing of it is half done."""

    def submit(self, entries: Sequence[tuple[RunCell, Entry]], apply: Apply) -> Ticket:
        """Commit entries, which may be of several runs, and apply them when it is their turn."""
        numbers: list[int] = []
        groups: dict[RunCell, tuple[int, list[Entry]]] = {}
        for run, entry in entries:
            run.entries += 1
            numbers.append(run.entries)
            group = groups.get(run)
            if group is None:
                groups[run] = (run.entries, [entry])
            else:
                group[1].append(entry)
        committed: list[tuple[RunCell, Awaitable[None]]] = []
        for run, (first, rows) in groups.items():
            run.pending += 1
            # Each run by itself: what goes wrong with one is no matter of the others.
            if (answer := self._commit(run.id, first, rows)) is not None:
                committed.append((run, answer))
        ticket = Ticket(entries, numbers, committed, apply)
        self._queue.append(ticket)
        self._more.set()
        return ticket

    async def through(self, run: RunCell, entry: Entry, apply: Apply) -> None:
        """Submit one entry and wait until it has taken effect."""
        await self.submit([(run, entry)], apply).done.wait()

    async def work(self) -> None:
        """Apply what is submitted, for ever."""
        done = 0
        while True:
            while self._queue:
                await self._one(self._queue.popleft())
                done += 1
                if done % _TURN == 0:
                    await checkpoint()
            self._more.clear()
            await self._more.wait()

    def _commit(self, run: RunId, first: int, entries: Sequence[Entry]) -> Awaitable[None] | None:
        try:
            return self._journal.commit([(run, first, entries)])
        except Exception as error:
            logger.exception("The journal did not take entries of run %s", run)
            return _failing(error)

    async def _one(self, ticket: Ticket) -> None:
        for run, committed in ticket.committed:
            try:
                await committed
            except Exception as error:  # without a journal nothing may take effect
                if not isinstance(error, VespiaryError):
                    logger.exception("The journal did not take entries of run %s", run.id)
                elif not run.ended:  # what comes after the first is refused for its sake
                    logger.warning("The journal did not take entries of run %s: %s", run.id, error)
                self._failed(run, error, True)
        runs = dict.fromkeys(run for run, _ in ticket.entries)
        try:
            # Also after a failure: what was submitted for a run that has ended is put away by it.
            await ticket.apply(ticket.numbers)
        except Exception as error:  # the actor boundary: a fault of ours ends the run that met it, not the colony
            logger.exception("Entries of %s", ", ".join(str(run.id) for run in runs))
            for run in runs:
                self._failed(run, error, False)
        finally:
            for run in runs:
                run.pending -= 1
            for (run, _), number in zip(ticket.entries, ticket.numbers, strict=True):
                run.applied = number
            ticket.done.set()
        for run in runs:
            self.after(run)


async def _failing(error: Exception) -> None:
    raise error
