"""What is kept beside entries, and how it goes away again."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ledger import requirement
from support.journals import OTHER, RUN, entries, entry, fill, open_store
from vespiary.journal.errors import JournalError
from vespiary.journal.extras import spec_hash
from vespiary.journal.records import DeadRow, RunRecord, SessionRecord, UsageRow
from vespiary.journal.store import JournalStore
from vespiary.model.ids import RunId
from vespiary.model.runs import Mode, Outcome

pytestmark = pytest.mark.anyio


class Clock:
    """Nanoseconds that are one more each time."""

    def __init__(self) -> None:
        self.time = 0

    def __call__(self) -> int:
        self.time += 1
        return self.time


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JournalStore]:
    with open_store(tmp_path, now=Clock()) as opened:
        yield opened


def record(store: JournalStore, run: RunId) -> RunRecord:
    found = store.run(run)
    assert found is not None
    return found


@requirement("journal:records")
async def test_a_run_comes_back_as_it_was_begun_and_changed(store: JournalStore) -> None:
    begun = RunRecord(RUN, "coder", "Fix it.", Mode.PLAN, "session", {"a": [1, None]})
    await store.begin(begun)
    assert record(store, RUN) == replace(begun, created=1, updated=1, owner=store.owner)
    with pytest.raises(JournalError) as caught:
        await store.begin(begun)
    assert caught.value.code == "journal.exists"
    await store.update(RUN, info={"text": "ok"}, state=Outcome.DONE)
    changed = record(store, RUN)
    assert (changed.info, changed.state, changed.prompt) == ({"text": "ok"}, Outcome.DONE, "Fix it.")
    assert changed.updated > changed.created
    await store.begin(RunRecord(OTHER, created=99))
    assert [each.run for each in store.runs()] == [OTHER, RUN]
    assert [each.run for each in store.runs(limit=1)] == [OTHER]
    assert [each.run for each in store.runs(session="session")] == [RUN]
    with pytest.raises(JournalError):
        await store.update(RunId("nothing"), info={})


@requirement("journal:records")
async def test_a_run_goes_with_all_but_its_usage(store: JournalStore) -> None:
    await fill(store, RUN, 400, 2)
    await store.add_event(RUN, 1, b"{}")
    store.add_dead(DeadRow(RUN, 1, "a/b", None, "answer", "t", "why", "{}"))
    await store.add_usage(UsageRow(RUN, None, 5, "a", "s", "p", "m", 1, 2, 3, 4, None, 1))
    await store.delete_run(RUN)
    assert store.runs() == store.dead() == []
    stats = store.stats()
    assert (stats.entries, stats.events, stats.dead, stats.usage) == (0, 0, 0, 1)
    with pytest.raises(JournalError):
        await store.commit([(RUN, 801, entries(RUN, 801, 1))])
    with pytest.raises(JournalError):
        store.read_now(RUN, [800])
    assert store.check() == []
    await fill(store, RUN, 1, 1)
    assert list(store.entries(RUN)) == [(1, entry(RUN, 1))]


@requirement("journal:records")
async def test_a_deleted_run_is_removed_by_whoever_opens_the_journal_next(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        await fill(store, RUN, 1000, 1)
        store.delete_run(RUN)
    with open_store(tmp_path) as store:
        assert store.check() == []
        # After what opening began.
        await store.put_session(SessionRecord("s"))
        for _ in range(10):
            await store.put_session(SessionRecord("s"))
        assert store.stats().frames == 0


@requirement("journal:records")
async def test_sessions_are_listed_the_last_changed_first(store: JournalStore) -> None:
    await store.put_session(SessionRecord("one", "coder", "One", b"\0data"))
    await store.put_session(SessionRecord("two"))
    one = store.session("one")
    assert one is not None
    assert one == SessionRecord("one", "coder", "One", b"\0data", 1, 1)
    await store.put_session(replace(one, title="Changed", updated=0))
    assert [(each.session, each.title) for each in store.sessions()] == [("one", "Changed"), ("two", "")]
    await store.delete_session("one")
    assert store.session("one") is None


@requirement("journal:records")
async def test_usage_and_dead_letters_come_back(store: JournalStore) -> None:
    await store.begin(RunRecord(RUN))
    await store.begin(RunRecord(OTHER))
    rows = [
        UsageRow(RUN, "s", 10, "coder", "a1B2c3", "openai", "m", 1, 2, 3, 4, 5, 1),
        UsageRow(OTHER, None, 20, "coder", "a1B2c3", "scripted", "m"),
    ]
    await asyncio.gather(*map(store.add_usage, rows))
    assert store.usage() == rows
    assert store.usage(run=RUN) == store.usage(session="s") == rows[:1]
    assert store.usage(since=11) == rows[1:]
    dead = [
        DeadRow(RUN, 1, None, "a/b", "message", "t.x", "nobody hears it", "{}"),
        DeadRow(OTHER, 2, "a/c", None, "answer", "r1", "it died", "\ud800"),
    ]
    await asyncio.gather(*map(store.add_dead, dead))
    assert store.dead() == [dead[0], replace(dead[1], payload="�")]
    assert store.dead(RUN) == dead[:1]


@requirement("journal:records")
async def test_events_are_kept_in_blocks_and_come_back_in_order(store: JournalStore) -> None:
    await store.begin(RunRecord(RUN))
    futures = [store.add_event(RUN, seq, b"%d" % seq) for seq in range(1, 601)]
    await asyncio.gather(*futures)
    assert list(store.events(RUN)) == [(seq, b"%d" % seq) for seq in range(1, 601)]
    assert [seq for seq, _ in store.events(RUN, after=598)] == [599, 600]
    assert store._select("SELECT count(*) FROM events")[0][0] < 10
    with pytest.raises(JournalError):
        await store.add_event(RUN, 600, b"again")
    await store.add_event(RUN, 700, b"later")
    assert [seq for seq, _ in store.events(RUN, after=599)] == [600, 700]


@requirement("journal:records")
async def test_specifications_are_named_by_their_content(store: JournalStore) -> None:
    await store.begin(RunRecord(RUN))
    small, large = b"spec", b"specification " * 10_000
    await store.keep_specs(RUN, [(spec_hash(each), each) for each in (small, large, small)])
    assert [store.spec(spec_hash(each)) for each in (small, large)] == [small, large]
    assert store.spec(spec_hash(b"other")) is None
    with pytest.raises(JournalError):
        await store.keep_specs(RUN, [(spec_hash(small), large)])


@requirement("journal:cut")
async def test_frames_before_an_entry_are_forgotten_and_the_rest_is_checked(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        await fill(store, RUN, 600, 3)
        await store.cut(RUN, 1000)
        # Entry 1000 is in the middle of nothing: frames are 1-3, 4-6, ...
        assert record(store, RUN).base == 1000
        assert next(store.entries(RUN)) == (1000, entry(RUN, 1000))
        await store.cut(RUN, 1001)
        await store.cut(RUN, 5)
        assert record(store, RUN).base == 1000
        assert store.stats().frames == 267
        for number in (1, 999):
            with pytest.raises(JournalError) as caught:
                store.read_now(RUN, [number])
            assert caught.value.code == "journal.missing"
        assert store.check() == []
    with open_store(tmp_path) as store:
        assert store.claim(RUN)
        walk = store.entries(RUN)
        next(walk)
        await store.cut(RUN, 5000)
        assert (record(store, RUN).base, store.stats().frames) == (1801, 0)
        with pytest.raises(JournalError) as caught:
            list(walk)
        assert caught.value.code == "journal.missing"
        await fill(store, RUN, 2, 2, begin=False)
        assert list(store.entries(RUN)) == [(n, entry(RUN, n)) for n in range(1801, 1805)]
        assert store.check() == []


@requirement("journal:prune")
async def test_pruning_removes_finished_runs_oldest_first_and_gives_space_back(
    tmp_path: Path, store: JournalStore
) -> None:
    runs = [RunId(f"run{number:09}") for number in range(6)]
    for run in runs:
        await fill(store, run, 20, 20, size=2000)
        await store.keep_specs(run, [(spec_hash(run.encode()), run.encode())])
        await store.add_usage(UsageRow(run, None, 5, "a", "s", "p", "m"))
    for run in runs[1:]:
        await store.update(run, state=Outcome.DONE)
    before = record(store, runs[2]).updated
    assert (await store.prune(older_than=before)).runs == 1
    assert [each.run for each in store.runs()] == [runs[n] for n in (5, 4, 3, 2, 0)]
    assert (await store.prune(keep_runs=3)).runs == 1
    done = await store.prune(keep_bytes=sum(record(store, run).size for run in (runs[0], runs[5])))
    assert (done.runs, done.specs) == (2, 2)
    assert [each.run for each in store.runs()] == [runs[5], runs[0]]
    assert (await store.prune(keep_runs=0, keep_bytes=0)).runs == 1
    # What is not finished stays, whatever its size.
    assert list(store.entries(runs[0])) == [(n, entry(runs[0], n, 2000)) for n in range(1, 401)]
    assert store.spec(spec_hash(runs[0].encode())) is not None
    stats = store.stats()
    assert (stats.runs, stats.specs, stats.usage, stats.free_bytes) == ({"running": 1}, 1, 6, 0)
    assert store.check() == []
    store.close()
    assert (tmp_path / ".vespiary" / "journal.db").stat().st_size < record_size(stats.entry_bytes)


def record_size(entry_bytes: int) -> int:
    return entry_bytes * 2 + 40 * 4096


@requirement("journal:export")
async def test_a_run_is_exported_as_json(store: JournalStore) -> None:
    await store.begin(RunRecord(RUN, "coder", header={"x": 1}))
    await store.commit([(RUN, 1, [("a", b"\xff", float("inf"))])])
    await store.add_event(RUN, 1, b'{"e": 1}')
    await store.add_event(RUN, 2, b"\xff")
    await store.add_usage(UsageRow(RUN, None, 5, "a", "s", "p", "m"))
    await store.add_dead(DeadRow(RUN, 1, None, None, "message", "t", "r", "p"))
    lines = [json.loads(json.dumps(line, allow_nan=False)) for line in store.export(RUN)]
    assert [line["kind"] for line in lines] == ["run", "entry", "event", "event", "usage", "dead"]
    assert lines[0]["header"] == {"x": 1}
    assert lines[1]["entry"] == ["a", {"base64": "/w=="}, "inf"]
    assert [line["event"] for line in lines[2:4]] == [{"e": 1}, {"base64": "/w=="}]
    assert lines[5]["letter"] == "message"
