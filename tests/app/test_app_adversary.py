"""Whole runs against a model, a repository or an actor that means no good."""

import json
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from ledger import requirement
from support.fake_openai import Asked, FakeOpenAI, Reply, say
from support.fronts import InProcess, of_kind
from support.projects import project, reply
from vespiary.app.disk import DiskEditor
from vespiary.app.workspace import Workspace
from vespiary.model.runs import Outcome, Task
from vespiary.wasm.components import ComponentStore

pytestmark = pytest.mark.anyio


def served(root: Path, server: FakeOpenAI) -> Path:
    return project(root, {}, model=f'provider = "openai"\nmodel = "fake"\nattempts = 1\nbase_url = "{server.base_url}"')


async def run_against(root: Path, *answers: Reply) -> list[dict[str, Any]]:
    async with FakeOpenAI(answers) as server:
        with anyio.fail_after(60):
            return await InProcess().run(served(root, server), "Hello")


NO_ARGUMENTS: dict[str, Any] = {}


def deltas(*texts: str) -> Reply:
    events = [json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}) for text in texts]
    return Reply(
        events=[*events, json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}), "[DONE]"]
    )


@requirement("app:model-without-bounds")
async def test_a_character_that_the_server_cut_in_two_is_whole_again(tmp_path: Path) -> None:
    events = await run_against(tmp_path, deltas("a\ud83d", "\ude00b", "\ud800", "c\udc00"))

    assert events[-1]["text"] == "a\U0001f600b\ufffdc\ufffd"
    assert "".join(event["text"] for event in of_kind(events, "text.delta")) == events[-1]["text"]


@requirement("app:model-without-bounds")
@pytest.mark.parametrize(
    "answer",
    [
        say("x" * 20_000_000, pieces=1_000_000),
        Reply(tool_calls=[("list_files", NO_ARGUMENTS)] * 10_000),
        Reply(tool_calls=[("create_file", {"path": "a", "content": "x" * 20_000_000})], pieces=1_000_000),
    ],
    ids=["text", "calls", "arguments"],
)
async def test_a_reply_beyond_all_measure_is_an_error_and_not_a_hang(answer: Reply, tmp_path: Path) -> None:
    events = await run_against(tmp_path, answer)

    assert events[-1]["outcome"] == "failed"
    assert events[-1]["problem"]["code"] == "provider.too-long"
    assert not (tmp_path / "a").exists()


@requirement("app:silent-agent")
async def test_an_agent_that_never_answers_fails_its_run(tmp_path: Path) -> None:
    root = project(tmp_path, {"mute.py": MUTE}, agent='actors = ["mute.py"]')

    with anyio.fail_after(60):
        events = await InProcess().run(root, "Hello")

    assert events[-1]["problem"]["code"] == "agent.silent"
    assert "ValueError: no words" in events[-1]["problem"]["message"]


@requirement("app:silent-agent")
async def test_an_agent_that_waits_for_something_is_not_silent(tmp_path: Path) -> None:
    async with FakeOpenAI([say("At last.", latency=1.6)]) as server:
        events = await InProcess().run(served(tmp_path, server), "Hello")
    assert events[-1]["text"] == "At last."


@requirement("app:cancel")
async def test_a_run_that_waits_for_the_compiler_is_cancelled_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(tmp_path, {}, reply("Hello.", turn=1))
    compiling, compiled = threading.Event(), threading.Event()
    load = ComponentStore.load

    def slowly(store: ComponentStore, name: str) -> Any:
        compiling.set()
        assert compiled.wait(60)
        return load(store, name)

    monkeypatch.setattr(ComponentStore, "load", slowly)
    async with Workspace.open(root, DiskEditor(root)) as workspace:
        first, second = workspace.runs.start(Task("Hello")), workspace.runs.start(Task("Hello"))
        await anyio.to_thread.run_sync(compiling.wait, 60)
        with anyio.fail_after(1):
            workspace.runs.cancel(first)
            assert (await workspace.runs.finished(first)).outcome is Outcome.CANCELLED
        compiled.set()
        # The one that goes on waiting gets what was compiled.
        with anyio.fail_after(60):
            assert (await workspace.runs.finished(second)).outcome is Outcome.DONE


MUTE = """
from vespiary_sdk import Actor, on


class Mute(Actor):
    @on("vespiary.agent.message")
    def hear(self, message):
        raise ValueError("no words")
"""

SPAWNER = """
from vespiary_sdk import Actor, agents, on, workspace, messaging


class Spawner(Actor):
    @on("vespiary.agent.message")
    async def hear(self, message):
        found = await workspace.read("child.py")
        await workspace.write("child.py", found.hash, found.text.replace("as it was", "as it became"))
        await agents.spawn("child")

    @on("child.said", extent="subtree")
    def done(self, message):
        messaging.send("vespiary.agent.done", {"outcome": "done", "text": message.payload})
"""

CHILD = """
from vespiary_sdk import Actor, on, messaging


class Child(Actor):
    @on("vespiary.agent.ready")
    def ready(self, message):
        messaging.send("child.said", "as it was")
"""


@requirement("app:fixed-cast")
async def test_an_actor_that_was_rewritten_during_a_run_takes_effect_in_the_next_one(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        {"spawner.py": SPAWNER, "child.py": CHILD},
        agent='actors = ["spawner.py"]\ngrants = { agents = "allow" }\n[agents.child]\nactors = ["child.py"]',
    )
    with anyio.fail_after(60):
        first = await InProcess().run(root, "Hello")
        second = await InProcess().run(root, "Hello")

    assert (first[-1]["text"], second[-1]["text"]) == ("as it was", "as it became"), first[-1]


@requirement("app:model-without-bounds")
async def test_a_model_that_calls_for_ever_is_stopped_at_its_rounds(tmp_path: Path) -> None:
    def again(_: Asked) -> Reply:
        return Reply(tool_calls=[("list_files", NO_ARGUMENTS)])

    async with FakeOpenAI(again) as server:
        root = served(tmp_path, server)
        with (root / "vespiary.toml").open("a") as file:
            file.write("max_rounds = 7\n")
        events = await InProcess().run(root, "Hello")
    assert events[-1]["problem"]["code"] == "assistant.rounds"
    assert server.calls == 7
