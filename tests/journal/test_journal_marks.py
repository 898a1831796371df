"""A journal that lost its last moments."""

import asyncio
import os
from pathlib import Path

import pytest
from ledger import requirement
from support.journals import OTHER, RUN, entries, fill, open_store
from vespiary.journal.errors import JournalDamaged
from vespiary.journal.marks import ENDED, Marks
from vespiary.journal.records import RunRecord
from vespiary.model.runs import Outcome

pytestmark = pytest.mark.skipif(not hasattr(os, "pwrite"), reason="marks are written in place")


def shorter(root: Path) -> None:
    """A journal of which the last commits are lost, as if its log had been cut short."""

    async def work() -> None:
        with open_store(root) as store:
            await fill(store, RUN, 3, 2)
            before = Marks(store._marks._folder).get(RUN, since_boot=True)
            assert before == 7
        marks = Marks(root / ".vespiary" / "marks")
        marks.put(RUN, 9)
        marks.close()

    asyncio.run(work())


@requirement("journal:marks")
def test_a_run_whose_last_entries_were_lost_is_not_claimed_and_says_where(tmp_path: Path) -> None:
    shorter(tmp_path)
    with open_store(tmp_path) as store:
        assert [each.run for each in store.unfinished()] == [RUN]
        with pytest.raises(JournalDamaged, match=f"run {RUN} at entry 7 is damaged: its last entries are missing"):
            store.claim(RUN)
        assert len(list(store.entries(RUN))) == 6


@requirement("journal:marks")
@pytest.mark.parametrize("content", [b"", b"\xff\0", b"999", b"9 another-boot", b"x" * 100])
def test_a_mark_that_says_nothing_or_is_of_another_day_hinders_nobody(tmp_path: Path, content: bytes) -> None:
    shorter(tmp_path)
    (tmp_path / ".vespiary" / "marks" / RUN).write_bytes(content)
    with open_store(tmp_path) as store:
        assert store.claim(RUN)


@requirement("journal:marks")
@pytest.mark.anyio
async def test_a_run_that_had_ended_does_not_go_on_unless_it_is_made_one_again(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        await fill(store, RUN, 1, 2)
        await fill(store, OTHER, 1, 2)
        await store.update(RUN, state=Outcome.DONE)
        assert store._marks.get(RUN, since_boot=True) == ENDED
    with open_store(tmp_path) as store:
        await store.update(RUN, state=Outcome.RUNNING)
        await store.commit([(RUN, 3, entries(RUN, 3, 1))])
    with open_store(tmp_path) as store:
        assert store.claim(RUN)
        assert store.claim(OTHER)
        await store.delete_run(OTHER)
        assert store._marks.runs() == [RUN]


@requirement("journal:marks")
@pytest.mark.anyio
async def test_a_run_that_the_journal_has_lost_is_told_once(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        await fill(store, RUN, 1, 2)
        await store.begin(RunRecord(OTHER))
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (tmp_path / ".vespiary" / name).unlink(missing_ok=True)
    with open_store(tmp_path) as store:
        assert store.notices == [
            f"The run {RUN}, which had not ended, is no longer in the journal: it cannot be resumed."
        ]
    with open_store(tmp_path) as store:
        assert store.notices == []
