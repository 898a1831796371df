"""What a guest costs: calls through the lean and the stock layer in one run, instantiation, private memory per actor.

    python benchmarks/guest_calls.py [--calls 2000] [--actors 200]

Times are processor time of this thread, the median of several rounds, both layers in turn so that a busy machine hits both. The
guest is a Python actor that reads 200 bytes of JSON and publishes one message, and a small WebAssembly actor that does the same.
`preloaded` is the built-in actor `files`, whose code is part of the component.
"""

# ruff: noqa: E402 - the path to the tests' helpers comes first

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from support.sandbox import Sandbox
from support.wat import OK, WatActor
from vespiary.model.steps import Limits
from vespiary.wasm.call import StockLayer
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests
from vespiary.wasm.lean import LeanLayer

ROUNDS = 7
SOURCE = """
from vespiary_sdk import Actor, on, messaging
class Echo(Actor):
    @on("test.go")
    async def go(self, message):
        messaging.send("test.done", {"size": len(message.payload["text"])})
"""
PAYLOAD = {"text": "x" * 180}


def tiny() -> WatActor:
    actor = WatActor()
    actor.handle = (
        f"(call $send {actor.text('test.done')} (local.get $payload) (local.get $payload_len) (i32.const 32)) {OK}"
    )
    return actor


def private_kib() -> int | None:
    try:
        text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty:"))


def per_call_us(sandbox: Sandbox, calls: int) -> float:
    start = time.thread_time_ns()
    for _ in range(calls):
        sandbox.deliver(payload=PAYLOAD)
    return (time.thread_time_ns() - start) / calls / 1000


def empty_loop_us(sandbox: Sandbox, calls: int) -> float:
    """What the driver itself costs: a step for an actor that does not exist is all driver and no guest."""
    start = time.thread_time_ns()
    for _ in range(calls):
        sandbox.deliver("nobody", payload=PAYLOAD)
    return (time.thread_time_ns() - start) / calls / 1000


def make(sandbox: Sandbox, kind: str, name: str, tiny_path: str) -> None:
    if kind == "python":
        result = sandbox.python(SOURCE, name)
    elif kind == "preloaded":
        config = {"name": "files", "config": {}, "code": {"preloaded": "files"}}
        result = sandbox.make("python", name, config=json.dumps(config), limits=Limits())
    else:
        result = sandbox.make(tiny_path, name, limits=Limits())
    assert result.failure is None, result.failure
    assert sandbox.deliver(name, payload=PAYLOAD).failure is None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--actors", type=int, default=200)
    options = parser.parse_args()

    figures: dict[str, object] = {"python": platform.python_version(), "machine": platform.machine()}
    with tempfile.TemporaryDirectory() as folder:
        shards: dict[str, Sandbox] = {}
        for name, layer in (("lean", LeanLayer()), ("stock", StockLayer())):
            start = time.perf_counter()
            store = ComponentStore(lambda line: print(line, file=sys.stderr), layer=layer)
            store.load("python")
            figures[f"load_python_{name}_ms"] = round((time.perf_counter() - start) * 1000, 1)
            shards[name] = Sandbox(WasmGuests(store, layer=layer), Path(folder))
        path = shards["lean"].file(tiny(), "tiny")
        for kind in ("tiny", "python"):
            times: dict[str, list[float]] = {"lean": [], "stock": []}
            for sandbox in shards.values():
                make(sandbox, kind, "actor", path)
            for _ in range(ROUNDS):
                for name, sandbox in shards.items():
                    times[name].append(per_call_us(sandbox, options.calls // ROUNDS))
            medians = {name: statistics.median(values) for name, values in times.items()}
            figures[f"{kind}_call_us"] = {name: round(value, 1) for name, value in medians.items()}
            figures[f"{kind}_lean_to_stock"] = round(medians["lean"] / medians["stock"], 2)
        figures["driver_us"] = round(empty_loop_us(shards["lean"], options.calls), 1)
        sandbox = shards["lean"]
        for kind in ("tiny", "preloaded", "python"):
            before, start = private_kib(), time.thread_time_ns()
            for at in range(options.actors):
                make(sandbox, kind, f"{kind}{at}", path)
            figures[f"{kind}_construct_and_first_message_ms"] = round(
                (time.thread_time_ns() - start) / options.actors / 1e6, 2
            )
            after = private_kib()
            if before is not None and after is not None:
                figures[f"{kind}_private_kib_per_actor"] = round((after - before) / options.actors)
            start = time.thread_time_ns()
            for at in range(options.actors):
                sandbox.destroy(f"{kind}{at}")
            figures[f"{kind}_destroy_ms"] = round((time.thread_time_ns() - start) / options.actors / 1e6, 3)
        for shard in shards.values():
            shard.guests.close()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
