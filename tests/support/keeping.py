"""A journal in memory that keeps, for tests: what SQLite does for the runtime, without a file, and at the speed of a list."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any

import ormsgpack
from vespiary.model.ids import RunId
from vespiary.runtime.journal import Entry, Group


class KeepingJournal:
    """Keeps entries as bytes. `cuts` are the numbers before which entries were let go."""

    keeps = True

    def __init__(self) -> None:
        self.runs: dict[RunId, dict[int, bytes]] = {}
        self.cuts: list[int] = []
        self.dead = False
        """Whether it takes no more, as after a kill."""

    def commit(self, groups: Sequence[Group]) -> Awaitable[None] | None:
        if self.dead:
            return asyncio.get_running_loop().create_future()  # no answer comes any more
        for run, first, entries in groups:
            kept = self.runs.setdefault(run, {})
            assert first == (max(kept) + 1 if kept else 1)
            kept.update((first + index, ormsgpack.packb(entry)) for index, entry in enumerate(entries))
        return None

    async def read(self, run: RunId, numbers: Sequence[int]) -> list[Entry]:
        return self.read_now(run, numbers)

    def read_now(self, run: RunId, numbers: Sequence[int]) -> list[Entry]:
        return [ormsgpack.unpackb(self.runs[run][number]) for number in numbers]

    def cut(self, run: RunId, before: int) -> None:
        self.cuts.append(before)
        for number in [number for number in self.runs[run] if number < before]:
            del self.runs[run][number]

    def entries(self, run: RunId) -> Iterator[tuple[int, Any]]:
        return ((number, ormsgpack.unpackb(data)) for number, data in self.runs[run].items())
