"""Replaying whatever a test recorded: a run of the real app that does not repeat is a fault, whatever the test was about."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from vespiary.app.replay import ReplayReport, replay
from vespiary.journal.errors import JournalError
from vespiary.journal.key import FILE_NAME, load_key
from vespiary.journal.store import JournalStore
from vespiary.model.errors import VespiaryError
from vespiary.model.places import state_dir
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests


@cache
def components() -> ComponentStore:
    """Loaded once for all replays of this process."""
    return ComponentStore(lambda line: None)


def journals(root: Path) -> Iterator[JournalStore]:
    """Every journal below a folder that this user wrote, opened to be read."""
    keys = [load_key(place) for place in {state_dir(), *(path.parent for path in root.rglob(FILE_NAME))}]
    for database in root.rglob(".vespiary/journal.db"):
        for key in keys:
            try:
                store = JournalStore.open(database.parent, key=key, read_only=True)
            except JournalError as error:
                if error.code != "journal.foreign":
                    raise
                continue
            with store:
                yield store
            break


def replay_all(root: Path) -> list[ReplayReport]:
    """Replay every run that was recorded below a folder, but those whose beginning was let go."""
    reports: list[ReplayReport] = []
    for store in journals(root):
        for record in store.runs():
            guests = WasmGuests(components())
            try:
                reports.append(replay(store, record.run, guests))
            except VespiaryError as error:
                if error.code != "replay.cut":
                    raise
            finally:
                guests.close()
    return reports


def told(report: ReplayReport) -> str:
    """What does not repeat, for whoever reads the failure of a test."""
    found = report.divergence
    assert found is not None
    return (
        f"run {report.run} does not repeat at entry {found.entry}: step {found.given.step} of {found.actor}: {found.what}\n"
        f"consumed {found.given.body!r:.500}\nrecorded {found.recorded!r:.2000}\nrepeated {found.repeated!r:.2000}"
    )
