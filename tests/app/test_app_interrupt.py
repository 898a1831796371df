"""A person cancels a run: its agent stops by itself, and within a second in any case."""

import os
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from ledger import requirement
from support.fake_openai import FakeOpenAI, hang
from support.processes import STUBBORN, gone, pids
from support.projects import project, reply
from vespiary.app.disk import DiskEditor
from vespiary.app.steward import Steward
from vespiary.app.workspace import Workspace
from vespiary.model.errors import RequestRefused
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.runs import Outcome, Task
from vespiary.model.steps import Caller
from vespiary.model.wire import event_to_wire

pytestmark = pytest.mark.anyio


async def cancelled(root: Path, kind: str, *, trusted: bool = False) -> list[dict[str, Any]]:
    """The events of a run that is cancelled as soon as the first of that kind was told."""
    events: list[dict[str, Any]] = []
    async with Workspace.open(root, DiskEditor(root), trusted=trusted) as workspace:
        begun = anyio.Event()
        workspace.runs.listen(lambda event: events.append(event_to_wire(event)))
        workspace.runs.listen(lambda event: begun.set() if event.body.kind == kind else None)
        run = workspace.runs.start(Task("Go"))
        with anyio.fail_after(60):
            await begun.wait()
            if kind == "tool":
                await pids(root)
        with anyio.fail_after(1):
            workspace.runs.cancel(run)
            info = await workspace.runs.finished(run)
    assert info.outcome is Outcome.CANCELLED
    assert info.problem is not None
    assert info.problem.code == "run.cancelled"
    return events


@requirement("app:cancel", "app:interrupt")
async def test_an_agent_that_waits_for_its_model_stops_by_itself(tmp_path: Path) -> None:
    async with FakeOpenAI([hang()]) as server:
        model = f'provider = "openai"\nmodel = "fake"\nbase_url = "{server.base_url}"'
        events = await cancelled(project(tmp_path, {}, model=model), "text.delta")
        with anyio.fail_after(1):
            await server.until(lambda seen: seen.disconnects == 1)
    assert [event["state"] for event in events if event["kind"] == "status"][-1] == "done"


@requirement("app:cancel", "app:interrupt")
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
async def test_an_agent_whose_command_ignores_signals_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN, encoding="utf-8")
    root = project(
        tmp_path,
        {},
        reply("", ("execute_bash", {"command": "python3 stubborn.py"})),
        agent='actors = ["assistant", "shell"]\n[agents.coder.grants]\ncommand = "allow"',
    )
    events = await cancelled(root, "tool", trusted=True)
    for pid in await pids(root):
        await gone(pid)
    ends = [event for event in events if event["kind"] == "tool" and event["state"] == "failed"]
    assert len(ends) >= 1
    assert "interrupted by the user" in str(ends)


class _Colony:
    """Where no scope lives."""

    def run_of(self, scope: Scope) -> RunId | None:
        return RunId("abcdefghijkl") if scope == "zZ9y8x" else None

    def descendants(self, scope: Scope) -> list[Scope]:
        return []


@requirement("workspace:agents")
async def test_only_a_child_that_is_gone_is_taken_for_ended_before_a_crash() -> None:
    colony: Any = _Colony()
    steward = Steward(lambda run: None, lambda: colony, time.time_ns)

    def caller(again: bool) -> Caller:
        return Caller(RunId("abcdefghijkl"), Scope("a1B2c3"), "coder", ActorId("a1B2c3/boss"), 1, again=again)

    await steward.stop(caller(again=True), Scope("gone00"))
    for scope, again in (("gone00", False), ("zZ9y8x", True)):
        with pytest.raises(RequestRefused, match="not an agent below"):
            await steward.stop(caller(again=again), Scope(scope))
