"""The Python client against a server process: as a script would use it."""

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from ledger import requirement
from support.rawlsp import FAKE, TESTS
from vespiary import protocol
from vespiary.client import Client, ConnectionClosed, ServerError
from vespiary.client.buffers import EditRefused, changed, plan
from vespiary.client.connection import Connection
from vespiary.client.reading import event_from_wire, from_wire
from vespiary.model.errors import Problem
from vespiary.model.events import EditEvent, EditState, RunEvent, RunFinished, TextDelta
from vespiary.model.ids import RunId
from vespiary.model.runs import FileChanged, Outcome, RunInfo
from vespiary.model.wire import event_to_wire, to_wire

pytestmark = pytest.mark.anyio


def launch(root: Path, *command: str) -> Any:
    return Client.launch(root, command=command or FAKE, env={"PYTHONPATH": str(TESTS)})


def program(*steps: list[str]) -> str:
    return json.dumps(steps)


@requirement("lsp:client")
async def test_a_run_gives_its_events_in_order_and_then_how_it_ended(root: Path) -> None:
    async with launch(root) as client:
        run = await client.start(program(["say", "one"], ["say", "two"]))
        events = [event async for event in run]
        info = await run.finished()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.body.text for event in events if isinstance(event.body, TextDelta)] == ["one", "two"]
    assert isinstance(events[-1].body, RunFinished)
    assert (info.outcome, info.text) == (Outcome.DONE, "one\ntwo")


@requirement("lsp:client")
async def test_agents_and_runs_are_values(root: Path) -> None:
    async with launch(root) as client:
        assert [agent.name for agent in await client.agents()] == ["coder", "reviewer"]
        info = await client.run("hello", agent="reviewer")
        assert info.agent == "reviewer"
        assert await client.list_runs() == (info,)
        assert await client.get(info.run_id) == info


@requirement("lsp:client", "lsp:unsaved-buffer", "lsp:stale-edit")
async def test_the_client_is_an_editor_with_buffers_and_undo(root: Path) -> None:
    async with launch(root) as client:
        buffer = await client.open("a.txt")
        await client.change(buffer, "typed\nworld\n")
        info = await client.run(program(["read", "a.txt"], ["replace", "a.txt", "typed", "TYPED"]))
        assert info.text == "typed\nworld\n\napplied: "
        assert buffer.text == "TYPED\nworld\n"
        assert (root / "a.txt").read_bytes() == b"hello\nworld\n"
        assert await client.undo(buffer)
        assert (await client.run(program(["read", "a.txt"]))).text == "typed\nworld\n"
        await client.save(buffer)
        assert (root / "a.txt").read_bytes() == b"typed\nworld\n"
        await client.close(buffer)
        assert (await client.run(program(["replace", "a.txt", "typed", "saved"]))).text == "applied: "
        assert (root / "a.txt").read_bytes() == b"saved\nworld\n"


@requirement("lsp:client")
async def test_cancelling_a_run_ends_it(root: Path) -> None:
    async with launch(root) as client:
        run = await client.start(program(["hang"]))
        assert await run.cancel()
        assert (await run.finished()).outcome is Outcome.CANCELLED
        assert not await run.cancel()


@requirement("lsp:client")
async def test_cancelling_the_caller_cancels_the_run(root: Path) -> None:
    async with launch(root) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.run, program(["touch", "here"], ["hang"]))
            with anyio.fail_after(20):
                while not await anyio.Path(root / "here").exists():  # noqa: ASYNC110 - another process makes it
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        (info,) = await client.list_runs()
        while (await client.get(info.run_id)).outcome is Outcome.RUNNING:
            await anyio.lowlevel.checkpoint()
        assert (await client.get(info.run_id)).outcome is Outcome.CANCELLED


@requirement("lsp:client")
async def test_what_the_server_refuses_is_an_error_with_a_code_and_a_hint(root: Path) -> None:
    async with launch(root) as client:
        with pytest.raises(ServerError) as caught:
            await client.run("x", agent="nobody")
    error = caught.value
    assert (error.code, error.number, error.hint) == ("agent.unknown", -32602, "Try coder.")
    assert error.message == "There is no agent called 'nobody'."


@requirement("lsp:client")
async def test_an_error_of_the_block_comes_out_as_it_was_raised(root: Path) -> None:
    with pytest.raises(ServerError):
        async with launch(root) as client:
            await client.get("nothing")


@requirement("lsp:client")
async def test_a_server_that_dies_is_told_to_everyone_who_waits(root: Path) -> None:
    async with launch(root) as client:
        run = await client.start(program(["hang"]))
        client._process.kill()
        with pytest.raises(ConnectionClosed):
            await run.finished()
        with pytest.raises(ConnectionClosed):
            [event async for event in run]
        with pytest.raises(ConnectionClosed):
            await client.agents()


@requirement("lsp:client")
async def test_a_server_that_ends_while_it_is_answered_has_just_ended() -> None:
    class Incoming(anyio.abc.ByteReceiveStream):
        data = b'Content-Length: 37\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"x"}'

        async def receive(self, max_bytes: int = 65536) -> bytes:
            if not self.data:
                raise anyio.EndOfStream
            data, self.data = self.data, b""
            return data

        async def aclose(self) -> None: ...

    class Gone(anyio.abc.ByteSendStream):
        async def send(self, item: bytes) -> None:
            raise anyio.BrokenResourceError

        async def aclose(self) -> None: ...

    async def answer(method: str, params: Any) -> Any:
        asked.append(method)

    asked: list[str] = []
    connection = Connection(Incoming(), Gone(), on_request=answer, on_notification=lambda method, params: None)
    await connection.run()
    assert asked == ["x"]
    with pytest.raises(ConnectionClosed):
        await connection.request("y")


@requirement("lsp:client")
async def test_a_command_that_is_no_server_is_told(root: Path) -> None:
    with pytest.raises(ConnectionClosed):
        async with launch(root, sys.executable, "-c", "pass"):
            pass


@requirement("lsp:client")
async def test_the_place_of_a_task_is_given_as_in_the_protocol(root: Path) -> None:
    start, end = protocol.WirePosition(1, 0), protocol.WirePosition(1, 5)
    async with launch(root) as client:
        context = protocol.RunContext(client.uri("a.txt"), protocol.WireRange(start, end))
        task = json.loads((await client.run("look", context=context)).text)
    assert task["context"]["range"] == {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 5}}


# The parts, without a server


def test_edits_are_about_the_text_before_them() -> None:
    def edit(start: tuple[int, int], end: tuple[int, int], new: str) -> dict[str, Any]:
        place = [{"line": line, "character": character} for line, character in (start, end)]
        return {"range": {"start": place[0], "end": place[1]}, "newText": new}

    text = "one\r\ntwo\rthree\nfour"
    assert changed(text, [edit((0, 0), (0, 3), "1"), edit((2, 0), (2, 99), "3")]) == "1\r\ntwo\r3\nfour"
    assert changed(text, [edit((3, 4), (9, 0), "!"), edit((0, 0), (0, 0), ">")]) == f">{text}!"
    assert changed("", [edit((0, 0), (0, 0), "a"), edit((0, 0), (0, 0), "b")]) == "ab"
    with pytest.raises(EditRefused):
        changed(text, [edit((0, 0), (0, 3), ""), edit((0, 2), (1, 0), "")])


def test_an_edit_for_another_version_or_of_another_kind_is_refused() -> None:
    document = {"uri": "file:///nowhere/a.txt", "version": 3}
    with pytest.raises(EditRefused, match="which is not open"):
        plan({"documentChanges": [{"textDocument": document, "edits": []}]}, {})
    with pytest.raises(EditRefused, match="does not delete files"):
        plan({"documentChanges": [{"kind": "delete", "uri": "file:///nowhere"}]}, {})


def test_values_survive_the_wire() -> None:
    problem = Problem("a.b", "What.", None)
    body = RunFinished(Outcome.FAILED, "t", from_wire(RunInfo, to_wire(info())).usage, info().files, problem)
    for event in (RunEvent(RunId("r"), 1, 2.5, "s", "a", body), edit_event()):
        assert event_from_wire(json.loads(json.dumps(event_to_wire(event)))) == event
    assert from_wire(RunInfo, json.loads(json.dumps({**to_wire(info()), "newField": 1}))) == info()


def test_what_cannot_be_read_is_an_error_and_unknown_events_are_none() -> None:
    assert event_from_wire({"kind": "brand.new"}) is None
    wrong: list[Any] = [{}, [], {**to_wire(info()), "text": 5}, {**to_wire(info()), "files": {}}]
    for data in wrong:
        with pytest.raises(ValueError, match=r"expected|has no"):
            from_wire(RunInfo, data)


def info() -> RunInfo:
    from vespiary.model.runs import ChangeKind, Mode

    files = (FileChanged("a", ChangeKind.RENAMED, "b"),)
    return RunInfo(RunId("r"), "coder", "p", Mode.PLAN, Outcome.DONE, 1.0, None, "t", files=files)


def edit_event() -> RunEvent:
    return RunEvent(RunId("r"), 2, 3.0, "s", "a", EditEvent("a.txt", EditState.STALE, reason="late"))
