"""Several stores on one workspace, in one process and in several."""

import asyncio
import json
import signal
import sys
import threading
from pathlib import Path

import pytest
from ledger import requirement
from support.journals import OTHER, RUN, entries, entry, fill, held, open_store, program
from vespiary.journal.errors import JournalError
from vespiary.journal.records import RunRecord
from vespiary.model.ids import RunId
from vespiary.model.runs import Outcome

WRITER = """
import asyncio, sys
from pathlib import Path
from support.journals import entries, open_store
from vespiary.journal.records import RunRecord

async def main(root, run, count):
    with open_store(root) as store:
        await store.begin(RunRecord(run))
        print("begun", flush=True)
        for first in range(1, count + 1, 5):
            await store.commit([(run, first, entries(run, first, 5))])
        print("written", flush=True)
        sys.stdin.readline()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
"""


@requirement("journal:processes")
@pytest.mark.anyio
async def test_two_processes_write_and_read_one_journal_at_once(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        await store.begin(RunRecord(RUN))
        writer = program(WRITER, tmp_path, OTHER, 1000)
        assert writer.stdout is not None
        assert await asyncio.to_thread(writer.stdout.readline) == "begun\n"
        for first in range(1, 1001, 5):
            await store.commit([(RUN, first, entries(RUN, first, 5))])
        assert await asyncio.to_thread(writer.stdout.readline) == "written\n"
        for run in (RUN, OTHER):
            assert list(store.entries(run)) == [(n, entry(run, n)) for n in range(1, 1001)]
        assert store.check() == []
        # The other one lives: its run is not anybody else's.
        assert store.unfinished() == []
        assert not store.claim(OTHER)
        with pytest.raises(JournalError) as caught:
            await store.commit([(OTHER, 1001, entries(OTHER, 1001, 1))])
        assert caught.value.code == "journal.lost"
        for refused in (store.update(OTHER, state=Outcome.FAILED), store.delete_run(OTHER), store.cut(OTHER, 5)):
            with pytest.raises(JournalError) as caught:
                await refused
            assert caught.value.code == "journal.lost"
        await asyncio.to_thread(writer.communicate, "\n")
        assert [each.run for each in store.unfinished()] == [OTHER]
        assert store.claim(OTHER)
        await store.commit([(OTHER, 1001, entries(OTHER, 1001, 1))])
        assert store.unfinished() == []


@requirement("journal:owners")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_of_several_that_claim_the_run_of_a_killed_owner_one_gets_it(tmp_path: Path) -> None:
    writer = program(WRITER, tmp_path, RUN, 20)
    assert writer.stdout is not None
    assert [writer.stdout.readline() for _ in range(2)] == ["begun\n", "written\n"]
    stores = [open_store(tmp_path) for _ in range(4)]
    assert [store.unfinished() for store in stores] == [[]] * 4
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert [[each.run for each in store.unfinished()] for store in stores] == [[RUN]] * 4
    gate = threading.Barrier(4)
    won: list[int] = []

    def claim(number: int) -> None:
        gate.wait()
        if stores[number].claim(RUN):
            won.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    record = stores[0].run(RUN)
    assert record is not None
    assert record.owner == stores[won[0]].owner
    assert [store.unfinished() for store in stores] == [[]] * 4
    for store in stores:
        store.close()
    # Nothing is left of those that ended.
    with open_store(tmp_path) as store:
        assert [path.stem for path in (tmp_path / ".vespiary" / "owners").iterdir()] == [store.owner]


@requirement("journal:owners")
@pytest.mark.anyio
async def test_a_store_that_lost_a_run_is_told_at_its_next_commit(tmp_path: Path) -> None:
    with open_store(tmp_path) as one, open_store(tmp_path) as two:
        await fill(one, RUN, 1, 3)
        await fill(one, OTHER, 1, 3)
        # As for a process whose lock the system has freed.
        one._owners.end()
        assert two.claim(RUN)
        await two.commit([(RUN, 4, entries(RUN, 4, 1))])
        with held(one):
            lost = one.commit([(RUN, 4, entries(RUN, 4, 2))])
            kept = one.commit([(OTHER, 4, entries(OTHER, 4, 1))])
        await kept
        with pytest.raises(JournalError) as caught:
            await lost
        assert caught.value.code == "journal.lost"
        assert len(list(two.entries(RUN))) == 4
        assert two.check() == []


@requirement("journal:owners")
@pytest.mark.anyio
async def test_a_finished_run_that_goes_on_belongs_to_whom_it_goes_on_with(tmp_path: Path) -> None:
    with open_store(tmp_path) as one, open_store(tmp_path) as two:
        await fill(one, RUN, 1, 3)
        await one.update(RUN, state=Outcome.FAILED)
        assert not two.claim(RUN)
        await two.update(RUN, info={"seen": True})
        await two.update(RUN, state=Outcome.RUNNING)
        await two.commit([(RUN, 4, entries(RUN, 4, 1))])
        with pytest.raises(JournalError):
            await one.commit([(RUN, 4, entries(RUN, 4, 1))])


@requirement("journal:export", "journal:processes")
def test_a_run_is_exported_while_another_process_writes(tmp_path: Path) -> None:
    writer = program(WRITER, tmp_path, RUN, 50)
    assert writer.stdout is not None
    assert [writer.stdout.readline() for _ in range(2)] == ["begun\n", "written\n"]
    with open_store(tmp_path, read_only=True) as store:
        lines = [json.loads(json.dumps(line)) for line in store.export(RUN)]
        assert [line["kind"] for line in lines] == ["run"] + ["entry"] * 50
        assert lines[3] == {"kind": "entry", "number": 3, "entry": entry(RUN, 3)}
        assert store.check() == []
        assert store.unfinished() == []
        for write in (lambda: store.claim(RUN), lambda: store.delete_session("s")):
            with pytest.raises(JournalError) as caught:
                write()
            assert caught.value.code == "journal.read-only"
        with pytest.raises(JournalError):
            next(store.export(RunId("nothing")))
    writer.communicate("\n")
    with open_store(tmp_path, read_only=True) as store:
        assert [each.run for each in store.unfinished()] == [RUN]
