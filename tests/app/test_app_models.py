"""Whole runs against a model server on loopback: cancelling, failing, streaming."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from ledger import requirement
from support.fake_openai import FakeOpenAI, Reply, cut, fail, garbage, hang, say
from support.fronts import of_kind
from support.projects import project
from vespiary.app.disk import DiskEditor
from vespiary.app.workspace import Workspace
from vespiary.model.runs import Outcome, RunInfo, Task
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


async def outcome(root: Path, prompt: str = "Talk") -> tuple[RunInfo, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    async with Workspace.open(root, DiskEditor(root)) as workspace:
        workspace.runs.listen(lambda event: events.append(event_to_wire(event)))
        return await workspace.runs.finished(workspace.runs.start(Task(prompt))), events


@requirement("app:model-trouble")
async def test_a_busy_a_failing_and_a_cut_reply_are_survived_and_told(tmp_path: Path) -> None:
    replies = [fail(429, "slow down", retry_after=0), fail(500), cut("Half of it", split=7), say("All of it.")]
    async with FakeOpenAI(replies) as server:
        info, events = await outcome(served(tmp_path, server))

    assert (info.outcome, info.text, server.calls) == (Outcome.DONE, "All of it.", 4)
    states = [event["state"] for event in of_kind(events, "status")]
    assert states.count("retrying") + states.count("restarted") == 3
    assert info.usage.calls == 1


@requirement("app:model-trouble")
@pytest.mark.parametrize(
    ("reply", "word"),
    [(garbage(), "base_url"), (fail(401, "bad key"), "at 127.0.0.1:"), (fail(404, "no such model"), "no such model")],
    ids=["garbage", "401", "404"],
)
async def test_what_cannot_be_survived_is_said_clearly(reply: Reply, word: str, tmp_path: Path) -> None:
    async with FakeOpenAI(lambda _: reply) as server:
        info, _ = await outcome(served(tmp_path, server))

    assert info.outcome is Outcome.FAILED
    assert info.problem is not None
    assert word in f"{info.problem.message} {info.problem.hint}"
    assert info.problem.hint


@requirement("app:model-trouble")
async def test_tool_calls_split_into_many_chunks_arrive_whole_and_in_order(tmp_path: Path) -> None:
    both = Reply(
        tool_calls=[("read_file", {"path": "a.txt"}), ("read_file", {"path": "b.txt"})],
        pieces=1,
        split=3,
        text="Reading.",
    )
    async with FakeOpenAI([both, say("Read.")]) as server:
        root = served(tmp_path, server, **{"a.txt": "alpha\n", "b.txt": "beta\n"})
        info, _ = await outcome(root)

    results = [message["content"] for message in server.requests[1].messages if message["role"] == "tool"]
    assert info.outcome is Outcome.DONE
    assert ["alpha" in results[0], "beta" in results[1]] == [True, True]
