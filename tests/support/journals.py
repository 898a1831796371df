"""Journals for tests."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vespiary.journal.opening import Sync
from vespiary.journal.records import RunRecord
from vespiary.journal.schema import SCHEMA, Schema
from vespiary.journal.store import JournalStore
from vespiary.model.ids import RunId

KEY = bytes(range(32))
RUN = RunId("run000000001")
OTHER = RunId("run000000002")


def open_store(
    root: Path,
    *,
    key: bytes = KEY,
    sync: Sync = "normal",
    now: Callable[[], int] = time.time_ns,
    read_only: bool = False,
    schema: Schema = SCHEMA,
) -> JournalStore:
    """The journal of a workspace, as fast as it can be: what was acknowledged survives the process all the same."""
    return JournalStore.open(root / ".vespiary", key=key, sync=sync, now=now, read_only=read_only, schema=schema)


def held(store: JournalStore) -> threading.Lock:
    """While it is held, the writer waits: what is asked for becomes one transaction."""
    assert store._checkpoints is not None
    return store._checkpoints._turn


def entry(run: str, number: int, size: int = 20) -> list[Any]:
    """An entry that says which one it is."""
    return ["step", run, number, f"{number:x}." * (size // 2)]


def entries(run: str, first: int, count: int, size: int = 20) -> list[list[Any]]:
    return [entry(run, number, size) for number in range(first, first + count)]


async def fill(store: JournalStore, run: RunId, frames: int, count: int, *, size: int = 20, begin: bool = True) -> None:
    """Frames of so many entries each."""
    if begin:
        await store.begin(RunRecord(run))
    record = store.run(run)
    assert record is not None
    for first in range(record.next, record.next + frames * count, count):
        await store.commit([(run, first, entries(run, first, count, size))])


def make(root: Path, runs: tuple[RunId, ...] = (RUN, OTHER), frames: int = 5, count: int = 7) -> None:
    """A journal with runs, closed."""

    async def work() -> None:
        with open_store(root) as store:
            for run in runs:
                await fill(store, run, frames, count)

    asyncio.run(work())


def program(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A Python process that runs the code."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": path},
    )
