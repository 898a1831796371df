"""What the journal and worker processes cost: steps per second of pairs of light actors that pass tokens to one another.

    python benchmarks/journal_steps.py [--guests python|null] [--pairs 64] [--seconds 2] [--rounds 3] [--json]

Each pair is an agent of two actors with one token; all belong to one run. Every combination of journal (off, normal, full) and
shards (in this process, one and two worker processes) has its turn in each round; figures are medians of the rounds. `--pairs 1`
gives the time of a hop. Run it from the folder above this one, or workers do not find the guests of `--guests null`.

Columns, a step: `loop` is the processor time of the event loop's thread, `server` that of its process, `workers` that of the worker
processes. `two_cores` is what two cores with nothing else to do could give by that, and does not depend on who else runs on the
machine as much as `steps_per_s` does. `commit` is the mean number of entries in a frame of the journal; 0
where a checkpoint let frames go meanwhile.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vespiary.journal.records import RunRecord
from vespiary.journal.store import JournalStore
from vespiary.model.agents import AgentSpec
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.messages import Envelope, Subscription
from vespiary.model.steps import (
    ActorSpec,
    Construct,
    Deliver,
    Description,
    Log,
    Send,
    StepFailure,
    StepInput,
    StepResult,
)
from vespiary.runtime.clock import SystemClock
from vespiary.runtime.colony import Colony
from vespiary.runtime.deadletters import DeadLetter
from vespiary.runtime.inprocess import InProcessShard
from vespiary.runtime.workers import WorkerShard

RUN = RunId("benchmark000")
SOURCE = """
from vespiary_sdk import Actor, on, messaging
class {name}(Actor):
    @on("token.{hears}")
    async def pass_on(self, message):
        messaging.send("token.{tells}", {{"hop": message.payload["hop"] + 1}})
"""
JOURNALS = ("off", "normal", "full")
SHARDS = ("here", "1 worker", "2 workers")


class Null:
    """Guests that pass a token on, and cost nothing."""

    def __init__(self) -> None:
        self._tells: dict[ActorId, str] = {}

    def step(self, step: StepInput) -> StepResult:
        body = step.body
        if isinstance(body, Construct):
            hears, self._tells[step.actor] = json.loads(body.spec.config)
            return StepResult(step.actor, step.step, description=Description(subscriptions=(Subscription(hears),)))
        if isinstance(body, Deliver):
            return StepResult(step.actor, step.step, (Send("root:1", self._tells[step.actor], body.envelope.payload),))
        return StepResult(step.actor, step.step)

    def interrupt(self, actor: ActorId) -> None: ...

    def close(self) -> None: ...

    def load(self, reference: str) -> str:
        return reference


def null(tell: object) -> Null:
    """The factory that workers are told."""
    return Null()


class Deaf:
    """An observer that does not listen."""

    def message(self, run: RunId, published_in: Scope, envelope: Envelope) -> None: ...

    def log(self, run: RunId, actor: ActorId, line: Log) -> None: ...

    def failed(self, run: RunId, actor: ActorId, failure: StepFailure, *, restarted: bool) -> None:
        raise SystemExit(f"{actor}: {failure}")

    def exited(self, run: RunId, scope: Scope, reason: str) -> None: ...

    def buried(self, letter: DeadLetter) -> None: ...

    def broken(self, run: RunId, problem: VespiaryError) -> None: ...


def pair(number: int, guests: str) -> AgentSpec:
    """Two actors, each of which answers the other."""
    if guests == "null":
        return AgentSpec(
            f"pair{number}",
            (
                ActorSpec("ping", "null", json.dumps(["token.ping", "token.pong"])),
                ActorSpec("pong", "null", json.dumps(["token.pong", "token.ping"])),
            ),
        )
    return AgentSpec(f"pair{number}", (light("ping", "pong"), light("pong", "ping")))


def light(hears: str, tells: str) -> ActorSpec:
    """An actor of a few lines of Python."""
    source = SOURCE.format(name=hears.title(), hears=hears, tells=tells)
    code = {"entry": "mine", "files": {"mine.py": source}}
    return ActorSpec(hears, "python", json.dumps({"name": hears, "config": {}, "code": code}))


def make_shards(kind: str, guests: str) -> Sequence[InProcessShard | WorkerShard]:
    """`here`, or so many workers."""
    if kind != "here":
        factory = "journal_steps:null" if guests == "null" else None
        return [WorkerShard(guests=factory) for _ in range(int(kind.split()[0]))]
    if guests == "null":
        return [InProcessShard(Null)]
    from vespiary.wasm.components import ComponentStore
    from vespiary.wasm.guests import WasmGuests

    return [InProcessShard(lambda: WasmGuests(ComponentStore(lambda text: None)))]


def cpu_of(pids: Sequence[int]) -> float:
    """Seconds of processor time that processes have used."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


async def measure(journal: str, kind: str, guests: str, pairs: int, seconds: float) -> dict[str, float]:
    """One case, once."""
    shards = make_shards(kind, guests)
    with ExitStack() as stack:
        store: JournalStore | None = None
        if journal != "off":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER"))))
            store = JournalStore.open(folder, key=bytes(32), sync="full" if journal == "full" else "normal")
            stack.callback(store.close)
            await store.begin(RunRecord(RUN))
        colony = Colony(
            shards=shards,
            capabilities={},
            observer=Deaf(),
            clock=SystemClock(),
            source=random.Random(1),
            journal=store,
        )
        async with colony:
            scopes = [await colony.spawn(pair(number, guests), run=RUN) for number in range(pairs)]
            for scope in scopes:
                colony.send(scope, "token.ping", '{"hop":0}')
            await asyncio.sleep(0.2)
            pids = [shard.pid for shard in shards if isinstance(shard, WorkerShard) and shard.pid is not None]
            steps, written = colony.statistics().steps, transactions(store)
            wall, loop, cpu, theirs = time.perf_counter(), time.thread_time(), time.process_time(), cpu_of(pids)
            await asyncio.sleep(seconds)
            wall, loop = time.perf_counter() - wall, time.thread_time() - loop
            cpu, theirs = time.process_time() - cpu, cpu_of(pids) - theirs
            steps = colony.statistics().steps - steps
            commits = transactions(store) - written
    return {
        "steps_per_s": steps / wall,
        "hop_us": wall / steps * pairs * 1e6,
        "loop_us": loop / steps * 1e6,
        "server_us": cpu / steps * 1e6,
        "workers_us": theirs / steps * 1e6,
        "two_cores": 2 * steps / (cpu + theirs),
        "commit": steps / commits if commits > 0 else 0.0,
    }


def transactions(store: JournalStore | None) -> int:
    """Frames written so far."""
    return store.stats().frames if store is not None else 0


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guests", choices=("python", "null"), default="python")
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--journal", choices=JOURNALS, action="append")
    parser.add_argument("--shards", choices=SHARDS, action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cases = [(journal, kind) for kind in options.shards or SHARDS for journal in options.journal or JOURNALS]
    rows: dict[tuple[str, str], list[dict[str, float]]] = {case: [] for case in cases}
    for _ in range(options.rounds):
        for journal, kind in cases:
            rows[journal, kind].append(await measure(journal, kind, options.guests, options.pairs, options.seconds))
    table: list[dict[str, Any]] = []
    for (journal, kind), found in rows.items():
        medians = {name: round(statistics.median(row[name] for row in found), 1) for name in found[0]}
        table.append({"shards": kind, "journal": journal, **medians})
    if options.json:
        print(json.dumps(table, indent=1))
        return
    print("  ".join(f"{name:>11}" for name in table[0]))
    for row in table:
        print("  ".join(f"{value:>11}" for value in row.values()))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
