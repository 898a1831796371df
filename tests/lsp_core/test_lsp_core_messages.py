"""Every message gets what it deserves: raw bytes to a server process."""

import json
from typing import Any

import pytest
from ledger import requirement
from support.lsp_core_client import ServerProcess, framed


@requirement("core:raw-params", "core:always-answered")
@pytest.mark.parametrize(
    "params",
    [
        {"bad-key": 1, "class": 2, "_x": 3, "type_name": "T", "": 4},
        {"jsonrpc": "2.0", "id": 5, "method": "x"},
        {"deep": {"jsonrpc": "2.0", "id": "y", "result": {"jsonrpc": "1.0"}}},
        {"list": [{"jsonrpc": "2.0"}], "none": None, "big": 2**70, "text": "\U0001f600 \u2028"},
        {"lone": "\ud800"},
        {},
    ],
)
def test_our_own_methods_get_what_was_sent(server: ServerProcess, params: dict[str, Any]) -> None:
    assert server.result("t/echo", params) == params


@requirement("core:raw-params", "core:always-answered")
def test_omitted_and_null_params_are_an_empty_dict(server: ServerProcess) -> None:
    assert server.result("t/echo") == {}
    server.send({"jsonrpc": "2.0", "id": "null", "method": "t/echo", "params": None})
    assert server.answer("null")["result"] == {}
    assert server.result("t/plain") == {"sync": True}


@requirement("core:always-answered")
@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("t/echo", [1, 2], -32602, "must be an object"),
        ("t/nothing", {}, -32601, "There is no method t/nothing."),
        ("textDocument/codeAction", None, -32602, "textDocument/codeAction"),
        ("textDocument/codeAction", {"textDocument": {"uri": 5}}, -32602, "missing"),
        ("textDocument/hover", "text", -32602, "textDocument/hover"),
        ("workspace/executeCommand", {"command": "t.nothing"}, -32602, "There is no command t.nothing."),
        ("workspace/executeCommand", {}, -32602, "'command' is missing"),
        ("t/fail", {}, -32603, "RuntimeError: a bug"),
        ("t/fail", {"kind": "params"}, -32602, "`x` is missing."),
        ("t/fail", {"kind": "unsendable"}, -32603, "cannot be sent"),
        ("textDocument/definition", {}, -32601, "There is no method"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    server: ServerProcess, method: str, params: Any, code: int, words: str
) -> None:
    error = server.call(method, params)["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert "Traceback" not in json.dumps(error)


@requirement("core:errors-for-people")
def test_our_errors_carry_their_code_and_their_hint(server: ServerProcess) -> None:
    assert server.call("t/fail", {"kind": "refused"})["error"] == {
        "code": -32803,
        "message": "It is broken. Mend it.",
        "data": {"code": "broken", "message": "It is broken.", "hint": "Mend it."},
    }
    assert server.call("t/fail", {"kind": "usage"})["error"]["code"] == -32602


@requirement("core:malformed")
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"nonsense\r\n\r\n", -32700),
        (b"Content-Length: 99999999999\r\n\r\n", -32700),
        (framed(b"{"), -32700),
        (framed(b""), -32700),
        (framed(b"\xff\xfe"), -32700),
        (framed(b"NaN"), -32700),
        (framed(b"[" * 100_000), -32700),
        (framed([]), -32600),
        (framed([{"jsonrpc": "2.0", "id": 1, "method": "t/echo"}]), -32600),
        (framed("text"), -32600),
        (framed(5), -32600),
        (framed(None), -32600),
        (framed({}), -32600),
        (framed({"jsonrpc": "1.0", "id": 1, "method": "t/echo"}), -32600),
        (framed({"id": 1, "method": "t/echo"}), -32600),
        (framed({"jsonrpc": "2.0", "id": 1}), -32600),
        (framed({"jsonrpc": "2.0", "id": 1, "method": 5}), -32600),
        (framed({"jsonrpc": "2.0", "id": None, "method": "t/echo"}), -32600),
        (framed({"jsonrpc": "2.0", "id": True, "method": "t/echo"}), -32600),
        (framed({"jsonrpc": "2.0", "id": [1], "method": "t/echo"}), -32600),
        (framed({"jsonrpc": "2.0", "id": 1.5, "method": "t/echo"}), -32600),
    ],
)
def test_what_is_no_message_is_told_and_the_next_is_served(server: ServerProcess, data: bytes, code: int) -> None:
    server.raw(data)
    assert server.until(lambda m: "error" in m)["error"]["code"] == code
    assert server.result("t/echo", {"still": "here"}) == {"still": "here"}


@requirement("core:malformed")
@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "$/unknown", "params": {}},
        {"jsonrpc": "2.0", "method": "t/unknown"},
        {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 4711}},
        {"jsonrpc": "2.0", "method": "$/cancelRequest"},
        {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": [1]}},
        {"jsonrpc": "2.0", "id": 4711, "result": 1},
        {"jsonrpc": "2.0", "id": [1], "result": 1},
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "x"}},
        {"jsonrpc": "2.0", "method": "textDocument/didChange", "params": {}},
        {"jsonrpc": "2.0", "method": "textDocument/didOpen"},
        {"jsonrpc": "2.0", "method": "textDocument/didClose", "params": {"textDocument": {"uri": "nope"}}},
        {"jsonrpc": "2.0", "method": "workspace/didChangeWorkspaceFolders", "params": {"event": 5}},
        {"jsonrpc": "2.0", "method": "window/workDoneProgress/cancel", "params": {"token": "nope"}},
        {"jsonrpc": "2.0", "method": "t/fail"},
    ],
)
def test_a_notification_is_never_answered_and_harms_nothing(server: ServerProcess, message: dict[str, Any]) -> None:
    server.send(message)
    assert server.result("t/echo", {"still": "here"}) == {"still": "here"}
    assert [other for other in server.other if "id" in other] == []


@requirement("core:cancel")
def test_cancelling_a_request_cancels_its_coroutine(server: ServerProcess) -> None:
    request = server.start("t/wait")
    assert server.result("t/leaks")["running"] == 2
    server.notify("$/cancelRequest", {"id": request})
    assert server.answer(request)["error"]["code"] == -32800
    assert server.result("t/seen")["cancelled"] == ["t/wait"]
    assert server.result("t/leaks")["running"] == 1


@requirement("core:cancel")
def test_cancelling_a_command_cancels_its_coroutine(server: ServerProcess) -> None:
    request = server.start("workspace/executeCommand", {"command": "t.wait"})
    assert server.result("t/leaks")["running"] == 2
    server.notify("$/cancelRequest", {"id": request})
    assert server.answer(request)["error"]["code"] == -32800
    assert server.result("t/seen")["cancelled"] == ["t.wait"]


@requirement("core:cancel")
def test_a_request_cancelled_before_it_began_is_answered_once(server: ServerProcess) -> None:
    server.send(
        {"jsonrpc": "2.0", "id": "early", "method": "t/wait"},
        {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "early"}},
    )
    assert server.answer("early")["error"]["code"] == -32800
    assert server.result("t/leaks")["running"] == 1
    assert [m for m in server.other if m.get("id") == "early"] == []


def test_an_id_in_use_is_refused_and_the_first_request_lives_on(server: ServerProcess) -> None:
    server.send(
        {"jsonrpc": "2.0", "id": "twice", "method": "t/wait"}, {"jsonrpc": "2.0", "id": "twice", "method": "t/wait"}
    )
    assert server.answer("twice")["error"]["code"] == -32600
    server.notify("$/cancelRequest", {"id": "twice"})
    assert server.answer("twice")["error"]["code"] == -32800


def test_the_id_1_is_not_the_id_text_1(server: ServerProcess) -> None:
    server.send(
        {"jsonrpc": "2.0", "id": "1000", "method": "t/wait"}, {"jsonrpc": "2.0", "id": 1000, "method": "t/echo"}
    )
    assert server.answer(1000)["result"] == {}
    server.notify("$/cancelRequest", {"id": "1000"})
    assert server.answer("1000")["error"]["code"] == -32800


def test_commands_get_their_json_arguments(server: ServerProcess) -> None:
    arguments = [{"class": 1, "jsonrpc": "2.0"}, None, [1], "x"]
    assert server.result("workspace/executeCommand", {"command": "t.echo", "arguments": arguments}) == arguments
    assert server.result("workspace/executeCommand", {"command": "t.echo"}) == []


def test_lsp_methods_take_and_give_lsprotocol_values(server: ServerProcess) -> None:
    where = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
    params: dict[str, Any] = {"textDocument": {"uri": "file:///a"}, "range": where, "context": {"diagnostics": []}}
    assert server.result("textDocument/codeAction", params) == [{"title": "file:///a", "kind": "quickfix"}]
    server.notify("workspace/didChangeConfiguration", {"settings": {"a": [1]}})
    assert server.result("t/seen")["configuration"] == {"a": [1]}


def test_an_answer_of_the_client_comes_back_whatever_it_is(server: ServerProcess) -> None:
    server.answer_requests = False
    for answer, expected in (
        ({"result": {"jsonrpc": "2.0", "class": 1}}, {"answer": {"jsonrpc": "2.0", "class": 1}}),
        ({"result": None}, {"answer": None}),
        ({"error": {"code": -32001, "message": "no"}}, {"error": "no", "code": -32001, "waiting": 0}),
        ({"error": "odd"}, {"error": "odd", "code": -32001, "waiting": 0}),
    ):
        request = server.start("t/ask")
        question = server.until(lambda m: m.get("method") == "t/question")
        assert question["params"] == {"q": 1}
        server.send({"jsonrpc": "2.0", "id": question["id"], **answer})
        assert server.answer(request)["result"] == expected


def test_pygls_own_typed_requests_work(server: ServerProcess) -> None:
    assert server.result("t/typed") == {"type": "ApplyWorkspaceEditResult", "applied": True}
