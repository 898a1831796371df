"""What is kept in a workspace, looked at without a colony: runs, their events and entries, usage, dead letters, conversations.

The way of fronts to a journal. Opens it only to be read unless something is to be changed. Knows the store; does not know how
anything is shown. Blocks: not for an event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vespiary.app.hosting import STATE_FOLDER
from vespiary.model.errors import UsageError
from vespiary.model.ids import RunId
from vespiary.model.runs import Mode, Outcome

if TYPE_CHECKING:
    from vespiary.app.replay import ReplayReport
    from vespiary.app.sessions import Sessions
    from vespiary.journal.records import DeadRow, Pruned, RunRecord, Stats, UsageRow
    from vespiary.journal.store import JournalStore
    from vespiary.model.runs import RunInfo
    from vespiary.runtime.outline import Outline

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run as it is listed. Times are seconds since the epoch, `size` is in bytes, of its entries as they are kept.

    `first` is the number of the first entry that is still there, `entries` of the last one.
    """

    run_id: RunId
    state: Outcome
    agent: str
    mode: Mode
    session: str | None
    created: float
    updated: float
    first: int
    entries: int
    size: int
    prompt: str


def has_journal(root: Path) -> bool:
    """Whether anything was kept in this workspace."""
    return (root / STATE_FOLDER / "journal.db").exists()


@contextmanager
def open_kept(root: Path, *, write: bool = False) -> "Generator[Kept | None]":
    """The journal of a workspace while the block lasts; none where there is none.

    With `write` it may be changed; else nothing is, and another process may go on writing it. Raises
    `VespiaryError` for a journal that cannot be used.
    """
    if not has_journal(root):
        yield None
        return
    from vespiary.journal.key import load_key
    from vespiary.journal.store import JournalStore
    from vespiary.model.places import state_dir

    store = JournalStore.open(root / STATE_FOLDER, key=load_key(state_dir()), read_only=not write)
    try:
        yield Kept(store)
    finally:
        store.close()


class Kept:
    """An open journal."""

    def __init__(self, store: "JournalStore") -> None:
        self._store = store

    @property
    def notices(self) -> Sequence[str]:
        """Sentences for people: what was set aside, what is damaged and was left out."""
        return tuple(self._store.notices)

    def runs(self) -> list[KeptRun]:
        """All runs, the newest first."""
        interrupted = {record.run for record in self._store.unfinished()}
        return [_kept(record, interrupted) for record in self._store.runs()]

    def run(self, run: str) -> KeptRun:
        """A run. Raises `UsageError` if there is no such run."""
        record = self._record(run)
        return _kept(record, {each.run for each in self._store.unfinished()})

    def info(self, run: str) -> "RunInfo":
        """How a run ended, or how it stands."""
        from vespiary.app.chronicle import info_of

        return info_of(self._record(run))

    def events(self, run: str) -> Iterator[tuple[int, bytes]]:
        """The events of a run with their numbers, each as JSON."""
        return self._store.events(self._record(run).run)

    def entries(self, run: str) -> Iterator[tuple[int, Any]]:
        """The entries of a run with their numbers, as plain data."""
        return self._store.entries(self._record(run).run)

    def export(self, run: str) -> Iterator[dict[str, Any]]:
        """All of a run as JSON-able mappings."""
        return self._store.export(self._record(run).run)

    def dead(self, run: str | None = None) -> "list[DeadRow]":
        """Dead letters of a run, or of all, the oldest first."""
        return self._store.dead(self._record(run).run if run is not None else None)

    def usage(self, *, run: str | None = None, since: int = 0) -> "list[UsageRow]":
        """Model calls, of a run or of all, from a time on (nanoseconds). They outlive their runs."""
        return self._store.usage(run=self._record(run).run if run is not None else None, since=since)

    def sessions(self) -> "Sessions":
        """The conversations. What changes them needs `write`."""
        from random import SystemRandom

        from vespiary.app.chronicle import Chronicle
        from vespiary.app.sessions import Sessions

        return Sessions(Chronicle(self._store, lambda _: None), SystemRandom(), list)

    def check(self) -> list[str]:
        """What is wrong with the journal, a sentence each."""
        return self._store.check()

    def stats(self) -> "Stats":
        """How much it holds."""
        return self._store.stats()

    def delete(self, run: str) -> None:
        """Forget a run, finished or interrupted. Raises `VespiaryError` for one that a living process carries on."""
        kept = self._record(run)
        if _kept(kept, {each.run for each in self._store.unfinished()}).state is Outcome.RUNNING:
            raise UsageError(
                f"The run {kept.run} goes on: another process works on it.",
                hint="Cancel it there, or wait for its end.",
                code="run.elsewhere",
            )
        do(lambda: self._store.delete_run(kept.run))

    def prune(
        self, *, keep_runs: int | None = None, keep_bytes: int | None = None, before: int | None = None
    ) -> "Pruned":
        """Forget finished runs, the oldest first: all but so many, those beyond so many bytes, those changed before a time (ns).

        Gives freed space back to the file system.
        """
        return do(lambda: self._store.prune(keep_runs=keep_runs, keep_bytes=keep_bytes, older_than=before))

    def replay(
        self, run: str, *, until: int | None = None, actor: str | None = None, progress: Callable[[str], None]
    ) -> "ReplayReport":
        """Repeat a run in a fresh sandbox in this process; see `vespiary.app.replay`."""
        record = self._record(run)
        from vespiary.app.replay import replay
        from vespiary.app.sandbox import fresh_guests

        guests = fresh_guests(progress)
        try:
            return replay(self._store, record.run, guests, until=until, actor=actor)
        finally:
            guests.close()

    def outline(self, run: str, until: int) -> "Outline | None":
        """What waited for the actors of a run after an entry, and what they waited for."""
        from vespiary.app.standing import standing

        return standing(self._store, self._record(run).run, until)

    def _record(self, run: str) -> "RunRecord":
        record = self._store.run(RunId(run))
        if record is None:
            raise UsageError(
                f"There is no run {run!r} in the journal.", hint="`vespiary journal` lists them.", code="run.unknown"
            )
        return record


def do(action: Callable[[], Awaitable[T]]) -> T:
    """Ask the journal for something that it does in its own time, and wait for that."""

    async def work() -> T:
        return await action()

    return asyncio.run(work())


def _kept(record: "RunRecord", interrupted: set[RunId]) -> KeptRun:
    return KeptRun(
        record.run,
        Outcome.INTERRUPTED if record.run in interrupted else record.state,
        record.agent,
        record.mode,
        record.session,
        record.created / 1e9,
        record.updated / 1e9,
        record.base,
        record.next - 1,
        record.size,
        record.prompt,
    )
