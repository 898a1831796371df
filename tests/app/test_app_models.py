"""Whole runs against a model server on loopback: cancelling, failing, streaming."""

from pathlib import Path

import anyio
import pytest
from ledger import requirement
from support.fake_openai import FakeOpenAI, hang, say
from support.fronts import of_kind
from support.projects import project
from vespiary.app.disk import DiskEditor
from vespiary.app.workspace import Workspace
from vespiary.model.runs import Outcome, Task
from vespiary.model.wire import event_to_wire

pytestmark = pytest.mark.anyio


def served(root: Path, server: FakeOpenAI, **files: str) -> Path:
    model = f'provider = "openai"\nmodel = "fake"\nbase_url = "{server.base_url}"'
    return project(root, files, model=model)


@requirement("app:cancel")
async def test_cancelling_a_run_closes_the_model_s_connection_within_a_second(tmp_path: Path) -> None:
    async with FakeOpenAI([hang()]) as server:
        root = served(tmp_path, server)
        async with Workspace.open(root, DiskEditor(root)) as workspace:
            streaming = anyio.Event()
            workspace.runs.listen(lambda event: streaming.set() if event.body.kind == "text.delta" else None)
            run = workspace.runs.start(Task("Talk for ever"))
            with anyio.fail_after(60):
                await streaming.wait()

            with anyio.fail_after(1):
                assert workspace.runs.cancel(run)
                await server.until(lambda seen: seen.disconnects == 1)
                info = await workspace.runs.finished(run)

    assert info.outcome is Outcome.CANCELLED
    assert not workspace.runs.cancel(run)


@requirement("app:cancel")
async def test_leaving_the_workspace_ends_its_runs(tmp_path: Path) -> None:
    async with FakeOpenAI([hang()]) as server:
        root = served(tmp_path, server)
        kinds: list[str] = []
        async with Workspace.open(root, DiskEditor(root)) as workspace:
            streaming = anyio.Event()
            workspace.runs.listen(lambda event: kinds.append(event.body.kind))
            workspace.runs.listen(lambda event: streaming.set() if event.body.kind == "text.delta" else None)
            workspace.runs.start(Task("Talk for ever"))
            with anyio.fail_after(60):
                await streaming.wait()
        with anyio.fail_after(1):
            await server.until(lambda seen: seen.disconnects == 1)

    assert kinds[-1] == "run.finished"


@requirement("app:events-numbered")
async def test_the_streamed_text_joins_to_the_answer(tmp_path: Path) -> None:
    async with FakeOpenAI([say("A rather long answer, in many pieces.", pieces=3)]) as server:
        root = served(tmp_path, server)
        events: list[dict[str, object]] = []
        async with Workspace.open(root, DiskEditor(root)) as workspace:
            workspace.runs.listen(lambda event: events.append(event_to_wire(event)))
            info = await workspace.runs.finished(workspace.runs.start(Task("Talk")))

    deltas = [event["text"] for event in of_kind(events, "text.delta")]
    assert "".join(map(str, deltas)) == info.text == "A rather long answer, in many pieces."
    assert (info.usage.input_tokens, info.usage.output_tokens, info.usage.calls) == (11, 7, 1)
