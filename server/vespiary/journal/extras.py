"""What is kept beside runs: their events, specifications, usage and dead letters; and sessions."""

import asyncio
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence

from vespiary.journal.core import Core
from vespiary.journal.errors import JournalDamaged, JournalError
from vespiary.journal.frames import grow, shrink
from vespiary.journal.heads import unknown
from vespiary.journal.records import DeadRow, SessionRecord, UsageRow
from vespiary.journal.rows import (
    dead_of,
    events_of,
    session_of,
    usage_of,
    write_dead,
    write_session,
    write_usage,
)
from vespiary.journal.schema import places
from vespiary.journal.transaction import Transaction
from vespiary.model.ids import RunId


def spec_hash(data: bytes) -> str:
    """The name of a specification."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Extras(Core):
    """Everything but entries and the records of runs."""

    def add_event(self, run: RunId, seq: int, event: bytes) -> "asyncio.Future[None]":
        """Keep an event; `seq` ascends. Written within some 50 ms, with others that come meanwhile."""
        return self._writer_or_refuse().submit(lambda transaction: transaction.add_event(run, seq, event), lazy=True)

    def settle(self) -> None:
        """Wait until what was asked for before this is written, lazy things too. Blocks."""
        self._writer_or_refuse().call(lambda transaction: None).result()

    def events(self, run: RunId, *, after: int = -1) -> Iterator[tuple[int, bytes]]:
        """The events of a run with their numbers, in order. Raises `JournalDamaged` where one is damaged."""
        row = self._select("SELECT number FROM heads WHERE run=?", (run,))
        if not row:
            raise unknown(run)
        low, high = places(row[0][0])
        while rows := self._select(
            "SELECT place, count, data, seal FROM events WHERE place>=? AND place<? ORDER BY place LIMIT 64",
            (low, high),
        ):
            for each in rows:
                yield from (event for event in events_of(each, self._seals, run) if event[0] > after)
            low = rows[-1][0] + 1

    def keep_specs(self, run: RunId, specs: Sequence[tuple[str, bytes]]) -> "asyncio.Future[None]":
        """Keep specifications, named by `spec_hash`, for as long as there is a run that uses them."""

        def action(transaction: Transaction) -> None:
            number = transaction.heads.get(run).number
            for name, data in specs:
                if spec_hash(data) != name:
                    raise JournalError(f"A specification is not what its name {name} says.", code="journal.spec")
                connection = transaction.connection
                connection.execute("INSERT OR IGNORE INTO specs VALUES (?,?)", (name, shrink(data)))
                connection.execute("INSERT OR IGNORE INTO uses VALUES (?,?)", (number, name))

        return self._writer_or_refuse().submit(action)

    def spec(self, name: str) -> bytes | None:
        """A specification. Raises `JournalDamaged` if it is not what its name says."""
        rows = self._select("SELECT data FROM specs WHERE hash=?", (name,))
        if not rows:
            return None
        try:
            data = grow(rows[0][0])
        except (ValueError, TypeError) as error:
            raise JournalDamaged(f"specification {name} cannot be read") from error
        if spec_hash(data) != name:
            raise JournalDamaged(f"specification {name} was changed")
        return data

    def add_usage(self, row: UsageRow) -> "asyncio.Future[None]":
        """Keep what a model call used."""
        return self._writer_or_refuse().submit(
            lambda transaction: write_usage(transaction.connection, transaction.seals, row)
        )

    def usage(self, *, run: RunId | None = None, session: str | None = None, since: int = 0) -> list[UsageRow]:
        """Model calls in the order in which they were kept: of a run, of a session, from a time on (ns)."""
        where = ["time>=?"]
        values: list[int | str] = [since]
        for column, value in (("run", run), ("session", session)):
            if value is not None:
                where.append(f"{column}=?")
                values.append(value)
        rows = self._select(
            f"SELECT run, session, time, data, seal FROM usage WHERE {' AND '.join(where)} ORDER BY id", values
        )
        return list(self._sound(rows, lambda row: usage_of(row, self._seals)))

    def add_dead(self, row: DeadRow) -> "asyncio.Future[None]":
        """Keep a dead letter of a run."""

        def action(transaction: Transaction) -> None:
            number = transaction.heads.get(row.run).number
            write_dead(transaction.connection, transaction.seals, number, row)

        return self._writer_or_refuse().submit(action)

    def dead(self, run: RunId | None = None) -> list[DeadRow]:
        """Dead letters, the oldest first."""
        where, values = ("WHERE h.run=?", (run,)) if run is not None else ("", ())
        rows = self._select(
            f"SELECT d.number, d.data, d.seal FROM dead d JOIN heads h ON h.number=d.number {where} ORDER BY d.id",
            values,
        )
        return list(self._sound(rows, lambda row: dead_of(row, self._seals)))

    def put_session(self, record: SessionRecord) -> "asyncio.Future[None]":
        """Keep a session, new or changed. Times that are 0 become the time of now."""

        def action(transaction: Transaction) -> None:
            now = self._now()
            kept = dataclasses.replace(record, created=record.created or now, updated=record.updated or now)
            write_session(transaction.connection, transaction.seals, kept)

        return self._writer_or_refuse().submit(action)

    def session(self, session: str) -> SessionRecord | None:
        """A session. Raises `JournalDamaged` if it is not as it was written."""
        rows = self._select("SELECT id, updated, data, seal FROM sessions WHERE id=?", (session,))
        return session_of(rows[0], self._seals) if rows else None

    def sessions(self) -> list[SessionRecord]:
        """All sessions, the one that was changed last first."""
        rows = self._select("SELECT id, updated, data, seal FROM sessions ORDER BY updated DESC, id")
        return list(self._sound(rows, lambda row: session_of(row, self._seals)))

    def delete_session(self, session: str) -> "asyncio.Future[None]":
        """Forget a session; its runs stay."""

        def action(transaction: Transaction) -> None:
            transaction.connection.execute("DELETE FROM sessions WHERE id=?", (session,))

        return self._writer_or_refuse().submit(action)
