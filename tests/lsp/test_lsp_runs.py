"""Runs over the wire: the methods of Vespiary, spoken in bytes to a server process."""

import json
import os
from pathlib import Path

import pytest
from ledger import requirement
from support.rawlsp import REAL, RawServer


@requirement("lsp:methods")
def test_a_run_is_started_at_once_and_told_by_numbered_events(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        run = server.run(["say", "one"], ["say", "two"])
        finished = server.finished(run)
        assert finished["outcome"] == "done"
        assert finished["text"] == "one\ntwo"
        assert finished["usage"]["calls"] == 0
        assert finished["files"] == []
        events = server.events(run)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert events[0]["kind"] == "run.started"
        assert [event["text"] for event in events if event["kind"] == "text.delta"] == ["one", "two"]
        assert server.request("vespiary/run/get", {"runId": run})["text"] == "one\ntwo"
        assert [info["runId"] for info in server.request("vespiary/run/list")["runs"]] == [run]
        assert server.shutdown() == 0
        assert server.stray == b""


@requirement("lsp:methods")
def test_a_run_goes_on_until_it_is_cancelled(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        run = server.run(["hang"])
        assert server.request("vespiary/run/get", {"runId": run})["outcome"] == "running"
        assert server.request("vespiary/run/cancel", {"runId": run}) == {"cancelled": True}
        assert server.finished(run)["outcome"] == "cancelled"
        assert server.request("vespiary/run/cancel", {"runId": run}) == {"cancelled": False}


@requirement("lsp:methods")
def test_agents_are_listed_without_any_parameters(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        agents = server.request("vespiary/agents/list")["agents"]
        assert [(agent["name"], agent["default"]) for agent in agents] == [("coder", True), ("reviewer", False)]


@requirement("lsp:context")
@pytest.mark.parametrize(("encoding", "start", "end"), [("utf-8", 8, 13), ("utf-16", 4, 9), ("utf-32", 2, 7)])
def test_places_reach_the_agent_in_code_points(root: Path, encoding: str, start: int, end: int) -> None:
    uri = (root / "a.txt").as_uri()
    place = {"start": {"line": 1, "character": start}, "end": {"line": 1, "character": end}}
    diagnostic = {"message": "odd", "range": place, "severity": 2, "code": 7, "data": {"anything": 1}}
    with RawServer() as server:
        server.initialize(root, capabilities={"general": {"positionEncodings": [encoding]}})
        server.open(uri, "one\n🐝🐝hello\n")
        params = {"prompt": "look", "context": {"uri": uri, "range": place, "diagnostics": [diagnostic]}}
        run = server.request("vespiary/run/start", params)["runId"]
        task = json.loads(server.finished(run)["text"])
    expected = {"start": {"line": 1, "character": 2}, "end": {"line": 1, "character": 7}}
    assert task["context"]["path"] == "a.txt"
    assert task["context"]["range"] == expected
    assert task["context"]["diagnostics"] == [{"message": "odd", "range": expected, "severity": "warning", "code": "7"}]


@requirement("lsp:context")
def test_places_in_a_file_that_is_not_open_are_read_from_disk(root: Path) -> None:
    (root / "b.txt").write_text("🐝🐝hello\n", encoding="utf-8", newline="")
    place = {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 9}}
    with RawServer() as server:
        server.initialize(root)
        params = {"prompt": "look", "context": {"uri": (root / "b.txt").as_uri(), "range": place}}
        run = server.request("vespiary/run/start", params)["runId"]
        assert json.loads(server.finished(run)["text"])["context"]["range"]["start"]["character"] == 2


@requirement("lsp:parameters")
@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"promt": "x"}, "there is no parameter `promt`"),
        ({}, "`prompt` is missing"),
        ({"prompt": 3}, "`prompt`: input should be a valid string"),
        ({"prompt": " "}, "The prompt is empty"),
        ({"prompt": "x", "mode": "maybe"}, "'apply' or 'plan'"),
        ({"prompt": "x", "agent": "nobody"}, "There is no agent called 'nobody'"),
        ({"prompt": "x", "context": {"uri": "file:///elsewhere/a.txt"}}, "is not a file of the workspace"),
        ({"prompt": "x", "context": {"uri": "untitled:new"}}, "is not a file of the workspace"),
    ],
)
def test_a_task_that_cannot_be_meant_is_refused_with_a_sentence(root: Path, params: object, said: str) -> None:
    with RawServer() as server:
        server.initialize(root)
        error = server.error("vespiary/run/start", params)
        assert error["code"] == -32602
        assert said in error["message"]
        assert error["data"]["code"]
        assert server.request("vespiary/run/list") == {"runs": []}


@requirement("lsp:parameters")
def test_an_unknown_run_is_a_sentence_with_a_code(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        error = server.error("vespiary/run/get", {"runId": "nothing"})
        assert (error["code"], error["data"]["code"]) == (-32602, "run.unknown")


@requirement("lsp:no-folder")
def test_without_a_folder_the_person_is_told_and_requests_say_why(tmp_path: Path) -> None:
    with RawServer() as server:
        server.initialize(None)
        assert "No workspace folder is open" in server.told("window/showMessage")["message"]
        error = server.error("vespiary/run/start", {"prompt": "x"})
        assert error["data"]["code"] == "workspace.none"
        assert server.shutdown() == 0


@requirement("lsp:broken-configuration")
def test_a_broken_configuration_is_an_error_of_its_own_and_the_server_lives(root: Path) -> None:
    (root / "vespiary.toml").write_text("broken", encoding="utf-8", newline="")
    with RawServer() as server:
        server.initialize(root)
        error = server.error("vespiary/agents/list")
        assert error["code"] == -32803
        assert error["data"] == {
            "code": "config.invalid",
            "message": "vespiary.toml:1: it is broken.",
            "hint": "Mend it.",
        }
        (root / "vespiary.toml").unlink()
        assert server.request("vespiary/agents/list")["agents"]


@requirement("lsp:shutdown")
def test_shutting_down_ends_the_runs_first_which_are_cancelled_where_nothing_is_kept(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        run = server.run(["hang"])
        assert server.shutdown() == 0
        assert server.finished(run)["outcome"] == "cancelled"


@requirement("lsp:options")
def test_unknown_initialization_options_are_told_and_do_no_harm(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root, initializationOptions={"trusty": True})
        assert "there is no parameter `trusty`" in server.told("window/showMessage")["message"]
        assert server.finished(server.run(["say", "hi"]))["outcome"] == "done"


@requirement("lsp:broken-configuration")
def test_the_real_server_names_the_file_and_the_key_that_are_wrong(root: Path) -> None:
    (root / "vespiary.toml").write_text("[agents.coder]\nmodl = 1\n", encoding="utf-8", newline="")
    with RawServer(REAL) as server:
        server.initialize(root)
        error = server.error("vespiary/agents/list")
        assert error["data"]["code"] == "config.invalid"
        assert "vespiary.toml" in error["message"]
        assert "modl" in error["message"]
        assert server.shutdown() == 0


@requirement("lsp:no-folder")
def test_a_workspace_that_cannot_be_opened_is_told_and_the_server_can_be_shut_down(root: Path) -> None:
    with RawServer(env={"FAKE_WORKSPACE_FAILS": "1"}) as server:
        server.initialize(root)
        assert "could not be kept open" in server.told("window/showMessage")["message"]
        assert server.error("vespiary/run/list")["data"]["code"] == "workspace.failed"
        assert server.shutdown() == 0


@requirement("lsp:no-folder")
def test_a_folder_that_is_not_there_is_named(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root / "missing")
        assert "missing is not a folder" in server.told("window/showMessage")["message"]


@requirement("lsp:methods")
def test_documents_with_odd_names_keep_nobody_from_working(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        server.open("preview://[a.txt]", "x")
        server.notify("textDocument/didClose", {"textDocument": {"uri": "preview://[a.txt]"}})
        server.open("file://[x", "x")
        error = server.error("vespiary/run/start", {"prompt": "x", "context": {"uri": "file://[x"}})
        assert error["data"]["code"] == "context.outside"
        assert server.finished(server.run(["say", "one"]))["text"] == "one"
        assert server.shutdown() == 0
        assert b"Traceback" not in server.log


@requirement("lsp:methods")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_task_about_a_pipe_waits_for_nobody(root: Path) -> None:
    os.mkfifo(root / "pipe")
    place = {"line": 0, "character": 0}
    context = {"uri": (root / "pipe").as_uri(), "range": {"start": place, "end": place}}
    with RawServer() as server:
        server.initialize(root)
        assert server.finished(server.run(["say", "one"], context=context))["text"] == "one"
        assert server.shutdown() == 0
