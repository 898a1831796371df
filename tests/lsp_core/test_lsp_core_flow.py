"""Many messages at once, slow clients, and what is left behind."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from ledger import requirement
from support.lsp_core_client import SERVER, TIMEOUT, ServerProcess, framed
from support.lsp_core_server import make_server
from vespiary.fronts.lsp.core.errors import ClientGone
from vespiary.fronts.lsp.core.outgoing import IN_FLIGHT, Outgoing


@requirement("core:flow")
def test_a_thousand_edits_to_a_client_that_writes_blockingly_do_not_hang() -> None:
    """The client reads a message, writes its answer blockingly, and only then reads the next, with much to say at once."""
    with ServerProcess() as other:
        other.initialize()
        padding = {"jsonrpc": "2.0", "method": "t/ignored", "params": {"pad": "x" * 4000}}
        request = other.start("t/edits", {"count": 1000})
        answered = 0
        while (message := other.next()) is not None and ("method" in message or message["id"] != request):
            if message.get("method") == "workspace/applyEdit":
                other.send({"jsonrpc": "2.0", "id": message["id"], "result": {"applied": True}}, padding)
                answered += 1
        assert message is not None
        assert message["result"] == {"applied": 1000, "waiting": 0}
        assert answered == 1000
        assert other.stop() == 0


@requirement("core:flow")
@pytest.mark.anyio
async def test_at_most_64_requests_of_one_method_are_in_flight() -> None:
    sent: list[dict[str, Any]] = []

    async def drain() -> None:
        await anyio.lowlevel.checkpoint()

    outgoing = Outgoing(sent.append, drain)
    async with anyio.create_task_group() as tasks:
        for _ in range(IN_FLIGHT * 3):
            tasks.start_soon(outgoing.request, "m")
        tasks.start_soon(outgoing.request, "other")
        await anyio.wait_all_tasks_blocked()
        assert len(sent) == IN_FLIGHT + 1
        assert sent[-1]["method"] == "other"
        while len(outgoing):
            for message in sent[-len(outgoing) :]:
                outgoing.resolve({"id": message["id"], "result": None})
            await anyio.wait_all_tasks_blocked()
    assert len(sent) == IN_FLIGHT * 3 + 1


@requirement("core:no-leaks")
@pytest.mark.anyio
async def test_whoever_stops_waiting_leaves_nothing_and_the_client_is_told() -> None:
    sent: list[dict[str, Any]] = []

    async def drain() -> None: ...

    outgoing = Outgoing(sent.append, drain)
    with anyio.move_on_after(0.01):
        await outgoing.request("m")
    assert [message["method"] for message in sent] == ["m", "$/cancelRequest"]
    assert sent[1]["params"] == {"id": sent[0]["id"]}
    assert len(outgoing) == 0
    assert outgoing.resolve({"id": sent[0]["id"], "result": 1}) is False


@requirement("core:client-gone")
@pytest.mark.anyio
async def test_whoever_waits_is_told_that_the_client_left() -> None:
    async def drain() -> None: ...

    outgoing = Outgoing(lambda message: None, drain)
    told: list[str] = []

    async def wait() -> None:
        try:
            await outgoing.request("m")
        except ClientGone as error:
            told.append(error.code)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        outgoing.close()
    assert told == ["client.gone"] * 3
    with pytest.raises(ClientGone):
        await outgoing.request("m")


@requirement("core:never-blocks")
def test_a_client_that_does_not_read_is_still_heard() -> None:
    """The server owes 50 MB and goes on reading: the client's large messages are all taken in the meantime."""
    with subprocess.Popen([sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        calls: list[dict[str, Any]] = [
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": None, "capabilities": {}}},
            {"jsonrpc": "2.0", "id": 2, "method": "t/flood", "params": {"count": 50_000}},
            *({"jsonrpc": "2.0", "method": "t/ignored", "params": {"pad": "x" * 100_000}} for _ in range(50)),
            {"jsonrpc": "2.0", "id": 3, "method": "t/echo"},
        ]
        written = threading.Event()

        def write() -> None:
            process.stdin.write(b"".join(map(framed, calls)))  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            written.set()

        threading.Thread(target=write, daemon=True).start()
        assert written.wait(TIMEOUT)  # Not a byte of its answers was read until here.
        seen = b""
        while b'"id":3' not in seen:
            seen = seen[-100:] + process.stdout.read1(1 << 20)  # type: ignore[attr-defined]
        process.stdin.close()
        while process.stdout.read(1 << 20):
            pass
        assert process.wait(TIMEOUT) == 1


@requirement("core:never-blocks")
def test_notifications_from_a_thread_arrive_in_order(server: ServerProcess) -> None:
    assert server.result("t/thread", {"count": 2000}) == "sent"
    ticks = [message["params"]["n"] for message in server.other if message.get("method") == "t/tick"]
    assert ticks == list(range(2000))


@requirement("core:no-leaks")
def test_nothing_is_left_of_what_is_done(server: ServerProcess) -> None:
    server.result("t/progress", {"token": "p"})
    for number in range(300):
        server.notify("workspace/didChangeConfiguration", {"settings": number})
        server.start("t/fail")
        server.start("t/echo")
        server.start("t/nothing")
        server.start("textDocument/hover", {})
        server.start("t/wait", id=f"w{number}")
        server.notify("$/cancelRequest", {"id": f"w{number}"})
    server.result("t/edits", {"count": 10})
    left = server.result("t/leaks")
    assert left == {"futures": 0, "results": 0, "running": 1, "waiting": 0, "tokens": 0}


@requirement("core:own-stdin")
@pytest.mark.anyio
async def test_the_input_does_not_need_the_thread_pool() -> None:
    """pygls reads through the pool that its handlers wait in; here nothing ever makes that pool."""
    server = make_server()
    assert server._thread_pool is None
    from vespiary.fronts.lsp.core.session import Session

    replies: list[bytes] = []

    class Collect:
        def write(self, data: bytes) -> None:
            replies.append(data)

        def backlog(self) -> int:
            return 0

        async def drain(self) -> None: ...

        async def close(self) -> None: ...

    async def connect(session: Session) -> Any:
        session.data(
            framed(
                {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": None, "capabilities": {}}}
            )
        )
        session.data(framed({"jsonrpc": "2.0", "id": 2, "method": "shutdown"}))
        session.data(framed({"jsonrpc": "2.0", "method": "exit"}))
        return Collect()

    assert await Session(server).run(connect) == 0
    assert b'"id":2,"result":null' in b"".join(replies)
    assert server._thread_pool is None


def test_blocking_handlers_in_the_pool_do_not_stop_the_input() -> None:
    """Four handlers block every thread of the pool until the client has answered each: the answers are read all the same."""
    code = f"""
import sys; sys.path.insert(0, {str(SERVER.parent.parent)!r})
from vespiary.fronts.lsp import core
def make():
    server = core.Server("t", "1", max_workers=2)
    @server.feature("textDocument/hover")
    @server.thread()
    def hover(params):
        answer = server.workspace_apply_edit(core.types.ApplyWorkspaceEditParams(core.types.WorkspaceEdit())).result(20)
        return core.types.Hover(contents=str(answer.applied))
    return server
sys.exit(core.run_stdio(make))
"""
    with ServerProcess(sys.executable, "-c", code) as server:
        server.initialize()
        where = {"textDocument": {"uri": "u"}, "position": {"line": 0, "character": 0}}
        requests = [server.start("textDocument/hover", where) for _ in range(8)]
        replies: dict[Any, Any] = {}
        while len(replies) < 8:
            message = server.until(lambda m: m.get("id") in requests and "method" not in m)
            replies[message["id"]] = message["result"]["contents"]
        assert set(replies.values()) == {"True"}
        assert server.stop() == 0


def test_the_writer_thread_keeps_order_and_drains(tmp_path: Any) -> None:
    from vespiary.fronts.lsp.core.writing import ThreadSink, Writer

    path = tmp_path / "out"

    async def main() -> None:
        with path.open("wb") as file:
            writer = Writer(ThreadSink(file.fileno(), lambda: None), lambda: None)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(lambda: [writer.send(b"t%d" % n) for n in range(100)]).result()
            for number in range(100):
                writer.send(b"%d" % number)
            await writer.drain()
            await anyio.lowlevel.checkpoint()
            await writer.close()
            writer.send(b"too late")

    anyio.run(main)
    bodies = [line.split(b"\r\n\r\n")[1] for line in path.read_bytes().split(b"Content-Length: ")[1:] if line]
    assert [int(b) for b in bodies if not b.startswith(b"t")] == list(range(100))
    assert [int(b[1:]) for b in bodies if b.startswith(b"t")] == list(range(100))
