"""Lets the old entries of a long run go: writes the run down as it stands, and cuts the journal behind that.

A checkpoint says after which entry it stands (`after`); entries that were committed meanwhile follow it when the run is rebuilt.
What instances are rebuilt from is written again before it, as `kept` entries. Knows when it is worth it. Does not know what is in
one.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from anyio.abc import TaskGroup

from vespiary.model.errors import VespiaryError
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import RunCell
from vespiary.runtime.checkpoint import Held, can_be_taken, kept, moved, take
from vespiary.runtime.journal import Entry, Journal
from vespiary.runtime.rebuilding import Rebuilder
from vespiary.runtime.requests import Requests
from vespiary.runtime.sequencer import Sequencer

logger = logging.getLogger(__name__)

_READ = 256
"""Entries that are read at once."""


class Cutting:
    """Takes checkpoints in the background. `tasks` is where it works."""

    def __init__(
        self,
        journal: Journal,
        sequencer: Sequencer,
        requests: Requests,
        rebuilder: Rebuilder,
        tasks: Callable[[], TaskGroup],
        bounds: Bounds,
    ) -> None:
        self._journal = journal
        self._sequencer = sequencer
        self._requests = requests
        self._rebuilder = rebuilder
        self._tasks = tasks
        self._bounds = bounds
        self.taken = 0
        """Checkpoints, ever."""

    def consider(self, run: RunCell) -> None:
        """Some entries of a run took effect, and nothing of it is half done: begin a checkpoint if it is time for one."""
        if not self._due(run) or not can_be_taken(run):
            return
        run.checkpointing = True
        state, held = take(run, self._requests.of)
        self._tasks().start_soon(self._write, run, run.applied, state, held, name=f"checkpoint {run.id}")

    def _due(self, run: RunCell) -> bool:
        if not self._journal.keeps or run.checkpointing or run.ended or run.recovering:
            return False
        grown = run.entries - run.checkpoint
        # A checkpoint must be much smaller than what it lets go, or it is written more often than it helps.
        return (grown >= self._bounds.checkpoint_entries or run.bytes >= self._bounds.checkpoint_bytes) and (
            grown >= 4 * run.checkpoint_size
        )

    async def _write(self, run: RunCell, after: int, state: dict[str, Any], held: Sequence[Held]) -> None:
        try:
            numbers = sorted({number for each in held for number in each.numbers})
            entries = await self._read(run, numbers)
        except VespiaryError as error:
            logger.warning("Run %s keeps all its entries: %s", run.id, error)
            run.checkpointing = False
            return
        if run.ended:
            return
        first = run.entries + 1
        to = {number: first + index for index, number in enumerate(numbers)}
        end: Entry = ("checkpoint", after, moved(state, to))

        async def apply(_: Sequence[int]) -> None:
            for each in held:
                each.move(to)
            run.checkpoint, run.checkpoint_size, run.bytes = run.entries, len(numbers) + 1, 0
            run.checkpointing = False
            self.taken += 1
            # An instance that is being rebuilt right now still reads at the old places.
            if not run.ended and not self._rebuilder.working(run):
                self._journal.cut(run.id, after + 1)

        self._sequencer.submit([(run, entry) for entry in (*map(kept, entries), end)], apply)

    async def _read(self, run: RunCell, numbers: Sequence[int]) -> list[Entry]:
        found: list[Entry] = []
        for at in range(0, len(numbers), _READ):
            found += await self._journal.read(run.id, numbers[at : at + _READ])
        return found
