"""Many agents in one run: the time and memory that they take, and the messages that they exchange.

    python benchmarks/crowd.py [--agents 1000] [--trio] [--workers 0 1 2] [--sync off|normal|full] [--seconds 3]

Each agent is one light Python actor, or with `--trio` the built-in `assistant`, `files` and `shell`. All live in one run. Each case
is a process of its own. `spawn` ends when every actor is ready; `cpu` is that of the server and its workers together.
Memory is summed over the server and its workers, without what they had before the first agent: `pss` and `private` (dirty) per
agent. `messages`: every agent gets a message and answers it, for some seconds. `maps` is the number of mappings of the process that
has most; a process may have `vm.max_map_count` of them.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from journal_steps import RUN, Deaf, cpu_of, light, make_shards
from vespiary.journal.records import RunRecord
from vespiary.journal.store import JournalStore
from vespiary.model.agents import AgentSpec
from vespiary.model.steps import ActorSpec
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.clock import SystemClock
from vespiary.runtime.colony import Colony
from vespiary.runtime.workers import WorkerShard


def agent(number: int, trio: bool) -> AgentSpec:
    """One agent. A token comes back to its actor for ever."""
    if not trio:
        return AgentSpec(f"agent{number}", (light("ping", "ping"),))
    names = ("assistant", "files", "shell")
    return AgentSpec(
        f"agent{number}",
        tuple(
            ActorSpec(name, "python", json.dumps({"name": name, "config": {}, "code": {"preloaded": name}}))
            for name in names
        ),
    )


def memory(pids: Sequence[int]) -> dict[str, float]:
    """MiB of some processes together."""
    total = {"Pss": 0.0, "Private_Dirty": 0.0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            name = line.partition(":")[0]
            if name in total:
                total[name] += int(line.split()[1]) / 1024
    return total


def maps(pids: Sequence[int]) -> int:
    """Mappings of the process that has most."""
    return max(Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").count("\n") for pid in pids)


async def measure(agents: int, trio: bool, workers: int, sync: str, seconds: float) -> dict[str, Any]:
    """One case."""
    shards = make_shards(f"{workers} workers" if workers else "here", "python")
    with ExitStack() as stack:
        store: JournalStore | None = None
        if sync != "off":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            store = JournalStore.open(folder, key=bytes(32), sync="full" if sync == "full" else "normal")
            stack.callback(store.close)
            await store.begin(RunRecord(RUN))
        colony = Colony(
            shards=shards,
            capabilities={},
            observer=Deaf(),
            clock=SystemClock(),
            source=random.Random(1),
            journal=store,
            bounds=Bounds(actors_before_next_shard=1),
        )
        async with colony:
            for shard in shards:
                if isinstance(shard, WorkerShard):
                    await shard.load("python")
            root = await colony.spawn(agent(0, trio), run=RUN)
            theirs = [shard.pid for shard in shards if isinstance(shard, WorkerShard) and shard.pid is not None]
            pids = [os.getpid(), *theirs]
            before, cpu, wall = memory(pids), time.process_time() + cpu_of(theirs), time.perf_counter()
            async with asyncio.TaskGroup() as tasks:
                made = [
                    tasks.create_task(colony.spawn(agent(number, trio), run=RUN, parent=root))
                    for number in range(1, agents)
                ]
            wall, cpu = time.perf_counter() - wall, time.process_time() + cpu_of(theirs) - cpu
            after = memory(pids)
            figures: dict[str, Any] = {
                "workers": workers,
                "journal": sync,
                "spawn_s": round(wall, 2),
                "spawn_cpu_s": round(cpu, 2),
                "pss_kib": round((after["Pss"] - before["Pss"]) * 1024 / (agents - 1)),
                "private_kib": round((after["Private_Dirty"] - before["Private_Dirty"]) * 1024 / (agents - 1)),
                "pss_all_mib": round(after["Pss"]),
            }
            if not trio:
                for task in made:
                    colony.send(task.result(), "token.ping", '{"hop":0}')
                await asyncio.sleep(0.5)
                steps, cpu, wall = colony.statistics().steps, time.process_time() + cpu_of(theirs), time.perf_counter()
                await asyncio.sleep(seconds)
                steps, wall = colony.statistics().steps - steps, time.perf_counter() - wall
                cpu = time.process_time() + cpu_of(theirs) - cpu
                figures["messages_per_s"] = round(steps / wall)
                figures["cpu_us_a_message"] = round(cpu / steps * 1e6)
            figures["maps"] = maps(pids)
            begin = time.perf_counter()
        figures["close_s"] = round(time.perf_counter() - begin, 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--trio", action="store_true")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--sync", choices=("off", "normal", "full"), default="full")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--one", action="store_true", help="this case here, as JSON")
    options = parser.parse_args()
    if options.one:
        case = measure(options.agents, options.trio, options.workers[0], options.sync, options.seconds)
        print(json.dumps(asyncio.run(case)))
        return
    shape = ["--agents", str(options.agents), "--seconds", str(options.seconds), "--sync", options.sync]
    rows: list[dict[str, Any]] = []
    for workers in options.workers:
        case = [*shape, *(["--trio"] if options.trio else []), "--workers", str(workers), "--one"]
        done = subprocess.run([sys.executable, __file__, *case], stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout))
    print("  ".join(f"{name:>{max(8, len(name))}}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>{max(8, len(name))}}" for name, value in row.items()))
    limit = Path("/proc/sys/vm/max_map_count")
    if limit.exists():
        print(f"vm.max_map_count = {limit.read_text('ascii').strip()}")


if __name__ == "__main__":
    main()
