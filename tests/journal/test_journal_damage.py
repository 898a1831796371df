"""Damage: found, told with its place, and never a wrong result."""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from support.journals import OTHER, RUN, entry, fill, make, open_store
from vespiary.journal.errors import JournalDamaged, JournalError
from vespiary.journal.extras import spec_hash
from vespiary.journal.records import DeadRow, SessionRecord, UsageRow
from vespiary.journal.store import JournalStore
from vespiary.model.runs import Outcome

FRAMES, COUNT = 5, 7
EXPECTED = {run: [(n, entry(run, n)) for n in range(1, FRAMES * COUNT + 1)] for run in (RUN, OTHER)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    make(root, frames=FRAMES, count=COUNT)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make(tmp_path, frames=FRAMES, count=COUNT)
    return tmp_path


def alter(root: Path, statement: str, *values: Any) -> None:
    """Change the file as somebody without the key can."""
    connection = sqlite3.connect(root / ".vespiary" / "journal.db")
    assert connection.execute(statement, values).rowcount > 0
    connection.commit()
    connection.close()


def broken(root: Path, run: str = RUN) -> JournalError:
    with open_store(root) as store:
        assert store.check() != []
        with pytest.raises(JournalError) as caught:
            list(store.entries(RUN))
        assert list(store.entries(OTHER)) == EXPECTED[OTHER]
    return caught.value


@requirement("journal:damage")
@settings(max_examples=40)
@given(frame=st.integers(0, FRAMES - 1), column=st.sampled_from(("data", "mac", "before")), data=st.data())
def test_every_flipped_bit_of_a_frame_is_found(whole: Path, frame: int, column: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        shutil.copytree(whole / ".vespiary", root / ".vespiary")
        connection = sqlite3.connect(root / ".vespiary" / "journal.db")
        place, old = connection.execute(
            f"SELECT place, {column} FROM frames ORDER BY place LIMIT 1 OFFSET ?", (frame,)
        ).fetchone()
        connection.close()
        bit = data.draw(st.integers(0, len(old) * 8 - 1))
        new = bytearray(old)
        new[bit // 8] ^= 1 << bit % 8
        alter(root, f"UPDATE frames SET {column}=? WHERE place=?", bytes(new), place)
        error = broken(root)
        assert isinstance(error, JournalDamaged)
        assert (error.run, error.number) == (RUN, frame * COUNT + 1)
        with open_store(root) as store, pytest.raises(JournalDamaged):
            store.read_now(RUN, [frame * COUNT + 3])


@requirement("journal:damage")
@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("DELETE FROM frames WHERE place & 1023 = 8 AND place >> 40 = 1", 8),
        ("DELETE FROM frames WHERE place & 1023 = 1 AND place >> 40 = 1", 1),
        ("DELETE FROM frames WHERE place & 1023 = 29 AND place >> 40 = 1", 29),
        ("UPDATE frames SET place = place + 1 WHERE place & 1023 = 29 AND place >> 40 = 1", 29),
        ("UPDATE frames SET count = count - 1 WHERE place & 1023 = 29 AND place >> 40 = 1", 29),
        ("UPDATE frames SET data = (SELECT data FROM frames WHERE place & 1023 = 8) WHERE place & 1023 = 15", 15),
    ],
)
def test_frames_that_are_missing_or_moved_are_found_with_their_place(root: Path, statement: str, number: int) -> None:
    alter(root, statement.replace("= 15", "= 15 AND place >> 40 = 1"))
    error = broken(root)
    assert isinstance(error, JournalDamaged)
    assert (error.run, error.number) == (RUN, number)
    assert RUN in error.message
    assert str(number) in error.message


@requirement("journal:damage")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE heads SET next = 8 WHERE number = 1",
        "UPDATE heads SET base = 8 WHERE number = 1",
        "UPDATE heads SET owner = 'me' WHERE number = 1",
        "UPDATE heads SET last_mac = base_mac WHERE number = 1",
        "UPDATE heads SET run = 'other' WHERE number = 1",
        "DELETE FROM heads WHERE number = 1",
    ],
)
def test_a_head_that_was_changed_is_not_believed(root: Path, statement: str) -> None:
    alter(root, statement)
    broken(root)


@requirement("journal:damage")
def test_a_run_cannot_be_cut_short_by_its_last_frame_and_an_older_head(root: Path) -> None:
    file = root / ".vespiary" / "journal.db"
    connection = sqlite3.connect(file)
    old = connection.execute("SELECT * FROM heads WHERE number=1").fetchone()
    connection.close()

    async def go_on() -> None:
        with open_store(root) as store:
            assert store.claim(RUN)
            await fill(store, RUN, 1, COUNT, begin=False)

    asyncio.run(go_on())
    alter(root, "DELETE FROM heads WHERE number=1")
    alter(root, f"INSERT INTO heads VALUES ({','.join('?' * len(old))})", *old)
    with open_store(root) as store:
        # An older head with its own frames is a run as it was; what came later is seen by a check.
        assert any("more than was written" in problem for problem in store.check())


@requirement("journal:damage", "journal:check")
@settings(max_examples=60)
@given(data=st.data())
def test_flips_anywhere_in_the_file_never_give_wrong_entries(whole: Path, data: st.DataObject) -> None:
    content = bytearray((whole / ".vespiary" / "journal.db").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    survives(content)


@requirement("journal:damage", "journal:check")
@settings(max_examples=25)
@given(data=st.data())
def test_a_file_that_was_cut_off_never_gives_wrong_entries(whole: Path, data: st.DataObject) -> None:
    content = bytearray((whole / ".vespiary" / "journal.db").read_bytes())
    survives(content[: data.draw(st.integers(0, len(content) - 1))])


def survives(content: bytearray) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / ".vespiary"
        folder.mkdir()
        (folder / "journal.db").write_bytes(content)
        try:
            store = open_store(Path(name))
        except JournalError:
            return
        with store:
            for run in (RUN, OTHER):
                for read in (lambda run=run: list(store.entries(run)), lambda run=run: one_by_one(store, run)):
                    with contextlib.suppress(JournalError):
                        assert read() == EXPECTED[run]
            store.check()
            for ask in (store.runs, store.unfinished, store.sessions, store.usage, store.dead):
                with contextlib.suppress(JournalError):
                    ask()


def one_by_one(store: JournalStore, run: Any) -> list[tuple[int, Any]]:
    return [(n, store.read_now(run, [n])[0]) for n, _ in EXPECTED[run]]


@pytest.fixture(scope="module")
def with_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal as a killed process leaves it: much of it is in the log only."""
    root, copy = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("killed")

    async def work() -> None:
        with open_store(root) as store:
            await fill(store, RUN, FRAMES, COUNT)
            await fill(store, OTHER, FRAMES, COUNT)
            (copy / ".vespiary").mkdir()
            for name in ("journal.db", "journal.db-wal"):
                shutil.copy(root / ".vespiary" / name, copy / ".vespiary")

    asyncio.run(work())
    return copy


@requirement("journal:damage")
@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_log_gives_what_was_there_at_some_time_or_an_error(with_log: Path, data: st.DataObject) -> None:
    content = bytearray((with_log / ".vespiary" / "journal.db-wal").read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(with_log / ".vespiary", Path(name) / ".vespiary")
        (Path(name) / ".vespiary" / "journal.db-wal").write_bytes(content)
        with open_store(Path(name)) as store:
            assert store.check() == []
            for run in (RUN, OTHER):
                with contextlib.suppress(JournalError):
                    found = list(store.entries(run))
                    assert found == EXPECTED[run][: len(found)]


@requirement("journal:check")
@pytest.mark.parametrize(("at", "content"), [(0, b"\0" * 200_000), (4096, b"\xa5" * 8192)])
def test_a_file_that_is_overwritten_while_it_is_open_is_told(root: Path, at: int, content: bytes) -> None:
    with open_store(root) as store:
        path = root / ".vespiary" / "journal.db"
        with path.open("r+b") as file:
            file.seek(at)
            file.write(content)
        assert store.check() != []


@requirement("journal:check", "journal:damage")
@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE runs SET state='done'", "its record was changed"),
        ("DELETE FROM runs", "The record of run run000000001 is missing"),
        ("DELETE FROM heads", "the head of its entries is missing"),
        ("UPDATE sessions SET updated=1", "session s was changed"),
        ("UPDATE usage SET time=1", "the usage of a model call was changed"),
        ("UPDATE dead SET data=x'90'", "a dead letter was changed"),
        ("UPDATE events SET count=3", "events were changed"),
        ("DELETE FROM specs", "is missing"),
        ("UPDATE specs SET data=x'00'", "was changed"),
        ("INSERT INTO frames VALUES (7 << 40 | 1, 1, x'', x'', x'')", "a run (number 7) that is not there"),
        ("INSERT INTO trash VALUES (1, x'')", "was deleted was changed"),
    ],
)
def test_a_check_says_what_is_wrong_with_other_rows(tmp_path: Path, statement: str, says: str) -> None:
    async def work() -> None:
        with open_store(tmp_path) as store:
            await fill(store, RUN, 1, 1)
            spec = b"specification"
            store.keep_specs(RUN, [(spec_hash(spec), spec)])
            store.put_session(SessionRecord("s"))
            store.add_usage(UsageRow(RUN, None, 5, "a", "s", "p", "m"))
            store.add_dead(DeadRow(RUN, 1, None, None, "message", "t", "r", "p"))
            await store.add_event(RUN, 1, b"{}")
            assert store.check() == []

    asyncio.run(work())
    alter(tmp_path, statement)
    with open_store(tmp_path) as store:
        problems = store.check()
        assert any(says in problem for problem in problems), problems
        listed = [*store.runs(), *store.sessions(), *store.usage(), *store.dead()]
        assert len(listed) == 4 or store.notices or "runs" in statement or "heads" in statement
        assert all(each.state is Outcome.RUNNING for each in store.runs())
        if statement.startswith("INSERT INTO trash"):
            # Somebody else's word is not enough to remove a run's frames.
            assert list(store.entries(RUN)) == [(1, entry(RUN, 1))]
