"""Commands, code actions and progress, spoken in bytes to a server process."""

import json
from pathlib import Path
from typing import Any

from ledger import requirement
from support.rawlsp import RawServer
from vespiary import protocol

PLACE = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 5}}
NOWHERE = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
DIAGNOSTIC = {"message": "odd", "range": PLACE, "severity": 1}
LITERALS: dict[str, Any] = {
    "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}}
}


def command(name: str, *arguments: Any) -> dict[str, Any]:
    return {"command": name, "arguments": list(arguments)}


def actions(server: RawServer, root: Path, place: Any, diagnostics: Any = (), **more: Any) -> list[dict[str, Any]]:
    context = {"diagnostics": list(diagnostics), **more}
    params = {"textDocument": {"uri": (root / "a.txt").as_uri()}, "range": place, "context": context}
    return server.request("textDocument/codeAction", params)


@requirement("lsp:commands")
def test_every_verb_is_an_advertised_command(root: Path) -> None:
    with RawServer() as server:
        offered = server.initialize(root)["capabilities"]["executeCommandProvider"]["commands"]
    assert sorted(offered) == sorted(entry.name for entry in protocol.COMMANDS)


@requirement("lsp:commands")
def test_a_command_answers_at_once_and_the_answer_is_shown(root: Path) -> None:
    program = json.dumps([["say", "hi"]])
    with RawServer() as server:
        server.initialize(root)
        run = server.request("workspace/executeCommand", command("vespiary.run", program))["runId"]
        assert server.finished(run)["outcome"] == "done"
        assert server.told("window/showMessage") == {"type": 3, "message": "coder: hi"}
        listed = server.request("workspace/executeCommand", {"command": "vespiary.listRuns"})
        assert [info["runId"] for info in listed["runs"]] == [run]
        shown = server.request("workspace/executeCommand", command("vespiary.getRun", run))
        assert shown["text"] == "hi"
        agents = server.request("workspace/executeCommand", command("vespiary.listAgents"))["agents"]
        assert agents[0]["name"] == "coder"


@requirement("lsp:commands")
def test_a_failed_run_of_a_command_is_shown_as_an_error(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        server.request("workspace/executeCommand", command("vespiary.run", json.dumps([["fail", "No luck."]])))
        assert server.told("window/showMessage") == {"type": 1, "message": "coder failed: No luck."}


@requirement("lsp:commands")
def test_cancelling_without_a_run_cancels_the_latest_one(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        first, second = server.run(["hang"]), server.run(["hang"])
        assert server.request("workspace/executeCommand", command("vespiary.cancelRun")) == {"cancelled": True}
        assert server.finished(second)["outcome"] == "cancelled"
        assert server.request("vespiary/run/get", {"runId": first})["outcome"] == "running"
        assert server.request("workspace/executeCommand", command("vespiary.cancelRun", first)) == {"cancelled": True}
        assert server.finished(first)["outcome"] == "cancelled"
        assert server.request("workspace/executeCommand", command("vespiary.cancelRun")) == {"cancelled": False}


@requirement("lsp:commands", "lsp:parameters")
def test_a_command_refuses_arguments_that_it_does_not_know(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        for arguments in ([{"prompt": "x", "modus": 1}], ["x", "y"], [5]):
            error = server.error("workspace/executeCommand", command("vespiary.run", *arguments))
            assert error["code"] == -32602, error
        error = server.error("workspace/executeCommand", command("vespiary.fixDiagnostic", {"context": {"uri": "x"}}))
        assert "no diagnostic" in error["message"]


@requirement("lsp:waiting-command")
def test_a_command_that_waits_answers_with_the_run_and_cancelling_it_cancels_the_run(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        argument = {"prompt": json.dumps([["say", "hi"]]), "wait": True}
        assert server.request("workspace/executeCommand", command("vespiary.run", argument))["text"] == "hi"
        argument = {"prompt": json.dumps([["touch", "here"], ["hang"]]), "wait": True}
        number = server.ask("workspace/executeCommand", command("vespiary.run", argument))
        started = server.wait(lambda message: message.get("params", {}).get("prompt") == argument["prompt"])["params"]
        server.notify("$/cancelRequest", {"id": number})
        assert server.answer_to(number)["error"]["code"] == -32800
        assert server.finished(started["runId"])["outcome"] == "cancelled"


@requirement("lsp:fix-action")
def test_a_diagnostic_offers_a_fix_whose_command_starts_a_run(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root, capabilities=LITERALS)
        (action,) = actions(server, root, NOWHERE, [DIAGNOSTIC])
        assert (action["title"], action["kind"]) == ("Fix with coder", "quickfix")
        assert action["diagnostics"][0]["message"] == "odd"
        asked = {key: action["command"][key] for key in ("command", "arguments")}
        run = server.request("workspace/executeCommand", asked)["runId"]
        task = json.loads(server.finished(run)["text"])
        assert task["context"]["diagnostics"][0]["severity"] == "error"
        assert task["agent"] == "coder"


@requirement("lsp:ask-action")
def test_a_selection_offers_to_ask_with_or_without_a_prompt(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root, capabilities=LITERALS)
        assert actions(server, root, NOWHERE) == []
        (action,) = actions(server, root, PLACE)
        assert (action["title"], action["kind"]) == ("Ask coder ...", "refactor.rewrite.vespiary")
        (argument,) = action["command"]["arguments"]
        run = server.request("workspace/executeCommand", command("vespiary.askAgent", argument))["runId"]
        task = json.loads(server.finished(run)["text"])
        assert "selected this" in task["prompt"]
        assert task["context"]["range"] == PLACE
        told = {**argument, "prompt": "Explain."}
        run = server.request("workspace/executeCommand", command("vespiary.askAgent", told))["runId"]
        assert json.loads(server.finished(run)["text"])["prompt"] == "Explain."


@requirement("lsp:action-kinds")
def test_only_wanted_kinds_are_offered_and_plain_commands_to_plain_clients(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        both = actions(server, root, PLACE, [DIAGNOSTIC])
        assert [(item["title"], item["command"]) for item in both] == [
            ("Fix with coder", "vespiary.fixDiagnostic"),
            ("Ask coder ...", "vespiary.askAgent"),
        ]
        assert [item["title"] for item in actions(server, root, PLACE, [DIAGNOSTIC], only=["refactor"])] == [
            "Ask coder ..."
        ]
        assert [item["title"] for item in actions(server, root, PLACE, [DIAGNOSTIC], only=["quickfix"])] == [
            "Fix with coder"
        ]
        assert actions(server, root, PLACE, [DIAGNOSTIC], only=["source.organizeImports"]) == []


@requirement("lsp:broken-configuration")
def test_code_actions_survive_a_broken_configuration_which_is_told_once(root: Path) -> None:
    (root / "vespiary.toml").write_text("broken", encoding="utf-8", newline="")
    with RawServer() as server:
        server.initialize(root)
        assert actions(server, root, PLACE) == []
        assert actions(server, root, PLACE) == []
        shown = [message["params"] for message in server.seen if message.get("method") == "window/showMessage"]
        assert [item["message"] for item in shown] == ["vespiary.toml:1: it is broken. Mend it."]
        (root / "vespiary.toml").unlink()
        assert len(actions(server, root, PLACE)) == 1


@requirement("lsp:progress")
def test_a_run_is_a_progress_whose_cancel_button_cancels_it(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root, capabilities={"window": {"workDoneProgress": True}})
        run = server.run(["say", "hi"], ["hang"])
        token = server.told("window/workDoneProgress/create")["token"]
        begin = server.wait(lambda message: _kind(message) == "begin")["params"]
        assert begin["token"] == token
        assert begin["value"]["title"] == "coder"
        assert begin["value"]["cancellable"] is True
        server.notify("window/workDoneProgress/cancel", {"token": token})
        assert server.finished(run)["outcome"] == "cancelled"
        end = server.wait(lambda message: _kind(message) == "end")["params"]
        assert end == {"token": token, "value": {"kind": "end", "message": "cancelled"}}


@requirement("lsp:progress")
def test_a_client_that_refuses_progress_gets_none_and_the_run_goes_on(root: Path) -> None:
    with RawServer(answer=lambda method, params: ValueError("no")) as server:
        server.initialize(root, capabilities={"window": {"workDoneProgress": True}})
        assert server.finished(server.run(["say", "hi"]))["outcome"] == "done"
        assert not any(message.get("method") == "$/progress" for message in server.seen)


@requirement("lsp:progress")
def test_a_client_without_progress_is_not_asked(root: Path) -> None:
    with RawServer() as server:
        server.initialize(root)
        server.finished(server.run(["say", "hi"]))
        assert not any("rogress" in message.get("method", "") for message in server.seen)


def _kind(message: dict[str, Any]) -> str | None:
    return message["params"]["value"]["kind"] if message.get("method") == "$/progress" else None
