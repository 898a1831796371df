"""What the runtime itself costs: messages per second, and microseconds per step on the event loop, with guests that do nothing.

Run: python benchmarks/runtime_throughput.py [ACTORS] [HOPS]. Prints JSON on stdout. Loop lag is the lateness of a 1 kHz tick.
"""

import asyncio
import json
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable

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
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.clock import SystemClock
from vespiary.runtime.colony import Colony
from vespiary.runtime.deadletters import DeadLetter
from vespiary.runtime.inprocess import InProcessShard


class NullGuests:
    """Actor `aN` hears `to.N` and sends what its config says: to the next one, or nothing."""

    def __init__(self) -> None:
        self._next: dict[ActorId, str | None] = {}

    def step(self, step: StepInput) -> StepResult:
        body = step.body
        if isinstance(body, Construct):
            config = json.loads(body.spec.config)
            self._next[step.actor] = config["next"]
            return StepResult(
                step.actor, step.step, description=Description(subscriptions=(Subscription(config["hears"]),))
            )
        if isinstance(body, Deliver):
            onward = self._next[step.actor]
            left = int(body.envelope.payload)
            if onward is not None and left > 0:
                return StepResult(step.actor, step.step, (Send("root:1", onward, str(left - 1)),))
            if onward is not None:
                return StepResult(step.actor, step.step, (Send("root:1", "over", "0"),))
        return StepResult(step.actor, step.step)

    def interrupt(self, actor: ActorId) -> None: ...

    def close(self) -> None: ...


class Ear:
    """Counts the tokens that came to their end."""

    def __init__(self) -> None:
        self.over = 0
        self.all = asyncio.Event()
        self.wanted = 1

    def message(self, run: RunId, published_in: Scope, envelope: Envelope) -> None:
        if envelope.type == "over":
            self.over += 1
            if self.over == self.wanted:
                self.all.set()

    def log(self, run: RunId, actor: ActorId, line: Log) -> None: ...

    def failed(self, run: RunId, actor: ActorId, failure: StepFailure, *, restarted: bool) -> None: ...

    def buried(self, letter: DeadLetter) -> None: ...
    def broken(self, run: RunId, problem: VespiaryError) -> None: ...

    def exited(self, run: RunId, scope: Scope, reason: str) -> None: ...


def ring(size: int) -> AgentSpec:
    return AgentSpec(
        "ring",
        tuple(
            ActorSpec(f"a{i}", "null", json.dumps({"hears": f"to.{i}", "next": f"to.{(i + 1) % size}"}))
            for i in range(size)
        ),
    )


def crowd(size: int) -> AgentSpec:
    return AgentSpec(
        "crowd",
        tuple(
            ActorSpec(f"a{i}", "null", json.dumps({"hears": "news", "next": None if i else "to.x"}))
            for i in range(size)
        ),
    )


async def measure(name: str, spec: AgentSpec, go: Callable[[Colony, Scope, Ear], Awaitable[None]]) -> dict[str, object]:
    ear = Ear()
    lags: list[float] = []

    async def tick() -> None:
        due = time.perf_counter()
        while True:
            due += 0.001
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            now = time.perf_counter()
            lags.append(now - due)
            due = max(due, now - 0.001)

    bounds = Bounds(actors_per_agent=10_000)
    colony = Colony(
        shards=[InProcessShard(NullGuests)],
        capabilities={},
        observer=ear,
        clock=SystemClock(),
        source=random.Random(1),
        bounds=bounds,
    )
    async with colony:
        begun = time.perf_counter()
        scope = await colony.spawn(spec, run=RunId("benchmark000"))
        made = time.perf_counter() - begun
        before = colony.statistics()
        ticking = asyncio.create_task(tick())
        wall, cpu, loop = time.perf_counter(), time.process_time(), time.thread_time()
        await go(colony, scope, ear)
        wall, cpu, loop = time.perf_counter() - wall, time.process_time() - cpu, time.thread_time() - loop
        ticking.cancel()
        after = colony.statistics()
    steps = after.steps - before.steps
    lags.sort()
    return {
        "case": name,
        "actors": len(spec.actors),
        "steps": steps,
        "wall_s": round(wall, 3),
        "steps_per_s": round(steps / wall),
        "deliveries_per_s": round((after.deliveries - before.deliveries) / wall),
        "loop_us_per_step": round(loop / steps * 1e6, 1),
        "cpu_us_per_step": round(cpu / steps * 1e6, 1),
        "spawn_us_per_actor": round(made / len(spec.actors) * 1e6, 1),
        "lag_p50_ms": round(lags[len(lags) // 2] * 1e3, 2) if lags else None,
        "lag_p99_ms": round(lags[int(len(lags) * 0.99)] * 1e3, 2) if lags else None,
    }


def tokens(count: int, hops: int, size: int) -> Callable[[Colony, Scope, Ear], Awaitable[None]]:
    async def go(colony: Colony, scope: Scope, ear: Ear) -> None:
        ear.wanted = count
        for i in range(count):
            colony.send(scope, f"to.{i * size // count}", str(hops // count))
        await ear.all.wait()

    return go


def news(times: int) -> Callable[[Colony, Scope, Ear], Awaitable[None]]:
    async def go(colony: Colony, scope: Scope, ear: Ear) -> None:
        ear.wanted = times
        for _ in range(times):
            colony.send(scope, "news", "0")
            await asyncio.sleep(0)
        await ear.all.wait()

    return go


async def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    hops = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    rows = [
        await measure("one token in a ring of 2", ring(2), tokens(1, hops // 10, 2)),
        await measure("64 tokens in a ring", ring(size), tokens(64, hops, size)),
        await measure("a token per actor", ring(size), tokens(size, hops, size)),
        await measure("news for all", crowd(size), news(max(1, hops // size))),
    ]
    assert threading.active_count() == 1
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
