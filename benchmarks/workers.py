"""What worker processes cost and give: start, memory, round trips, steps per second, and how punctual the server's loop stays.

    python benchmarks/workers.py [--seconds 2] [--rounds 3] [--cold]

Prints JSON. In-process and workers take turns within each round, so that a busy machine hits all; figures are medians of the
rounds. Workers are niced: what else runs on the machine takes more from them than from the server. Lateness is that of a 1 kHz tick
on the loop while guests work as hard as they can, 64 steps a batch, two batches in flight per shard.
"""

# ruff: noqa: E402 - the path to the tests' helpers comes first

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from support.component import python_actor
from support.worker_guests import Guests, Progress
from vespiary.model.ids import ActorId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import ActorSpec, Construct, Deliver, Description, Send, StepInput, StepResult
from vespiary.runtime.inprocess import InProcessShard
from vespiary.runtime.workers import WorkerShard

BATCH = 64
IN_FLIGHT = 2
SOURCE = """
from vespiary_sdk import Actor, on, messaging
class Echo(Actor):
    @on("test.go")
    async def go(self, message):
        messaging.send("test.done", {"size": len(message.payload["text"])})
"""
PAYLOAD = json.dumps({"text": "x" * 180})
Shards = Sequence[InProcessShard | WorkerShard]


class Tiny(Guests):
    """Guests that answer each message with one, and do nothing else."""

    def step(self, step: StepInput) -> StepResult:
        if isinstance(step.body, Construct):
            return StepResult(step.actor, step.step, description=Description())
        return StepResult(step.actor, step.step, (Send("root:1", "test.done", '{"size":180}'),), busy_ns=1)


def tiny(tell: Progress) -> Tiny:
    """The factory that workers are told."""
    return Tiny(tell)


def shards(kind: str, guests: str) -> Shards:
    """`here`, or so many workers."""
    if kind == "here":
        if guests == "tiny":
            return [InProcessShard(lambda: Tiny(lambda text: None))]
        from vespiary.wasm.components import ComponentStore
        from vespiary.wasm.guests import WasmGuests

        return [InProcessShard(lambda: WasmGuests(ComponentStore(lambda text: None)))]
    factory = "workers:tiny" if guests == "tiny" else None
    return [WorkerShard(guests=factory) for _ in range(int(kind.split()[0]))]


def births(count: int) -> list[StepInput]:
    spec = ActorSpec("mine", "python", python_actor(SOURCE))
    return [StepInput(ActorId(f"aaaaaa/a{i}"), 1, 0, i, Construct(spec, None)) for i in range(count)]


def batch(count: int, number: int, offset: int = 0) -> list[StepInput]:
    envelope = Envelope("root:1", "test.go", ActorId("aaaaaa/x"), Scope("aaaaaa"), PAYLOAD)
    return [StepInput(ActorId(f"aaaaaa/a{offset + i}"), number, 0, number, Deliver(envelope)) for i in range(count)]


async def lateness(into: list[float]) -> None:
    due = time.perf_counter()
    while True:
        due += 0.001
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        into.append((now - due) * 1e3)
        due = max(due, now - 0.001)


async def load(kind: str, guests: str, seconds: float) -> dict[str, float]:
    """Steps per second, processor time of the loop per step, lateness."""
    made = shards(kind, guests)
    for shard in made:
        results = await shard.run(births(BATCH * IN_FLIGHT))
        assert all(result.failure is None for result in results), results[0].failure
    late: list[float] = []
    count = 0
    until = time.perf_counter() + seconds

    async def keep(shard: InProcessShard | WorkerShard, offset: int) -> None:
        nonlocal count
        number = 1
        while time.perf_counter() < until:
            number += 1
            results = await shard.run(batch(BATCH, number, offset))
            assert results[0].failure is None
            count += len(results)

    ticking = asyncio.create_task(lateness(late))
    began, cpu = time.perf_counter(), time.thread_time()
    await asyncio.gather(*(keep(shard, i * BATCH) for shard in made for i in range(IN_FLIGHT)))
    wall, cpu = time.perf_counter() - began, time.thread_time() - cpu
    ticking.cancel()
    for shard in made:
        await shard.close()
    late.sort()
    return {
        "steps_per_s": count / wall,
        "loop_us_per_step": cpu / count * 1e6,
        "late_p50_ms": late[len(late) // 2],
        "late_p99_ms": late[int(len(late) * 0.99)],
        "late_max_ms": late[-1],
    }


async def idle_lateness(seconds: float) -> dict[str, float]:
    late: list[float] = []
    ticking = asyncio.create_task(lateness(late))
    await asyncio.sleep(seconds)
    ticking.cancel()
    late.sort()
    return {"late_p99_ms": late[int(len(late) * 0.99)], "late_max_ms": late[-1]}


async def round_trip(kind: str, guests: str, count: int = 1000) -> dict[str, float]:
    made = shards(kind, guests)
    await made[0].run(births(1))
    took: list[float] = []
    for number in range(count):
        began = time.perf_counter_ns()
        await made[0].run(batch(1, number + 2))
        took.append((time.perf_counter_ns() - began) / 1e3)
    await made[0].close()
    took.sort()
    return {"p50_us": took[count // 2], "p99_us": took[int(count * 0.99)]}


async def start(cache: str | None) -> dict[str, float]:
    """Milliseconds until a process answers, has the component and its first actor; Pss in MiB before and after."""
    kept = os.environ.get("VESPIARY_CACHE_DIR")
    if cache is not None:
        os.environ["VESPIARY_CACHE_DIR"] = cache
    shard = WorkerShard(guests=None)
    began = time.perf_counter()
    await shard.run([StepInput(ActorId("aaaaaa/nobody"), 1, 0, 0, Deliver(batch(1, 1)[0].body.envelope))])  # type: ignore[union-attr]
    answered = time.perf_counter()
    await shard.load("python")
    loaded = time.perf_counter()
    idle = pss(shard.pid)
    await shard.run(births(1))
    done = time.perf_counter()
    one = pss(shard.pid)
    await shard.close()
    if cache is not None:
        os.environ.pop("VESPIARY_CACHE_DIR")
        if kept is not None:
            os.environ["VESPIARY_CACHE_DIR"] = kept
    return {
        "first_answer_ms": (answered - began) * 1e3,
        "component_loaded_ms": (loaded - began) * 1e3,
        "first_actor_ms": (done - began) * 1e3,
        "pss_component_mib": idle,
        "pss_one_actor_mib": one,
    }


def borrow_built(folder: Path) -> None:
    """Let a fresh cache have the component as a wheel brings it: built, not compiled."""
    from vespiary.wasm.cache import cache_folder

    (folder / "components").mkdir(mode=0o700)
    for file in cache_folder().glob("*.wasm"):
        shutil.copy(file, folder / "components")


def pss(pid: int | None) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


def medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(row[name] for row in rows), 2) for name in rows[0]}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cold", action="store_true", help="also start with an empty cache: some ten seconds or more")
    options = parser.parse_args()
    figures: dict[str, object] = {"start_warm": medians([await start(None) for _ in range(5)])}
    if options.cold:
        with tempfile.TemporaryDirectory() as folder:
            borrow_built(Path(folder))
            figures["start_cold"] = medians([await start(folder)])
    kinds = ("here", "1 worker", "2 workers")
    for guests in ("tiny", "python"):
        figures[f"round_trip_{guests}"] = {kind: medians([await round_trip(kind, guests)]) for kind in kinds[:2]}
        rows: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
        for _ in range(options.rounds):
            for kind in kinds:
                rows[kind].append(await load(kind, guests, options.seconds))
        table = {kind: medians(found) for kind, found in rows.items()}
        figures[f"load_{guests}"] = table
        figures[f"load_{guests}_ratio_to_here"] = {
            kind: round(table[kind]["steps_per_s"] / table["here"]["steps_per_s"], 2) for kind in kinds[1:]
        }
    figures["idle"] = await idle_lateness(options.seconds)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
