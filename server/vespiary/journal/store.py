"""The store of a workspace's runs: entries, records, events, sessions, usage, dead letters and specifications.

All changes go through one writer thread, in the order in which they were asked for; reading is possible on any thread and sees what
is committed. Methods that give an `asyncio.Future` are called on an event loop; the answer may be ignored, and raises a
`JournalError` when it could not be done. Knows entries as plain data: it does not know what they mean.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vespiary.journal import export
from vespiary.journal.check import check
from vespiary.journal.extras import Extras
from vespiary.journal.heads import unknown
from vespiary.journal.opening import Sync
from vespiary.journal.records import Stats
from vespiary.journal.runs import Runs
from vespiary.journal.schema import SCHEMA, Schema
from vespiary.journal.transaction import Group
from vespiary.model.ids import RunId


class JournalStore(Runs, Extras):
    """An open journal; the `Journal` of the runtime. Several stores of a workspace, in several processes, may be open at once."""

    keeps = True

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        key: bytes,
        sync: Sync = "full",
        now: Callable[[], int] = time.time_ns,
        read_only: bool = False,
        schema: Schema = SCHEMA,
    ) -> "JournalStore":
        """Open the journal in `folder`, the `.vespiary` of a workspace, and make it if there is none.

        `key` (of `load_key`) tells journals of this user from others, which are moved aside: see `notices`. With `sync="normal"`
        the last moments before a loss of power may be lost. With `read_only` nothing is made or changed. Blocks.

        Raises `JournalError` for a folder that cannot be used, and for a journal of a newer version.
        """
        return cls(folder, key, sync, now, schema, read_only=read_only)

    def commit(self, groups: Sequence[Group]) -> "asyncio.Future[None]":
        """Append entries; each group is a run, the number of its first entry, and the entries, which are not changed any more.

        All of a call are kept or none. The answer raises `JournalError` when they were not: its runs then take no more.
        """
        return self._writer_or_refuse().commit(groups)

    async def read(self, run: RunId, numbers: Sequence[int]) -> list[Any]:
        """Committed entries, in the order of `numbers`. Raises `JournalError` for one that is missing or damaged."""
        found = self._entries.cached(run, numbers)
        if found is not None:
            return found
        return await asyncio.to_thread(self._entries.read, run, numbers)

    def read_now(self, run: RunId, numbers: Sequence[int]) -> list[Any]:
        """As `read`, at once: for a few entries that were committed lately."""
        found = self._entries.cached(run, numbers)
        return self._entries.read(run, numbers) if found is None else found

    def entries(self, run: RunId) -> Iterator[tuple[int, Any]]:
        """All entries of a run with their numbers, in order, as committed when this was called.

        Raises `JournalError` if there is no such run, and `JournalDamaged` where the chain is broken.
        """
        return self._entries.all(run)

    def check(self) -> list[str]:
        """What is wrong with the journal: a sentence each, with its place. Reads all of it; never raises for damage."""
        return check(self._place, self._seals)

    def file_bytes(self) -> int:
        """Size of the database's file, without looking into it."""
        return self._place.path.stat().st_size if self._place.is_there() else 0

    def stats(self) -> Stats:
        """How much the journal holds. Looks at every row."""
        with self._readers.use(snapshot=True) as connection:
            return export.stats(connection, self._place.path)

    def export(self, run: RunId) -> Iterator[dict[str, Any]]:
        """A run as JSON-able mappings with a `kind`: `run`, `entry`, `event`, `usage`, `dead`. Raises as `entries` does."""
        record = self.run(run)
        if record is None:
            raise unknown(run)
        yield export.record("run", record)
        for number, entry in self.entries(run):
            yield {"kind": "entry", "number": number, "entry": export.plain(entry)}
        yield from export.events(self.events(run))
        for row in self.usage(run=run):
            yield export.record("usage", row)
        for row in self.dead(run):
            yield export.record("dead", row)

    def __enter__(self) -> "JournalStore":
        return self
