"""Committing entries and reading them again."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger import requirement
from support.journals import OTHER, RUN, entries, entry, fill, held, open_store
from vespiary.journal.errors import JournalError
from vespiary.journal.records import RunRecord
from vespiary.journal.store import JournalStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JournalStore]:
    with open_store(tmp_path) as opened:
        yield opened


def frames(store: JournalStore) -> list[int]:
    return [count for (count,) in store._select("SELECT count FROM frames ORDER BY place")]


@requirement("journal:atomic", "journal:read")
async def test_entries_come_back_as_they_were_committed(store: JournalStore) -> None:
    await store.begin(RunRecord(RUN))
    given = [("step", 1, None, True, 1.5, b"\0\xff", ("a", ("b",))), ("message", "ü\U0001f41d")]
    await store.commit([(RUN, 1, given)])
    expected = [["step", 1, None, True, 1.5, b"\0\xff", ["a", ["b"]]], ["message", "ü\U0001f41d"]]
    assert list(store.entries(RUN)) == [(1, expected[0]), (2, expected[1])]
    assert store.read_now(RUN, [2, 1]) == [expected[1], expected[0]]
    assert await store.read(RUN, [1, 1]) == [expected[0], expected[0]]
    assert store.keeps


@requirement("journal:group-commit", "journal:atomic")
async def test_what_waits_becomes_one_frame_in_the_order_of_the_calls(store: JournalStore) -> None:
    await store.begin(RunRecord(RUN))
    await store.begin(RunRecord(OTHER))
    order: list[int] = []
    with held(store):
        waiting = [store.commit([(RUN, 1, entries(RUN, 1, 1))])]
        waiting += [
            store.commit([(RUN, n, entries(RUN, n, 2)), (OTHER, n - 1, entries(OTHER, n - 1, 2))])
            for n in range(2, 41, 2)
        ]
        for number, future in enumerate(waiting):
            future.add_done_callback(lambda _, number=number: order.append(number))
    await asyncio.gather(*waiting)
    assert order == list(range(len(waiting)))
    # The first may have been taken by itself.
    assert len(frames(store)) <= 3
    assert list(store.entries(RUN)) == [(n, entry(RUN, n)) for n in range(1, 42)]
    assert list(store.entries(OTHER)) == [(n, entry(OTHER, n)) for n in range(1, 41)]


@requirement("journal:group-commit")
async def test_a_frame_has_a_bound(store: JournalStore) -> None:
    await fill(store, RUN, 1, 600)
    assert frames(store) == [256, 256, 88]
    assert [number for number, _ in store.entries(RUN)] == list(range(1, 601))
    assert await store.read(RUN, [600, 256, 257]) == [entry(RUN, n) for n in (600, 256, 257)]


@requirement("journal:no-gaps", "journal:atomic")
async def test_a_gap_is_refused_and_closes_the_run_only(store: JournalStore) -> None:
    await fill(store, RUN, 1, 3)
    await fill(store, OTHER, 1, 3)
    with held(store):
        bad = store.commit([(RUN, 5, entries(RUN, 5, 1))])
        after = store.commit([(RUN, 4, entries(RUN, 4, 1))])
        good = store.commit([(OTHER, 4, entries(OTHER, 4, 1))])
    await good
    for future in (bad, after):
        with pytest.raises(JournalError, match="entry 5, but its next one is 4") as caught:
            await future
        assert caught.value.code == "journal.gap"
    assert len(list(store.entries(RUN))) == 3
    assert len(list(store.entries(OTHER))) == 4
    assert store.claim(RUN)
    await store.commit([(RUN, 4, entries(RUN, 4, 1))])
    assert len(list(store.entries(RUN))) == 4


@requirement("journal:no-gaps", "journal:atomic")
async def test_what_cannot_be_kept_does_not_fail_others_of_the_same_transaction(store: JournalStore) -> None:
    await store.begin(RunRecord(RUN))
    await store.begin(RunRecord(OTHER))
    with held(store):
        good = store.commit([(RUN, 1, entries(RUN, 1, 1))])
        bad = store.commit([(OTHER, 1, [[object()]])])
        more = store.commit([(RUN, 2, entries(RUN, 2, 1))])
    await asyncio.gather(good, more)
    with pytest.raises(JournalError) as caught:
        await bad
    assert caught.value.code == "journal.entry"
    assert [number for number, _ in store.entries(RUN)] == [1, 2]
    assert list(store.entries(OTHER)) == []


@requirement("journal:any-text")
async def test_lone_surrogates_are_replaced_and_the_step_is_kept(store: JournalStore) -> None:
    await store.begin(RunRecord(RUN, prompt="p\udc80", header={"\ud800": "h"}))
    await store.commit([(RUN, 1, [("a\ud83d", {"k\udfff": "\ud83d\udc1d"}, "fine")])])
    assert list(store.entries(RUN)) == [(1, ["a�", {"k�": "\U0001f41d"}, "fine"])]
    record = store.run(RUN)
    assert record is not None
    assert (record.prompt, record.header) == ("p�", {"�": "h"})


@requirement("journal:read")
async def test_what_is_not_there_is_an_error(store: JournalStore) -> None:
    await fill(store, RUN, 2, 2)
    for numbers in ([5], [0], [1, 99]):
        with pytest.raises(JournalError) as caught:
            await store.read(RUN, numbers)
        assert caught.value.code == "journal.missing"
    for ask in (lambda: store.read_now(OTHER, [1]), lambda: store.entries(OTHER)):
        with pytest.raises(JournalError) as caught:
            ask()
        assert caught.value.code == "journal.unknown"
    with pytest.raises(JournalError):
        await store.commit([(OTHER, 1, entries(OTHER, 1, 1))])


@requirement("journal:read")
async def test_entries_are_read_from_the_file_once_they_left_memory(store: JournalStore) -> None:
    await fill(store, RUN, 300, 10, size=4000)
    assert store._entries.cached(RUN, [1]) is None
    assert await store.read(RUN, [1, 2999, 17]) == [entry(RUN, n, 4000) for n in (1, 2999, 17)]
    assert store._entries.cached(RUN, [2990, 3000]) is not None


@requirement("journal:atomic")
async def test_closing_keeps_what_was_asked_for(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.begin(RunRecord(RUN))
    futures = [store.commit([(RUN, n, entries(RUN, n, 1))]) for n in range(1, 200)]
    store.close()
    store.close()
    await asyncio.gather(*futures)
    with pytest.raises(JournalError) as caught:
        await store.commit([(RUN, 200, entries(RUN, 200, 1))])
    assert caught.value.code == "journal.closed"
    with open_store(tmp_path) as again:
        assert len(list(again.entries(RUN))) == 199
        assert again.check() == []


@requirement("journal:gone")
async def test_a_journal_that_is_removed_under_way_takes_no_more(tmp_path: Path, store: JournalStore) -> None:
    await fill(store, RUN, 1, 1)
    (tmp_path / ".vespiary" / "journal.db").unlink()
    with pytest.raises(JournalError) as caught:
        await store.commit([(RUN, 2, entries(RUN, 2, 1))])
    assert caught.value.code == "journal.gone"
    assert store.check() != []


@requirement("journal:checkpoints")
async def test_the_log_stays_bounded_under_a_writer_that_never_pauses(tmp_path: Path, store: JournalStore) -> None:
    await store.begin(RunRecord(RUN))
    log = tmp_path / ".vespiary" / "journal.db-wal"
    most, first, waiting = 0, 1, set[asyncio.Future[None]]()
    for _ in range(500):
        waiting.add(store.commit([(RUN, first, [[os.urandom(16_000)] for _ in range(10)])]))
        first += 10
        if len(waiting) > 4:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        most = max(most, log.stat().st_size)
    await asyncio.gather(*waiting)
    assert most < 40 << 20
    store.close()
    assert not log.exists()
