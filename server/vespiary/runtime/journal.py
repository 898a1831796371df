"""The seam at which durability attaches: what changes a colony is committed here before it takes effect.

A run's entries are numbered from 1 without gaps; a run is what its entries say, applied in order (`vespiary.runtime.entries`).
Knows the order that durability needs. Does not know what an entry means, or where it is kept: `MemoryJournal` keeps nothing beyond
the process, `vespiary.journal` writes SQLite.
"""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from vespiary.model.ids import RunId

Entry = Sequence[Any]
"""One thing that happened to a run: a tag and fields, plain data (a list, once read)."""

Group = tuple[RunId, int, Sequence[Entry]]
"""Entries of one run and the number of the first."""


class Journal(Protocol):
    """Commits entries and gives them back."""

    @property
    def keeps(self) -> bool:
        """Whether entries can be read again: else an actor cannot be rebuilt from what it consumed."""
        ...

    def commit(self, groups: Sequence[Group]) -> Awaitable[None] | None:
        """Make entries durable; the caller lets them take effect once the answer is there. None: they are already.

        Called on the event loop. Entries are committed in the order of the calls, several calls perhaps as one group. The answer
        raises a `VespiaryError` for people when they could not be kept; then nothing of the call was, and the run takes no more.
        """
        ...

    async def read(self, run: RunId, numbers: Sequence[int]) -> list[Entry]:
        """Committed entries of a run, in the order of `numbers`. Raises `VespiaryError` for one that is missing or damaged."""
        ...

    def read_now(self, run: RunId, numbers: Sequence[int]) -> list[Entry]:
        """As `read`, at once: for a few entries that were committed lately."""
        ...

    def cut(self, run: RunId, before: int) -> object:
        """Let entries before this number go, as far as that is convenient; nobody asks for them any more."""
        ...


class MemoryJournal:
    """Keeps nothing: a crash of the process loses its runs."""

    keeps = False

    def commit(self, groups: Sequence[Group]) -> Awaitable[None] | None:
        """Accept the entries."""

    async def read(self, run: RunId, numbers: Sequence[int]) -> list[Entry]:
        """There is nothing to read."""
        raise LookupError("nothing is kept")

    def read_now(self, run: RunId, numbers: Sequence[int]) -> list[Entry]:
        """There is nothing to read."""
        raise LookupError("nothing is kept")

    def cut(self, run: RunId, before: int) -> None:
        """There is nothing to let go."""
