"""What is kept of runs, for whoever wants to see it again: how they are listed, their events in pages.

Knows the records of the journal. Reads only; does not know how a run is resumed. Everything here blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from vespiary.app.chronicle import info_of
from vespiary.app.files import FileLedger
from vespiary.app.usage import By, report, total
from vespiary.model.errors import UsageError
from vespiary.model.runs import AgentUsage, ChangeKind, FileChanged, Outcome, RunInfo

if TYPE_CHECKING:
    from vespiary.app.chronicle import Chronicle
    from vespiary.journal.records import RunRecord
    from vespiary.model.ids import RunId

PAGE_BYTES = 1_000_000
"""What a page of events may be large, its last event aside."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events as they cross the wire, in order; `more`: whether others follow."""

    events: tuple[dict[str, Any], ...]
    more: bool


class History:
    """Reads what a chronicle wrote."""

    def __init__(self, chronicle: "Chronicle") -> None:
        self._chronicle = chronicle
        self._store = chronicle.store

    def interrupted(self) -> tuple[RunInfo, ...]:
        """The runs that were interrupted, the oldest first, with what they had used and changed."""
        return tuple(self._far(record) for record in self._chronicle.unfinished())

    def run(self, run: "RunId") -> RunInfo:
        """A kept run as it is listed. Raises `UsageError` for one that nothing is kept of."""
        record = self._store.run(run)
        if record is None:
            raise _unknown(run)
        if record.state is not Outcome.RUNNING:
            return info_of(record)
        waits = any(each.run == run for each in self._chronicle.unfinished())
        return self._far(record) if waits else replace(self._far(record), outcome=Outcome.RUNNING)

    def events(self, run: "RunId", after: int, limit: int) -> EventPage:
        """At most `limit` events that come after the number `after`. Raises `UsageError` for a run that nothing is kept of."""
        self._store.settle()
        if self._store.run(run) is None:
            raise _unknown(run)
        found: list[dict[str, Any]] = []
        size = 0
        for _, data in self._store.events(run, after=after):
            if len(found) == limit or size > PAGE_BYTES:
                return EventPage(tuple(found), True)
            found.append(orjson.loads(data))
            size += len(data)
        return EventPage(tuple(found), False)

    def _far(self, record: "RunRecord") -> RunInfo:
        """A run that has not ended, with how far it came."""
        rows = self._store.usage(run=record.run)
        files = FileLedger()
        for change in self._changes(record.run):
            files.add(change)
        return replace(
            info_of(record),
            usage=total(report(rows, [By.RUN])),
            files=files.changes(),
            agents=tuple(
                AgentUsage(row.key[0], row.usage) for row in sorted(report(rows, [By.AGENT]), key=lambda row: row.key)
            ),
        )

    def _changes(self, run: "RunId") -> Iterator[FileChanged]:
        for _, data in self._store.events(run):
            if b'"kind":"edit"' not in data:  # most are not
                continue
            event = orjson.loads(data)
            if event["kind"] == "edit" and event["state"] == "applied":
                yield _change(event)


def _change(event: dict[str, Any]) -> FileChanged:
    """What an edit did to its file, as far as its diff says."""
    path, to, diff = event["path"], event.get("to"), event["diff"]
    if to is not None and to != path:
        return FileChanged(to, ChangeKind.RENAMED, path)
    second = diff.split("\n", 2)[1:2]
    for word, kind in (("new file", ChangeKind.CREATED), ("deleted file", ChangeKind.DELETED)):
        if second and second[0].startswith(word):
            return FileChanged(path, kind)
    return FileChanged(path, ChangeKind.MODIFIED)


def _unknown(run: "RunId") -> UsageError:
    return UsageError(
        f"There is no run {run!r}, and nothing is kept of it.",
        hint="It may have been forgotten, or belong to another folder.",
        code="run.unknown",
    )
