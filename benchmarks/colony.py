"""Many agents in one process, each making three model calls against a server on loopback with latency.

    python benchmarks/colony.py [--agents 200] [--latency-ms 50] [--sync off|normal|full] [--workers 0]

The model server is a process of its own, so that its work is not counted. Reported: wall time, CPU time of the process, and
private memory per agent, beside the time that an ideal client would need. The figures are of the machine that it runs on: compare
them with one another.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from vespiary.app.workspace import Workspace
    from vespiary.model.runs import RunInfo

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

SERVER = """
import sys
from support.fake_openai import FakeOpenAI, call, say

def answer(asked):
    turns = sum(message["role"] == "assistant" for message in asked.messages)
    return call("list_files", {"path": "."}) if turns < 2 else say("Done. " * 20)

with FakeOpenAI(answer, latency=float(sys.argv[1])) as server:
    print(server.base_url, flush=True)
    sys.stdin.read()
"""


def workers() -> list[str]:
    """The processes of this one, where the system tells."""
    return [
        pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text(encoding="ascii").split()
    ]


def private_bytes() -> int:
    """Memory that belongs to this process and its workers alone; 0 where the system does not tell."""
    try:
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8") for pid in ("self", *workers())]
    except OSError:
        return 0
    lines = [line for text in texts for line in text.splitlines()]
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Dirty", "Private_Clean")))


def cpu_seconds() -> float:
    """Processor time of this process and its workers."""
    ticks = 0
    for pid in workers():
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / (os.sysconf("SC_CLK_TCK") if ticks else 1)


async def measure(root: Path, agents: int) -> tuple[float, float, int, list[float]]:
    from vespiary.app.disk import DiskEditor
    from vespiary.app.workspace import Workspace
    from vespiary.model.runs import Task

    async with Workspace.open(root, DiskEditor(root)) as workspace:
        # One run first: what is loaded once is not a matter of how many agents there are.
        await workspace.runs.finished(workspace.runs.start(Task("Warm up")))
        cpu, wall = cpu_seconds(), time.perf_counter()
        infos = await run_all(workspace, agents)
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
        # Looking at the memory costs time, so that is a round of its own.
        before, peak, done = private_bytes(), 0, anyio.Event()

        async def watch() -> None:
            nonlocal peak
            while not done.is_set():
                peak = max(peak, await anyio.to_thread.run_sync(private_bytes))
                with anyio.move_on_after(0.5):
                    await done.wait()

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            await run_all(workspace, agents)
            done.set()
        return wall, cpu, max(0, peak - before), [(info.finished or 0) - info.started for info in infos]


async def run_all(workspace: "Workspace", agents: int) -> "list[RunInfo]":
    from vespiary.model.runs import Outcome, Task

    runs = [workspace.runs.start(Task(f"Task {number}")) for number in range(agents)]
    infos = [await workspace.runs.finished(run) for run in runs]
    wrong = [info for info in infos if info.outcome is not Outcome.DONE or info.usage.calls != 3]
    if wrong:
        raise SystemExit(f"{len(wrong)} of {agents} runs went wrong, for example {wrong[0]}")
    return infos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--sync", choices=("off", "normal", "full"), default="full", help="of the journal")
    parser.add_argument("--workers", type=int, default=0, help="worker processes; their CPU time counts")
    options = parser.parse_args()
    latency = options.latency_ms / 1000
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(latency)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        )
        assert server.stdout is not None
        assert server.stdin is not None
        url = server.stdout.readline().strip()
        root = Path(folder).resolve()
        (root / "vespiary.toml").write_text(
            f'[models.default]\nprovider = "openai"\nmodel = "fake"\nbase_url = "{url}"\nmax_concurrency = {options.agents}\n'
            + (f'[journal]\nsync = "{options.sync}"\n' if options.sync != "off" else "[journal]\nenabled = false\n")
            + f"[workers]\ncount = {options.workers}\n",
            encoding="utf-8",
        )
        try:
            wall, cpu, memory, times = anyio.run(measure, root, options.agents)
        finally:
            server.stdin.close()
            server.wait()
    ideal = 3 * latency
    print(
        f"agents                  {options.agents} (each {3} model calls, {options.latency_ms:.0f} ms latency, 2 tool calls)"
    )
    print(f"wall time               {wall:.2f} s ({wall / ideal:.1f} x the ideal {ideal:.2f} s)")
    print(f"CPU time                {cpu:.2f} s ({cpu / options.agents * 1000:.1f} ms an agent)")
    print(f"private memory          {memory / options.agents / 2**20:.2f} MiB an agent at the peak")
    print(f"time of a run           {statistics.median(times):.2f} s (median), {max(times):.2f} s (longest)")


if __name__ == "__main__":
    main()
