"""What the journal costs: microseconds per entry at several batch sizes, on the event loop and until durable, and commits during
checkpoints.

Run: python benchmarks/journal.py [FOLDER]. Prints JSON on stdout. An entry is as a light step makes it: some 300 bytes.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from vespiary.journal.opening import Sync
from vespiary.journal.records import RunRecord
from vespiary.journal.store import JournalStore
from vespiary.model.ids import RunId

RUN = RunId("benchmark000")
WORDS = [f"{random.Random(number).getrandbits(24):x}" for number in range(997)]


def entry(number: int) -> tuple[Any, ...]:
    payload = json.dumps(
        {"number": number, "text": " ".join(WORDS[(number * 7 + i * i * 13) % 997] for i in range(30))}
    )
    return (
        0,
        f"a1B2c3/actor{number % 10}",
        number,
        1_700_000_000_000_000_000 + number,
        ((0, "root:abc", "to.x", payload, None),),
    )


async def batches(folder: Path, sync: Sync, size: int, count: int, under_way: int) -> dict[str, object]:
    """`count` entries in batches of `size`, at most so many batches under way."""
    store = JournalStore.open(folder, key=bytes(32), sync=sync)
    await store.begin(RunRecord(RUN))
    entries = [entry(number) for number in range(size)]
    loop_ns = 0
    gate = asyncio.Semaphore(under_way)
    futures: list[asyncio.Future[None]] = []
    begun, cpu = time.perf_counter(), time.process_time()
    for first in range(1, count, size):
        await gate.acquire()
        before = time.perf_counter_ns()
        future = store.commit([(RUN, first, entries)])
        loop_ns += time.perf_counter_ns() - before
        future.add_done_callback(lambda _: gate.release())
        futures.append(future)
    await asyncio.gather(*futures)
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    stats = store.stats()
    begun = time.perf_counter()
    read = sum(1 for _ in store.entries(RUN))
    reading = (time.perf_counter() - begun) / read
    store.close()
    return {
        "sync": sync,
        "batch": size,
        "under_way": under_way,
        "entries": stats.entries,
        "us_per_entry": round(wall / stats.entries * 1e6, 2),
        "cpu_us_per_entry": round(cpu / stats.entries * 1e6, 2),
        "loop_us_per_commit": round(loop_ns / len(futures) / 1e3, 2),
        "us_per_entry_read": round(reading * 1e6, 2),
        "frames": stats.frames,
        "bytes_per_entry": round(stats.entry_bytes / stats.entries),
    }


async def checkpoints(folder: Path, sync: Sync, count: int) -> dict[str, object]:
    """The time of single commits while some 200 MB go through the log."""
    store = JournalStore.open(folder, key=bytes(32), sync=sync)
    await store.begin(RunRecord(RUN))
    entries = [(*entry(number), random.Random(number).randbytes(500)) for number in range(64)]
    times: list[float] = []
    most_log = 0
    for first in range(1, count, 64):
        begun = time.perf_counter()
        await store.commit([(RUN, first, entries)])
        times.append((time.perf_counter() - begun) * 1e3)
        if first % 1024 == 1:
            most_log = max(most_log, (folder / "journal.db-wal").stat().st_size)
    store.close()
    times.sort()
    return {
        "case": "commits during checkpoints",
        "sync": sync,
        "commits": len(times),
        "p50_ms": round(times[len(times) // 2], 2),
        "p99_ms": round(times[int(len(times) * 0.99)], 2),
        "max_ms": round(times[-1], 2),
        "database_mb": round((folder / "journal.db").stat().st_size / 1e6),
        "most_log_mb": round(most_log / 1e6),
    }


async def main() -> None:
    base = sys.argv[1] if len(sys.argv) > 1 else None
    rows: list[dict[str, object]] = []
    for sync in ("full", "normal"):
        for size, count, under_way in ((1, 3_000, 1), (1, 20_000, 64), (64, 64_000, 2), (256, 128_000, 2)):
            with tempfile.TemporaryDirectory(dir=base) as name:
                rows.append(await batches(Path(name) / ".vespiary", sync, size, count, under_way))
        with tempfile.TemporaryDirectory(dir=base) as name:
            rows.append(await checkpoints(Path(name) / ".vespiary", sync, 200_000))
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
