"""How soon `vespiary serve` answers while actors work as hard as they can: actors in its own process, and in worker processes.

    python benchmarks/responsiveness.py [--seconds 4] [--rounds 3] [--load tokens|burn|idle]

A server of its own for each case; cases take turns. Sixteen runs of four actors each are started through the protocol: with
`tokens`, each run has four tokens that go round for ever; with `burn`, actors compute for 20 ms for each message. Then a client
asks for one run, again and again with 2 ms between, and takes the time until the answer. `steps_per_s` comes from the growth of the
journal. Milliseconds; medians of the rounds, `max` is the worst of all.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from language_server import Client

RUNS = 16
ACTORS = 4
AIM_MS = 5.0
ACTOR = """
from vespiary_sdk import Actor, messaging, on

class Busy(Actor):
    @on("vespiary.agent.message")
    async def begin(self, message):
        messaging.send("token.{number}", {{"hop": 0}})

    @on("token.{number}")
    async def pass_on(self, message):
        for _ in range({turns}):
            pass
        messaging.send("token.{following}", {{"hop": message.payload["hop"] + 1}})
"""
TURNS = {"tokens": 0, "burn": 200_000, "idle": 0}
CONFIG = """
default_agent = "busy"
[models.default]
provider = "scripted"
script = "replies.toml"
[agents.busy]
actors = [{actors}]
[journal]
sync = "{sync}"
[workers]
count = {workers}
"""


def make(folder: Path, load: str, workers: int, sync: str) -> None:
    """A workspace whose agent never comes to an end."""
    for number in range(ACTORS):
        text = ACTOR.format(number=number, following=(number + 1) % ACTORS, turns=TURNS[load])
        (folder / f"busy{number}.py").write_text(text, encoding="utf-8")
    actors = ", ".join(f'"busy{number}.py"' for number in range(ACTORS))
    (folder / "replies.toml").write_text('[[reply]]\ntext = "no"\n', encoding="utf-8")
    (folder / "vespiary.toml").write_text(CONFIG.format(actors=actors, workers=workers, sync=sync), encoding="utf-8")


def entries(folder: Path) -> int:
    """Entries of the journal."""
    file = folder / ".vespiary" / "journal.db"
    if not file.exists():
        return 0
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT coalesce(sum(count), 0) FROM frames").fetchone()[0]
    finally:
        connection.close()


def measure(load: str, workers: int, seconds: float, sync: str) -> dict[str, Any]:
    """One case, once: quantiles of the latency."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        make(folder, load, workers, sync)
        client = Client("vespiary", str(folder))
        client.initialize(trusted=True)
        try:
            runs = [client.call("vespiary/run/start", {"prompt": "go"})["runId"] for _ in range(RUNS)]
            if load == "idle":
                for run in runs:
                    client.call("vespiary/run/cancel", {"runId": run})
                time.sleep(5)  # what the first run loaded, and what ends by and by
            until = time.monotonic() + 60
            while load != "idle" and entries(folder) < RUNS * ACTORS * 10:  # all are at work then
                client.call("vespiary/run/get", {"runId": runs[0]})
                if time.monotonic() > until:
                    raise SystemExit(f"{load}, {workers} workers: only {entries(folder)} entries after a minute")
                time.sleep(0.2)
            times: list[float] = []
            written, begin = entries(folder), time.perf_counter()
            while (now := time.perf_counter()) - begin < seconds:
                client.call("vespiary/run/get", {"runId": runs[0]})
                times.append((time.perf_counter() - now) * 1e3)
                time.sleep(0.002)
            steps = (entries(folder) - written) / (time.perf_counter() - begin)
        finally:
            client.stop(kill=True)
    times.sort()
    return {
        "p50": times[len(times) // 2],
        "p99": times[int(len(times) * 0.99)],
        "max": times[-1],
        "steps_per_s": steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--load", choices=tuple(TURNS), action="append")
    parser.add_argument("--sync", choices=("full", "normal"), default="full")
    options = parser.parse_args()
    cases = [(load, workers) for load in options.load or TURNS for workers in ((0,) if load == "idle" else (0, 1, 2))]
    rows: dict[tuple[str, int], list[dict[str, Any]]] = {case: [] for case in cases}
    for _ in range(options.rounds):
        for load, workers in cases:
            rows[load, workers].append(measure(load, workers, options.seconds, options.sync))
    print(f"{'load':>8} {'workers':>8} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'steps/s':>8}")
    for (load, workers), found in rows.items():
        p50, p99, steps = (statistics.median(row[key] for row in found) for key in ("p50", "p99", "steps_per_s"))
        worst = max(row["max"] for row in found)
        note = "" if workers == 0 or p99 <= AIM_MS else f"  above {AIM_MS:g} ms"
        print(f"{load:>8} {workers:>8} {p50:>8.2f} {p99:>8.2f} {worst:>8.1f} {steps:>8.0f}{note}")


if __name__ == "__main__":
    main()
