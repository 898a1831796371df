"""What it costs to make a run again from its journal, and an actor's instance.

    python benchmarks/recovery.py [--agents 1000] [--messages 10 100] [--inputs 100]

`fold`: a run of so many agents of one actor each, of which each has consumed so many messages, is read from its journal and folded:
no guest runs. Its instances are made again one by one, when they next have something to do. `rebuild`: that, for an assistant which
has had so many inputs (half of them answers of a model), with a journal and no snapshot, and for a light actor of Python beside it.
Prints JSON.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from journal_steps import RUN, Deaf, Null, light
from vespiary.journal.records import RunRecord
from vespiary.journal.store import JournalStore
from vespiary.model.agents import AgentSpec
from vespiary.model.ids import HOST_ACTOR, RunId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import ActorSpec, Caller
from vespiary.runtime.clock import SystemClock
from vespiary.runtime.colony import Colony
from vespiary.runtime.inprocess import InProcessShard
from vespiary.runtime.shard import Shard


class Counting(Deaf):
    """Counts the messages that actors send, and tells when there were enough."""

    def __init__(self) -> None:
        self.sent = 0
        self.wanted = 0
        self.enough = asyncio.Event()

    def message(self, run: RunId, published_in: Scope, envelope: Envelope) -> None:
        if envelope.sender != HOST_ACTOR and envelope.type in ("token.x", "vespiary.agent.done"):
            self.sent += 1
            if self.sent >= self.wanted:
                self.enough.set()

    async def until(self, more: int) -> None:
        """Wait for so many more."""
        self.wanted, self.enough = self.sent + more, asyncio.Event()
        await self.enough.wait()


class Model:
    """Answers each request at once."""

    async def __call__(self, caller: Caller, payload: str) -> str:
        message = {"role": "assistant", "content": "Done. " * 20}
        usage = {"input_tokens": 1, "output_tokens": 1}
        return json.dumps({"message": message, "finish": "stop", "usage": usage, "model": "m"})

    def repeatable(self, payload: str) -> bool:
        return True


def colony(shards: Sequence[Shard], store: JournalStore, ear: Counting) -> Colony:
    """A colony that keeps all that happens."""
    return Colony(
        shards=shards,
        capabilities={"llm": Model()},
        observer=ear,
        clock=SystemClock(),
        source=random.Random(1),
        journal=store,
    )


def opened(folder: str) -> JournalStore:
    return JournalStore.open(Path(folder), key=bytes(32), sync="normal")


async def fold(agents: int, messages: int) -> dict[str, Any]:
    """Times of reading and folding."""
    null = ActorSpec("ping", "null", json.dumps(["go.*", "token.x"]))
    with tempfile.TemporaryDirectory() as folder, opened(folder) as store:
        await store.begin(RunRecord(RUN))
        ear = Counting()
        async with colony([InProcessShard(Null)], store, ear) as first:
            root = await first.spawn(AgentSpec("a", (null,)), run=RUN)
            scopes = [await first.spawn(AgentSpec("a", (null,)), run=RUN, parent=root) for _ in range(agents - 1)]
            for _ in range(messages):
                for scope in (root, *scopes):
                    first.send(scope, "go.on", '{"hop":0}')
                await ear.until(agents)
        begin = time.perf_counter()
        entries = list(store.entries(RUN))
        read = time.perf_counter() - begin
        async with colony([InProcessShard(Null)], store, Counting()) as second:
            begin, cpu = time.perf_counter(), time.thread_time()
            await second.recover(RUN, entries, lambda kind, data: None)
            taken, cpu = time.perf_counter() - begin, time.thread_time() - cpu
    return {
        "agents": agents,
        "messages_each": messages,
        "entries": len(entries),
        "read_ms": round(read * 1e3),
        "fold_ms": round(taken * 1e3),
        "fold_cpu_us_an_entry": round(cpu / len(entries) * 1e6, 1),
    }


async def rebuild(kind: str, inputs: int) -> dict[str, Any]:
    """From the resumption to the next output of an actor, without what loading the component takes."""
    from vespiary.wasm.components import ComponentStore
    from vespiary.wasm.guests import WasmGuests

    components = ComponentStore(lambda text: None)
    components.load("python")
    if kind == "assistant":
        config = json.dumps({"name": "assistant", "config": {}, "code": {"preloaded": "assistant"}})
        spec, message = ActorSpec("assistant", "python", config), "vespiary.agent.message"
        payload, rounds = json.dumps({"role": "user", "text": "Please go on. " * 10}), inputs // 2
    else:
        spec, message, payload, rounds = light("go", "x"), "token.go", '{"hop":0}', inputs
    with tempfile.TemporaryDirectory() as folder, opened(folder) as store:
        await store.begin(RunRecord(RUN))
        ear = Counting()
        async with colony([InProcessShard(lambda: WasmGuests(components))], store, ear) as first:
            root = await first.spawn(AgentSpec("a", (spec,)), run=RUN)
            begin = time.perf_counter()
            for _ in range(rounds):
                first.send(root, message, payload)
                await ear.until(1)
            lived = time.perf_counter() - begin
        ear = Counting()
        async with colony([InProcessShard(lambda: WasmGuests(components))], store, ear) as second:
            await second.recover(RUN, list(store.entries(RUN)), lambda kind, data: None)
            second.resume(RUN)
            begin = time.perf_counter()
            second.send(root, message, payload)
            await ear.until(1)
            taken = time.perf_counter() - begin
            begin = time.perf_counter()
            second.send(root, message, payload)
            await ear.until(1)
            once = time.perf_counter() - begin
    return {
        "actor": kind,
        "inputs": inputs,
        "lived_ms": round(lived * 1e3),
        "rebuild_ms": round((taken - once) * 1e3, 1),
        "one_input_ms": round(once * 1e3, 1),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--messages", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--inputs", type=int, default=100)
    options = parser.parse_args()
    figures: dict[str, Any] = {
        "fold": [await fold(options.agents, messages) for messages in options.messages],
        "rebuild": [await rebuild(kind, options.inputs) for kind in ("light", "assistant")],
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
