"""Beginning and end of a server process."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.lsp_core_client import SERVER, TIMEOUT, ServerProcess, framed

INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"processId": None, "rootUri": None, "capabilities": {}},
}
SHUTDOWN = {"jsonrpc": "2.0", "id": 2, "method": "shutdown"}
EXIT = {"jsonrpc": "2.0", "method": "exit"}


@requirement("core:exit-codes")
@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([INITIALIZE, SHUTDOWN, EXIT], 0),
        ([INITIALIZE, EXIT], 1),
        ([EXIT], 1),
        ([INITIALIZE], 1),
        ([], 1),
        ([INITIALIZE, SHUTDOWN], 0),
    ],
)
@pytest.mark.parametrize("source", ["pipe", "file"])
def test_the_exit_code_says_whether_the_end_was_proper(
    messages: list[Any], code: int, source: str, tmp_path: Path
) -> None:
    data = b"".join(map(framed, messages))
    command = [sys.executable, str(SERVER)]
    if source == "pipe":
        done = subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT)
    else:
        path = tmp_path / "input"
        path.write_bytes(data)
        with path.open("rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == code
    assert done.stdout.count(b"Content-Length") >= sum("id" in message for message in messages)
    assert b"Traceback" not in done.stderr


@requirement("core:own-stdin")
def test_dev_null_as_input_and_a_file_as_output_work(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run([sys.executable, str(SERVER)], stdin=subprocess.DEVNULL, stdout=out, timeout=TIMEOUT)
    assert done.returncode == 1
    source = tmp_path / "in"
    source.write_bytes(framed(INITIALIZE) + framed(SHUTDOWN) + framed(EXIT))
    with (tmp_path / "out").open("wb") as out, source.open("rb") as file:
        done = subprocess.run([sys.executable, str(SERVER)], stdin=file, stdout=out, timeout=TIMEOUT)
    assert done.returncode == 0
    assert b'"serverInfo"' in (tmp_path / "out").read_bytes()


@requirement("core:lifecycle")
def test_nothing_but_initialize_is_served_first() -> None:
    with ServerProcess() as server:
        assert server.call("t/echo")["error"]["code"] == -32002
        assert server.call("shutdown")["error"]["code"] == -32002
        server.notify(
            "textDocument/didOpen", {"textDocument": {"uri": "u", "text": "", "version": 1, "languageId": ""}}
        )
        server.initialize()
        assert server.result("t/text", {"uri": "u"}) is None
        assert server.call("initialize", {"processId": None, "capabilities": {}})["error"]["code"] == -32600
        assert server.result("t/echo") == {}
        assert server.stop() == 0


@requirement("core:lifecycle")
def test_a_failed_initialize_may_be_tried_again() -> None:
    with ServerProcess() as server:
        assert server.call("initialize", {"capabilities": 5})["error"]["code"] == -32602
        assert server.call("initialize")["error"]["code"] == -32602
        assert server.initialize()["serverInfo"] == {"name": "test", "version": "1"}
        assert server.stop() == 0


@requirement("core:lifecycle")
def test_after_shutdown_only_exit_is_heard() -> None:
    with ServerProcess() as other:
        other.initialize()
        waiting = other.start("t/wait")
        shutdown = other.start("shutdown")
        assert other.answer(waiting)["error"]["code"] == -32800
        assert other.until(lambda m: m.get("method") == "t/away")
        assert other.answer(shutdown)["result"] is None
        for method in ("t/echo", "shutdown", "initialize"):
            assert other.call(method)["error"]["code"] == -32600
        other.notify("exit")
        assert other.exit_code() == 0


def test_hooks_run_once_the_client_is_ready_and_a_broken_one_harms_nothing(server: ServerProcess) -> None:
    server.notify("initialized", {})
    server.until(lambda m: m.get("method") == "t/up")
    assert server.result("t/seen")["up"] == 1


@requirement("core:new-clients")
def test_capabilities_that_nobody_knows_yet_do_not_stop_the_start() -> None:
    capabilities: dict[str, Any] = {
        "general": {"positionEncodings": ["utf-9", "utf-32"], "markdown": 7},
        "textDocument": {"hologram": {"x": 1}, "codeAction": {"dynamicRegistration": "perhaps", "x": [1]}, "hover": 5},
        "workspace": {"applyEdit": True, "workspaceEdit": {"resourceOperations": ["create", "teleport"]}},
        "window": [],
        "experimental": {"ours": {"class": 1}},
    }
    with ServerProcess() as server:
        result = server.initialize(capabilities=capabilities)
        assert result["capabilities"]["positionEncoding"] == "utf-32"
        assert server.stop() == 0


@requirement("core:dead-client")
@pytest.mark.skipif(sys.platform == "win32", reason="the client here is a POSIX child")
def test_the_death_of_the_clients_process_ends_the_server_though_its_pipes_live_on() -> None:
    client = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with ServerProcess() as server:
        server.initialize(processId=client.pid)
        assert server.result("t/echo") == {}
        client.kill()
        client.wait()
        assert server.exit_code() == 1
    assert client.stdin
    client.stdin.close()


@requirement("core:dead-client")
@pytest.mark.parametrize("pid", [2**31, 2**40])
def test_a_process_id_that_no_process_here_can_have_is_not_watched(pid: int) -> None:
    with ServerProcess() as server:
        server.initialize(processId=pid)
        assert server.result("t/echo") == {}
        assert server.stop() == 0


@requirement("core:dead-client")
def test_a_process_of_another_machine_is_not_watched() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with ServerProcess() as server:
        server.initialize(processId=gone.pid)
        assert server.result("t/echo") == {}
        assert server.stop() == 0


@requirement("core:dead-client")
def test_closing_the_input_ends_the_server() -> None:
    with ServerProcess() as other:
        other.initialize()
        assert other.process.stdin
        other.start("t/wait")
        other.process.stdin.close()
        assert other.exit_code() == 1


@requirement("core:dead-client")
def test_closing_the_output_ends_the_server() -> None:
    source, target = os.pipe()
    process = subprocess.Popen(
        [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=target, stderr=subprocess.DEVNULL
    )
    os.close(target)
    assert process.stdin
    process.stdin.write(framed(INITIALIZE))
    process.stdin.flush()
    assert os.read(source, 10)
    os.close(source)
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(framed({"jsonrpc": "2.0", "id": 3, "method": "t/echo"}))
        process.stdin.flush()
    assert process.wait(TIMEOUT) == 1
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


@requirement("core:dead-client")
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_to_end_ends_it_in_order(name: str) -> None:
    with ServerProcess() as server:
        server.initialize()
        waiting = server.start("t/wait")
        assert server.result("t/echo") == {}
        server.process.send_signal(getattr(signal, name))
        assert server.answer(waiting)["error"]["code"] == -32800
        assert server.exit_code() == 1
    assert b"KeyboardInterrupt" not in b"".join(server.log)


@requirement("core:dead-client")
def test_a_task_that_does_not_end_does_not_keep_the_server_alive() -> None:
    with ServerProcess(sys.executable, str(SERVER), "--impatient") as server:
        server.initialize()
        server.result("t/stubborn")
        assert server.stop() == 0
    assert b"did not end in time" in b"".join(server.log)


@requirement("core:clean-stdout")
def test_what_is_printed_goes_to_stderr_and_children_cannot_read_the_protocol() -> None:
    with ServerProcess() as server:
        server.initialize()
        assert server.result("t/print") == 0
        assert server.result("t/echo", {"after": 1}) == {"after": 1}
        assert server.stop() == 0
        assert server.stray == []
    log = b"".join(server.log)
    assert b"noise from python" in log
    assert b"noise from a descriptor" in log


@pytest.mark.skipif(sys.platform == "win32", reason="non-blocking descriptors are a POSIX matter")
def test_a_shared_stderr_stays_blocking() -> None:
    source, target = os.pipe()
    with subprocess.Popen(
        [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=target, stderr=target
    ) as process:
        assert process.stdin
        process.stdin.write(framed(INITIALIZE))
        process.stdin.flush()
        seen = b""
        while b"serverInfo" not in seen:
            seen += os.read(source, 4096)
        assert os.get_blocking(target)  # The same open file as the server's stderr.
        process.stdin.close()
        assert process.wait(TIMEOUT) == 1
    os.close(source)
    os.close(target)


@requirement("core:encodings")
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, "utf-16"),
        ([], "utf-16"),
        (["utf-8", "utf-16"], "utf-8"),
        (["utf-16", "utf-8"], "utf-16"),
        (["utf-32"], "utf-32"),
        (["utf-7", "utf-32", "utf-8"], "utf-32"),
    ],
)
def test_the_clients_first_encoding_that_is_known_is_used(offered: list[str] | None, chosen: str) -> None:
    general = {} if offered is None else {"general": {"positionEncodings": offered}}
    with ServerProcess() as server:
        assert server.initialize(capabilities=general)["capabilities"]["positionEncoding"] == chosen
        assert server.result("t/encoding") == chosen
        item = {"uri": "file:///e", "languageId": "x", "version": 1, "text": "a\U0001f600b"}
        server.notify("textDocument/didOpen", {"textDocument": item})
        column = {"utf-8": 5, "utf-16": 3, "utf-32": 2}[chosen]
        place = {"line": 0, "character": column}
        change = {"range": {"start": place, "end": place}, "text": "X"}
        server.notify(
            "textDocument/didChange", {"textDocument": {"uri": "file:///e", "version": 2}, "contentChanges": [change]}
        )
        document = server.result("t/text", {"uri": "file:///e"})
        assert (document["text"], document["version"]) == ("a\U0001f600Xb", 2)
        hover = server.result("textDocument/hover", {"textDocument": {"uri": "file:///e"}, "position": place})
        assert json.dumps(hover) == json.dumps({"contents": "a\U0001f600Xb"})
        assert server.stop() == 0
