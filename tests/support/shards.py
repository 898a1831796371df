"""A shard of either kind, and what its guests told, for tests that hold for both."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from support import worker_guests
from support.worker_guests import LOOPING, Guests, Progress, Reluctant
from vespiary.model.errors import VespiaryError
from vespiary.runtime.inprocess import InProcessShard
from vespiary.runtime.shard import Shard
from vespiary.runtime.workers import WorkerShard


class Told:
    """Sentences, in order. `looping` is set by the guest that begins to loop."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.looping = anyio.Event()

    def __call__(self, sentence: str) -> None:
        self.sentences.append(sentence)
        if sentence == LOOPING:
            self.looping.set()


class Hive:
    """The shard under test."""

    def __init__(self, shard: Shard, told: Told) -> None:
        self.shard = shard
        self.told = told


@asynccontextmanager
async def hive(kind: str, *, reluctant: bool = False) -> AsyncGenerator[Hive]:
    """A shard with the guests of `support.worker_guests`: in a `thread` or in a `process`."""
    told = Told()
    loop = asyncio.get_running_loop()
    if kind == "thread":
        make: Callable[[Progress], Guests] = Reluctant() if reluctant else worker_guests.make
        shard: Shard = InProcessShard(lambda: make(lambda text: _tell(loop, told, text)))
    else:
        shard = worker(told, "reluctant" if reluctant else "make")
    try:
        yield Hive(shard, told)
    finally:
        await shard.close()


def _tell(loop: asyncio.AbstractEventLoop, told: Told, text: str) -> None:
    loop.call_soon_threadsafe(told, text)


def worker(
    told: Told | None = None, factory: str = "make", module: str = "support.worker_guests", **options: Any
) -> WorkerShard:
    """A worker process with the guests of `support.worker_guests`, or of another module."""
    return WorkerShard(guests=f"{module}:{factory}", progress=told or Told(), **options)


@asynccontextmanager
async def working(**options: Any) -> AsyncGenerator[tuple[WorkerShard, Told]]:
    """A worker with both actors made, closed afterwards."""
    told = Told()
    shard = worker(told, **options)
    try:
        results = await shard.run(worker_guests.births())
        assert worker_guests.kinds(results) == [None, None]
        yield shard, told
    finally:
        await shard.close()
        assert shard.pid is None


async def problem_of(awaitable: Any) -> VespiaryError:
    """The error that it fails with."""
    try:
        await awaitable
    except VespiaryError as error:
        return error
    raise AssertionError("it did not fail")
