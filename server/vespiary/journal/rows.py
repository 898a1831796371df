"""Records as sealed rows, and back.

Columns are what SQLite is asked for; the rest is one packed value, so that a new field needs no migration. A row whose seal is
wrong raises `JournalDamaged` here; whoever lists many decides what becomes of the others.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, cast

from vespiary.journal.errors import JournalDamaged, JournalError
from vespiary.journal.frames import pack, unpack
from vespiary.journal.heads import head_of
from vespiary.journal.records import DeadRow, RunRecord, SessionRecord, UsageRow
from vespiary.journal.seals import Seals
from vespiary.model.ids import RunId
from vespiary.model.runs import Mode, Outcome

Row = tuple[Any, ...]

RUN = (
    "h.number, h.run, h.owner, h.base, h.base_mac, h.next, h.last_mac, h.size, h.seal, "
    "r.number, r.run, r.session, r.state, r.created, r.updated, r.data, r.seal "
    "FROM runs r LEFT JOIN heads h ON h.number = r.number"
)
_HEAD_COLUMNS = 9


def write_run(connection: sqlite3.Connection, seals: Seals, number: int, record: RunRecord) -> None:
    """Put the record in, or in the place of the one that is there."""
    data = pack((record.agent, record.prompt, record.mode.value, record.header, record.info))
    values = (number, record.run, record.session, record.state.value, record.created, record.updated, data)
    connection.execute("INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?)", (*values, seals.row("runs", values)))


def run_of(row: Row, seals: Seals) -> RunRecord:
    """The record in a row that was selected with `RUN`."""
    head_row, (*values, seal) = row[:_HEAD_COLUMNS], row[_HEAD_COLUMNS:]
    run = str(values[1])
    if not seals.holds("runs", values, seal):
        raise JournalDamaged("its record was changed", run=run)
    if head_row[0] is None:
        raise JournalDamaged("the head of its entries is missing", run=run)
    head = head_of(head_row, seals, run)
    _, _, session, state, created, updated, data = values
    agent, prompt, mode, header, info = unpack(data)
    return RunRecord(
        run=RunId(run),
        agent=agent,
        prompt=prompt,
        mode=Mode(mode),
        session=session,
        header=header,
        state=Outcome(state),
        info=info,
        created=created,
        updated=updated,
        owner=head.owner,
        base=head.base,
        next=head.next,
        size=head.size,
    )


def find_run(connection: sqlite3.Connection, seals: Seals, run: str) -> tuple[int, RunRecord] | None:
    """A run's number and record, if it is there."""
    row = connection.execute(f"SELECT {RUN} WHERE h.run=?", (run,)).fetchone()
    if row is None:
        if connection.execute("SELECT 1 FROM heads WHERE run=?", (run,)).fetchone() is not None:
            raise JournalDamaged("its record is missing", run=run)
        return None
    return row[0], run_of(row, seals)


def free_number(connection: sqlite3.Connection) -> int:
    """A number for a new run: of none that has anything in the journal still."""
    (most,) = connection.execute(
        "SELECT max(coalesce((SELECT max(number) FROM heads), 0), coalesce((SELECT max(number) FROM runs), 0),"
        " coalesce((SELECT max(number) FROM trash), 0))"
    ).fetchone()
    if most >= (1 << 23) - 1:
        raise JournalError("The journal has had too many runs.", hint="Move `.vespiary/journal.db` away.")
    return most + 1


def write_session(connection: sqlite3.Connection, seals: Seals, record: SessionRecord) -> None:
    """Put the session in, or in the place of the one that is there."""
    data = pack((record.agent, record.title, record.data, record.created))
    values = (record.session, record.updated, data)
    connection.execute("INSERT OR REPLACE INTO sessions VALUES (?,?,?,?)", (*values, seals.row("sessions", values)))


def session_of(row: Row, seals: Seals) -> SessionRecord:
    """The session in a row of `sessions`."""
    *values, seal = row
    if not seals.holds("sessions", values, seal):
        raise JournalDamaged(f"session {values[0]} was changed")
    session, updated, data = values
    agent, title, content, created = unpack(data)
    return SessionRecord(session, agent, title, content, created, updated)


def write_usage(connection: sqlite3.Connection, seals: Seals, row: UsageRow) -> None:
    """Add a model call."""
    data = pack(
        (
            row.agent,
            row.scope,
            row.provider,
            row.model,
            row.input_tokens,
            row.output_tokens,
            row.reasoning_tokens,
            row.cached_tokens,
            row.cost,
            row.calls,
        )
    )
    values = (row.run, row.session, row.time, data)
    connection.execute(
        "INSERT INTO usage (run, session, time, data, seal) VALUES (?,?,?,?,?)", (*values, seals.row("usage", values))
    )


def usage_of(row: Row, seals: Seals) -> UsageRow:
    """The model call in a row `run, session, time, data, seal`."""
    *values, seal = row
    if not seals.holds("usage", values, seal):
        raise JournalDamaged("the usage of a model call was changed", run=str(values[0]))
    run, session, time, data = values
    return UsageRow(run, session, time, *unpack(data))


def write_dead(connection: sqlite3.Connection, seals: Seals, number: int, row: DeadRow) -> None:
    """Add a dead letter."""
    data = pack((row.run, row.time, row.receiver, row.sender, row.kind, row.type, row.reason, row.payload))
    values = (number, data)
    connection.execute("INSERT INTO dead (number, data, seal) VALUES (?,?,?)", (*values, seals.row("dead", values)))


def dead_of(row: Row, seals: Seals) -> DeadRow:
    """The dead letter in a row `number, data, seal`."""
    *values, seal = row
    if not seals.holds("dead", values, seal):
        raise JournalDamaged("a dead letter was changed")
    return DeadRow(*unpack(values[1]))


def write_events(
    connection: sqlite3.Connection, seals: Seals, place: int, run: str, events: list[tuple[int, bytes]]
) -> None:
    """Add a block of events of a run, the first of which has this place."""
    data = pack(events)
    values = (place, run, len(events), data)
    connection.execute("INSERT INTO events VALUES (?,?,?,?)", (place, len(events), data, seals.row("events", values)))


def events_of(row: Row, seals: Seals, run: str) -> Iterator[tuple[int, bytes]]:
    """The events in a row `place, count, data, seal` of a run."""
    place, count, data, seal = row
    if not seals.holds("events", (place, run, count, data), seal):
        raise JournalDamaged("events were changed", run=run)
    yield from ((seq, content) for seq, content in cast("list[tuple[int, bytes]]", unpack(data)))
