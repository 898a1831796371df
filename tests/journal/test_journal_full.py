"""A disk that is full."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger import requirement
from support.journals import OTHER, RUN, entries, entry, fill, held, open_store
from vespiary.journal.errors import JournalError
from vespiary.journal.store import JournalStore

pytestmark = pytest.mark.anyio


def limit(store: JournalStore, pages: int) -> None:
    writer = store._writer
    assert writer is not None
    writer._connection.execute(f"PRAGMA max_page_count={pages:d}").fetchall()


async def until_full(store: JournalStore) -> int:
    """Commit until it fails. Gives the last entry that was kept."""
    first = 1
    while True:
        future = store.commit([(RUN, first, [[os.urandom(20_000)]])])
        await asyncio.wait([future])
        error = future.exception()
        if error is not None:
            assert isinstance(error, JournalError)
            assert error.code == "journal.full"
            assert "Free some space" in str(error)
            return first - 1
        first += 1


@requirement("journal:disk-full", "journal:no-gaps")
async def test_a_full_database_fails_the_run_and_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        await fill(store, RUN, 0, 1)
        await fill(store, OTHER, 1, 1)
        limit(store, 200)
        last = await until_full(store)
        assert len(list(store.entries(RUN))) == last
        # The run is closed until it is claimed again, although this would fit.
        with pytest.raises(JournalError) as caught:
            await store.commit([(RUN, last + 1, entries(RUN, last + 1, 1))])
        assert caught.value.code == "journal.full"
        # Another one goes on, whatever is tried with it.
        large = store.commit([(RUN, last + 1, [[os.urandom(10_000_000)]])])
        small = store.commit([(OTHER, 2, entries(OTHER, 2, 1))])
        await small
        with pytest.raises(JournalError):
            await large
        limit(store, 1 << 30)
        assert store.claim(RUN)
        await store.commit([(RUN, last + 1, entries(RUN, last + 1, 1))])
        assert list(store.entries(RUN))[-1] == (last + 1, entry(RUN, last + 1))
        assert store.check() == []


@requirement("journal:disk-full")
async def test_what_does_not_fit_does_not_fail_what_waits_with_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        await fill(store, RUN, 1, 1)
        await fill(store, OTHER, 1, 1)
        limit(store, 200)
        with held(store):
            large = store.commit([(RUN, 2, [[os.urandom(10_000_000)]])])
            small = store.commit([(OTHER, 2, entries(OTHER, 2, 1))])
        await small
        with pytest.raises(JournalError):
            await large
        assert len(list(store.entries(OTHER))) == 2
        assert store.check() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB, where one can be had."""
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        pytest.skip("only root can mount")
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("mounting is not allowed")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@requirement("journal:disk-full")
async def test_a_full_disk_fails_the_run_and_it_goes_on_once_there_is_space(small_disk: Path) -> None:
    other = small_disk / "other"
    other.write_bytes(bytes(500_000))
    with open_store(small_disk) as store:
        await fill(store, RUN, 0, 1)
        last = await until_full(store)
        assert len(list(store.entries(RUN))) == last
    with open_store(small_disk) as store:
        assert len(list(store.entries(RUN))) == last
        other.unlink()
        assert store.claim(RUN)
        await store.commit([(RUN, last + 1, entries(RUN, last + 1, 1))])
        assert len(list(store.entries(RUN))) == last + 1
        assert store.check() == []
