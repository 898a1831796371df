"""The three ways to give a task to an agent, behind one face, so that a behaviour is written once and tried everywhere."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import anyio

Events = list[dict[str, Any]]


class Front(Protocol):
    async def run(self, root: Path, prompt: str, mode: str = "apply") -> Events:
        """Every event of one run, as JSON data, the last one being `run.finished`."""
        ...


class InProcess:
    """The app itself, with the disk as its editor."""

    async def run(self, root: Path, prompt: str, mode: str = "apply") -> Events:
        from vespiary.app.disk import DiskEditor
        from vespiary.app.workspace import Workspace
        from vespiary.model.runs import Mode, Task
        from vespiary.model.wire import event_to_wire

        events: Events = []
        async with Workspace.open(root, DiskEditor(root), trusted=True) as workspace:
            workspace.runs.listen(lambda event: events.append(event_to_wire(event)))
            await workspace.runs.finished(workspace.runs.start(Task(prompt, mode=Mode(mode))))
        return json.loads(json.dumps(events))


class Stdio:
    """The language server as a process, driven by the Python client."""

    async def run(self, root: Path, prompt: str, mode: str = "apply") -> Events:
        from vespiary.client import Client
        from vespiary.model.runs import Mode
        from vespiary.model.wire import event_to_wire

        async with Client.launch(root, trusted=True) as client:
            run = await client.start(prompt, mode=Mode(mode))
            return json.loads(json.dumps([event_to_wire(event) async for event in run]))


class Headless:
    """`vespiary run --json` as a process."""

    async def run(self, root: Path, prompt: str, mode: str = "apply") -> Events:
        command = [
            sys.executable,
            "-m",
            "vespiary",
            "run",
            "--json",
            "--trust",
            "--mode",
            mode,
            "-C",
            str(root),
            prompt,
        ]
        done = await anyio.run_process(command, check=False, stdin=subprocess.DEVNULL)
        assert done.stdout, done.stderr.decode()
        return [json.loads(line) for line in done.stdout.splitlines()]


FRONTS: dict[str, Front] = {"in process": InProcess(), "over stdio": Stdio(), "headless": Headless()}


def of_kind(events: Events, kind: str) -> Events:
    """The events of one kind."""
    return [event for event in events if event["kind"] == kind]


def shape(events: Events) -> Events:
    """The events without what differs from run to run: ids, times, and how a text was cut into deltas."""
    kept: Events = []
    for event in events:
        plain = {k: v for k, v in event.items() if k not in ("runId", "seq", "time", "scope", "call")}
        if plain["kind"] == "text.delta" and kept and kept[-1]["kind"] == "text.delta":
            kept[-1]["text"] += plain["text"]
        else:
            kept.append(plain)
    return kept
