"""Killing the writer at random moments."""

import random
import signal
import sys
from pathlib import Path

import pytest
from ledger import requirement
from support.journals import RUN, entry, open_store, program
from vespiary.model.runs import Outcome

WRITER = """
import asyncio, os, random, sys
from pathlib import Path
from support.journals import RUN, entries, open_store
from vespiary.journal.records import RunRecord

async def main(root, seed):
    source = random.Random(seed)
    store = open_store(root, sync="full")
    if store.run(RUN) is None:
        await store.begin(RunRecord(RUN))
    else:
        assert store.claim(RUN), "not claimed"
    first = store.run(RUN).next
    waiting = set()
    while True:
        count = source.choice((1, 1, 2, 5, 64, 300))
        future = store.commit([(RUN, first, entries(RUN, first, count, source.choice((20, 400))))])
        first += count
        future.add_done_callback(lambda done, last=first - 1: (done.result(), os.write(1, b"%d\\n" % last)))
        waiting.add(future)
        if source.random() < 0.02:
            store.cut(RUN, max(1, first - 2000))
        if len(waiting) > source.choice((1, 8)):
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@requirement("journal:kill", "journal:owners")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_acknowledged_entries_survive_sigkill_at_random_moments(tmp_path: Path) -> None:
    source = random.Random(4)
    for seed in range(15):
        writer = program(WRITER, tmp_path, seed)
        assert writer.stdout is not None
        acknowledged = 0
        for _ in range(source.randrange(1, 120)):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        whole = rest.rpartition("\n")[0].split()
        acknowledged = max([acknowledged, *map(int, whole)])
        with open_store(tmp_path) as store:
            record = store.run(RUN)
            assert record is not None
            found = list(store.entries(RUN))
            assert [number for number, _ in found] == list(range(record.base, record.next))
            assert record.next > acknowledged
            for number, each in found:
                assert each in (entry(RUN, number), entry(RUN, number, 400))
            assert store.check() == []
            assert [each.run for each in store.unfinished()] == [RUN]
            assert record.state is Outcome.RUNNING
