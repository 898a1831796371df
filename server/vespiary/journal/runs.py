"""The records of runs: begun, changed, listed, taken over, deleted."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, TypedDict, Unpack

from vespiary.journal.core import Core
from vespiary.journal.errors import JournalDamaged, JournalError
from vespiary.journal.heads import unknown
from vespiary.journal.marks import ENDED
from vespiary.journal.purge import Cut, Keep, Prune, purge, throw_away
from vespiary.journal.records import Pruned, RunRecord
from vespiary.journal.rows import RUN, find_run, free_number, run_of, write_run
from vespiary.journal.transaction import Transaction, lost
from vespiary.journal.writer import Again
from vespiary.model.ids import RunId
from vespiary.model.runs import Mode, Outcome


class RunFields(TypedDict, total=False):
    """What `update` changes."""

    agent: str
    prompt: str
    mode: Mode
    session: str | None
    header: dict[str, Any]
    state: Outcome
    info: dict[str, Any] | None


class Runs(Core):
    """Runs of the workspace, those of other processes included."""

    def begin(self, record: RunRecord) -> "asyncio.Future[None]":
        """A run begins, and this store owns it. Called before its first `commit`."""

        def action(transaction: Transaction) -> None:
            connection = transaction.connection
            if find_run(connection, transaction.seals, record.run) is not None:
                raise JournalError(f"There is a run {record.run} already.", code="journal.exists")
            number = free_number(connection)
            now = self._now()
            begun = dataclasses.replace(record, created=record.created or now, updated=record.updated or now)
            transaction.heads.add(number, record.run, transaction.owner)
            self._writer_or_refuse().reopen(record.run)
            write_run(connection, transaction.seals, number, begun)

        return self._writer_or_refuse().submit(action)

    def update(self, run: RunId, **fields: Unpack[RunFields]) -> "asyncio.Future[None]":
        """Change a run's record. A running one is changed by its owner only; who makes one run again owns it."""

        def action(transaction: Transaction) -> None:
            connection, seals = transaction.connection, transaction.seals
            found = find_run(connection, seals, run)
            if found is None:
                raise unknown(run)
            number, record = found
            if record.owner != transaction.owner:
                if record.state is Outcome.RUNNING:
                    raise lost(run)
                if fields.get("state") is Outcome.RUNNING:
                    self._take(transaction, run)
            elif record.state is not Outcome.RUNNING and fields.get("state") is Outcome.RUNNING:
                self._writer_or_refuse().reopen(run)
            changed = dataclasses.replace(record, updated=self._now(), **fields)
            write_run(connection, seals, number, changed)
            if changed.state is not Outcome.RUNNING:
                transaction.marks[run] = ENDED
            elif record.state is not Outcome.RUNNING:
                transaction.marks[run] = record.next

        return self._writer_or_refuse().submit(action)

    def run(self, run: RunId) -> RunRecord | None:
        """A run's record. Raises `JournalDamaged` if it is not as it was written."""
        with self._readers.use() as connection:
            found = find_run(connection, self._seals, run)
        return None if found is None else found[1]

    def runs(self, *, limit: int | None = None, session: str | None = None) -> list[RunRecord]:
        """Runs, the newest first. Damaged ones are left out, and `notices` says so; raises `JournalDamaged` if none can be read."""
        where, values = ("WHERE r.session=?", (session,)) if session is not None else ("", ())
        return self._list(
            f"{where} ORDER BY r.created DESC, r.number DESC LIMIT ?", (*values, -1 if limit is None else limit)
        )

    def unfinished(self, *, idle: Callable[[RunId], bool] | None = None) -> list[RunRecord]:
        """Runs that no living process carries on, the oldest first. Of the runs of this store: those that are `idle`."""

        def left(record: RunRecord) -> bool:
            if record.owner == self.owner:
                return idle is not None and idle(record.run)
            return not self._owners.lives(record.owner)

        running = self._list("WHERE r.state=? ORDER BY r.created, r.number", (Outcome.RUNNING.value,))
        return [each for each in running if left(each)]

    def claim(self, run: RunId) -> bool:
        """Become the owner of a running run whose owner lives no more, or let an own one that failed to be written go on.

        Whether this store owns it now: of several that try, one does. Blocks until it is written. Raises `JournalDamaged` when the
        journal has lost entries of the run that it had.
        """

        def action(transaction: Transaction) -> bool:
            found = find_run(transaction.connection, transaction.seals, run)
            if found is None or found[1].state is not Outcome.RUNNING:
                return False
            owner = found[1].owner
            if owner != transaction.owner and self._owners.lives(owner):
                return False
            number = found[1].next
            if self._marks.get(run, since_boot=self._sync == "normal") > number:
                raise JournalDamaged("its last entries are missing", run=run, number=number)
            self._take(transaction, run)
            return True

        return self._writer_or_refuse().call(action).result()

    def delete_run(self, run: RunId) -> "asyncio.Future[None]":
        """Forget a run and all that belongs to it but its usage. Raises `JournalError` for one that another process carries on."""

        def action(transaction: Transaction) -> Again | None:
            transaction.flush()
            self._may_delete(transaction, run)
            rows = transaction.connection.execute(
                "SELECT number FROM heads WHERE run=? UNION SELECT number FROM runs WHERE run=?", (run, run)
            ).fetchall()
            if not rows:
                raise unknown(run)
            for (number,) in rows:
                throw_away(transaction, number)
            transaction.heads.forget(run)
            return Again(finish)

        def finish(transaction: Transaction) -> Again | None:
            self._cache.forget(run)
            self._marks.drop(run)
            return purge(transaction)

        return self._writer_or_refuse().submit(action)

    def prune(
        self, *, keep_runs: int | None = None, keep_bytes: int | None = None, older_than: int | None = None
    ) -> "asyncio.Future[Pruned]":
        """Forget finished runs, the oldest first: all but so many, until all have so few bytes, changed before a time (ns).

        Usage stays. Space is given back to the file system once the log was moved into the database.
        """
        return self._writer_or_refuse().submit(Prune(Keep(keep_runs, keep_bytes, older_than)))

    def cut(self, run: RunId, before: int) -> "asyncio.Future[None]":
        """Forget the frames of a run that lie wholly before entry `before`."""
        self._cache.forget(run, before)
        return self._writer_or_refuse().submit(Cut(run, before))

    def _list(self, rest: str, values: tuple[Any, ...]) -> list[RunRecord]:
        rows = self._select(f"SELECT {RUN} {rest}", values)
        return list(self._sound(rows, lambda row: run_of(row, self._seals)))

    def _take(self, transaction: Transaction, run: RunId) -> None:
        transaction.flush()
        transaction.heads.forget(run)
        head = transaction.heads.get(run)
        head.owner = transaction.owner
        transaction.save(head)
        self._writer_or_refuse().reopen(run)

    def _may_delete(self, transaction: Transaction, run: RunId) -> None:
        try:
            found = find_run(transaction.connection, transaction.seals, run)
        except JournalDamaged:
            return
        if found is not None and found[1].state is Outcome.RUNNING:
            owner = found[1].owner
            if owner != transaction.owner and self._owners.lives(owner):
                raise lost(run)
