"""Worker processes behind the language server: what they cost it, what their deaths do, and that none is left behind."""

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest
from ledger import requirement
from support.fake_openai import Asked, FakeOpenAI, Reply
from support.processes import gone
from support.serving import AFTERWARDS, TURNS, RealServer, linux_only, loaded, texts, turn, turns, workers, workspace
from vespiary.fronts.lsp.main import MOST_WORKERS, default_workers

pytestmark = [linux_only, pytest.mark.anyio]

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def plain(asked: Asked) -> Reply:
    return TURNS[turn(asked)]


@requirement("lsp:workers")
def test_the_number_of_workers_leaves_a_processor_and_is_never_none() -> None:
    assert [default_workers(count) for count in (1, 2, 3, 5, 64)] == [1, 1, 2, 4, MOST_WORKERS]


@requirement("lsp:workers")
def test_a_server_that_has_done_a_run_never_loaded_the_sandbox(root: Path) -> None:
    with FakeOpenAI(plain) as model:
        workspace(root, model)
        with RealServer(root) as server:
            assert server.finished(server.begin("Do it all."))["outcome"] == "done"
            (worker,) = server.workers()
            assert "wasmtime" not in loaded(server.process.pid)
            assert "wasmtime" in loaded(worker)
            assert server.shutdown() == 0


@requirement("lsp:workers")
def test_the_configuration_decides_how_many_workers_there_are(root: Path) -> None:
    with FakeOpenAI(plain) as model:
        workspace(root, model, more="[workers]\ncount = 0")
        with RealServer(root) as server:
            assert server.finished(server.begin("Do it all."))["outcome"] == "done"
            assert server.workers() == []
            assert "wasmtime" in loaded(server.process.pid)


@requirement("lsp:worker-killed")
@pytest.mark.parametrize("number", [0, 1, 3])
async def test_a_worker_that_is_killed_in_the_middle_of_a_run_is_only_a_delay(root: Path, number: int) -> None:
    killed: list[int] = []

    def answer(asked: Asked) -> Reply:
        if turn(asked) == number and not killed:
            (worker,) = workers(server.process.pid)
            killed.append(worker)
            os.kill(worker, KILL)
        return TURNS[turn(asked)]

    with FakeOpenAI(answer, latency=0.05) as model:
        workspace(root, model)
        with RealServer(root) as server:
            run = server.begin("Do it all.")
            end = await anyio.to_thread.run_sync(server.finished, run)
            assert (end["outcome"], end["text"]) == ("done", "All is done.")
            assert turns(model) == [0, 1, 2, 3]
            assert len(killed) == 1
            assert server.workers() not in ([], killed)
            assert server.shutdown() == 0
    assert texts(root) == AFTERWARDS


@requirement("lsp:worker-killed")
async def test_workers_that_are_killed_during_tool_rounds_lose_nothing(root: Path) -> None:
    kills: list[int] = []
    with FakeOpenAI(plain) as model:
        workspace(root, model)
        with RealServer(root) as server:
            run = server.begin("Do it all.")

            def kill(message: Any) -> bool:
                event = message.get("params", {})
                if event.get("kind") == "tool" and event.get("state") == "called" and event["seq"] not in kills:
                    kills.append(event["seq"])
                    for worker in workers(server.process.pid):
                        os.kill(worker, KILL)
                return event.get("kind") == "run.finished"

            end = (await anyio.to_thread.run_sync(server.wait, kill))["params"]
            assert (end["runId"], end["outcome"], len(kills)) == (run, "done", 4)
            assert turns(model) == [0, 1, 2, 3]
    assert texts(root) == AFTERWARDS


@requirement("lsp:no-worker-left")
@pytest.mark.parametrize("way", ["shutdown", "exit", "end of input", "SIGTERM", "SIGKILL"])
async def test_however_the_server_ends_no_worker_is_left(root: Path, way: str) -> None:
    with FakeOpenAI(lambda asked: Reply(text="Let me think", then="hang")) as model:
        workspace(root, model)
        with RealServer(root) as server:
            server.begin("Do it all.")
            await model.until(lambda model: model.calls == 1, 60)
            (worker,) = server.workers()
            match way:
                case "shutdown":
                    assert server.shutdown() == 0
                case "exit":
                    server.notify("exit")
                case "end of input":
                    assert server.process.stdin is not None
                    server.process.stdin.close()
                case "SIGTERM":
                    server.process.terminate()
                case _:
                    server.kill()
            server.process.wait(30)
            await gone(worker)
