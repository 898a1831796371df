"""The built-in actors where they live: preloaded in the generic component, inside WebAssembly."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.sandbox import SCOPE, Sandbox
from support.talks import SCOPE as SCRIPTED
from support.talks import tool_spec
from support.tapes import Input, Outputs, Recorder, Tape, plain
from vespiary.model.ids import HOST_ACTOR, SYSTEM_SCOPE, ActorId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import CancelRequest, Deliver, Limits, Request, Send, StepResult
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests
from vespiary_sdk.testing import FakeWorkspace, completion


def ignore(_sentence: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def store() -> ComponentStore:
    return ComponentStore(ignore)


@pytest.fixture
def sandbox(tmp_path: Path, store: ComponentStore) -> Iterator[Sandbox]:
    guests = WasmGuests(store)
    yield Sandbox(guests, tmp_path)
    guests.close()


def make(sandbox: Sandbox, name: str, config: dict[str, Any] | None = None) -> list[str]:
    """Construct a built-in actor; gives the names of its tools."""
    text = json.dumps({"name": name, "config": config or {}, "code": {"preloaded": name}})
    result = sandbox.make("python", name, config=text, limits=Limits())
    assert result.failure is None, result.failure.message
    assert result.description is not None
    return [tool.name for tool in result.description.tools]


def deliver(sandbox: Sandbox, name: str, type_: str, payload: Any, *, host: bool = False) -> list[Any]:
    sender, scope = (HOST_ACTOR, SYSTEM_SCOPE) if host else (ActorId(f"{SCOPE}/other"), SCOPE)
    return outputs(sandbox.run(name, Deliver(Envelope("root:m1", type_, sender, scope, json.dumps(payload)))))


def outputs(result: StepResult) -> list[Any]:
    """Messages as (type, payload), requests as they are."""
    assert result.failure is None, result.failure.message
    told: list[Any] = []
    for output in result.outputs:
        if isinstance(output, Send):
            told.append((output.type, json.loads(output.payload)))
        elif isinstance(output, Request):
            told.append(output)
    return told


def request(told: list[Any], capability: str) -> Request:
    (found,) = [output for output in told if isinstance(output, Request) and output.capability == capability]
    return found


def sent(told: list[Any], type_: str) -> list[Any]:
    return [output[1] for output in told if isinstance(output, tuple) and output[0] == type_]


@requirement("actors:in-the-component")
def test_the_assistant_converses_inside_the_component(sandbox: Sandbox) -> None:
    assert make(sandbox, "assistant", {"prompt": "Be brief.", "max_rounds": 5}) == []
    tool = {"name": "look", "description": "Look.", "parameters": {"type": "object"}}
    deliver(sandbox, "assistant", "vespiary.agent.ready", {"tools": [tool]}, host=True)
    told = deliver(sandbox, "assistant", "vespiary.agent.message", {"role": "user", "text": "go"}, host=True)
    call = request(told, "llm")
    assert [message["role"] for message in json.loads(call.payload)["messages"]] == ["system", "user"]
    reply = completion("I look.", tool_calls=[("look", {"at": "é"}), ("fly", {})])
    told = outputs(sandbox.answer(call.id, json.dumps(reply), "assistant"))
    assert sent(told, "vespiary.tool.call") == [{"call": "call-1", "name": "look", "arguments": {"at": "é"}}]
    assert request(told, "timer")
    result = {"call": "call-1", "name": "look", "ok": True, "content": "seen"}
    call = request(deliver(sandbox, "assistant", "vespiary.tool.result", result), "llm")
    assert [message["content"] for message in json.loads(call.payload)["messages"][3:]] == [
        "seen",
        "Error: There is no tool called 'fly'. The tools are: look.",
    ]
    assert sandbox.snapshot("assistant").state is None
    told = outputs(sandbox.answer(call.id, json.dumps(completion("Done.")), "assistant"))
    assert sent(told, "vespiary.agent.done") == [{"outcome": "done", "text": "Done."}]
    state = sandbox.snapshot("assistant").state
    assert state is not None
    sandbox.destroy("assistant")
    make(sandbox, "assistant")
    assert sandbox.restore(state, "assistant").failure is None
    call = request(deliver(sandbox, "assistant", "vespiary.agent.message", {"text": "more"}, host=True), "llm")
    assert len(json.loads(call.payload)["messages"]) == 7


def reenact(sandbox: Sandbox, tape: Tape, at: int) -> None:
    """Play a tape to an assistant in the component from its state before input `at`, and compare what comes of it."""
    config = {"max_rounds": 4, "tool_timeout_ms": 1000}
    make(sandbox, "assistant", config)
    assert sandbox.restore(tape.states[at], "assistant").failure is None
    open_: dict[int, str] = {}
    for entry, expected in zip(tape.inputs[at:], tape.outputs[at:], strict=True):
        if entry.is_answer:
            number = next(number for number, capability in open_.items() if capability == entry.type)
            del open_[number]
            result = sandbox.answer(number, json.dumps(entry.payload), "assistant", ok=entry.ok)
        else:
            scope = Scope(entry.sender.partition("/")[0].replace(SCRIPTED, SCOPE))
            sender = ActorId(entry.sender.replace(SCRIPTED, SCOPE))
            payload = json.dumps(entry.payload).replace(SCRIPTED, SCOPE)
            result = sandbox.run("assistant", Deliver(Envelope("root:m1", entry.type, sender, scope, payload)))
        assert result.failure is None
        told: Outputs = []
        for output in result.outputs:
            match output:
                case Send():
                    told.append(("send", output.type, plain(json.loads(output.payload))))
                case Request():
                    open_[output.id] = output.capability
                    told.append(("request", output.capability, plain(json.loads(output.payload))))
                case CancelRequest():
                    told.append(("cancel", open_.pop(output.id)))
                case _:
                    pass
        assert sorted(told, key=str) == expected, entry


@requirement("actors:in-the-component", "actors:assistant-snapshot", "actors:interrupt")
def test_a_conversation_goes_on_from_its_state_inside_the_component(sandbox: Sandbox) -> None:
    recorder = Recorder({"max_rounds": 4, "tool_timeout_ms": 1000})
    recorder.ask("before all")
    recorder.ready(tool_spec("look"), tool_spec("run", actor="shell"))
    recorder.say("", ("look", {}), ("", {}), ("look", "["))
    recorder.result("call-1", "seen", "files")
    recorder.say("First.")
    recorder.ask("again")
    recorder.say("", ("look", {}), ("run", {}), ("look", {"at": "é"}))
    recorder.play(Input("vespiary.actor.failed", {"actor": f"{SCRIPTED}/files", "message": "it trapped"}))
    recorder.play(Input("vespiary.agent.interrupt", {"reason": "enough"}))
    recorder.play(Input("vespiary.agent.interrupt", {"reason": "enough"}))
    recorder.ask("and now")
    recorder.play(Input("vespiary.agent.interrupt", {"reason": "no"}))
    recorder.ask("so")
    recorder.say("", ("run", {}))
    recorder.play(Input("timer", {}))
    recorder.say("Done.")
    tape = recorder.tape
    assert len(tape.states) >= 6
    for at in tape.states:
        # What the state knows of its scope is moved to that of the sandbox.
        tape.states[at] = tape.states[at].replace(SCRIPTED, SCOPE)
        reenact(sandbox, tape, at)
        state = sandbox.snapshot("assistant").state
        assert state == tape.states[max(tape.states)].replace(SCRIPTED, SCOPE)
        sandbox.destroy("assistant")


@requirement("actors:in-the-component", "sdk:snapshot")
def test_only_actors_that_tell_their_state_have_one_inside_the_component(sandbox: Sandbox) -> None:
    make(sandbox, "shell")
    make(sandbox, "files")
    assert sandbox.snapshot("shell").state == "null"
    assert sandbox.snapshot("files").state == '{"version":1,"seen":{}}'
    sandbox.python("from vespiary_sdk import Actor\nclass Silent(Actor): pass", "silent")
    assert sandbox.snapshot("silent").state is None
    assert sandbox.restore("null", "shell").failure is None


@requirement("actors:in-the-component", "actors:invalid-arguments")
def test_arguments_nested_without_end_do_no_harm_inside_the_component(sandbox: Sandbox) -> None:
    make(sandbox, "assistant")
    deliver(sandbox, "assistant", "vespiary.agent.ready", {"tools": []}, host=True)
    call = request(deliver(sandbox, "assistant", "vespiary.agent.message", {"text": "go"}, host=True), "llm")
    reply = completion(tool_calls=[("look", "[" * 200_000), ("look", '{"a":' * 200_000), ("look", '"' * 200_000)])
    call = request(outputs(sandbox.answer(call.id, json.dumps(reply), "assistant")), "llm")
    results = [message["content"] for message in json.loads(call.payload)["messages"] if message["role"] == "tool"]
    assert len(results) == 3


@requirement("actors:in-the-component")
def test_files_are_read_and_edited_inside_the_component(sandbox: Sandbox) -> None:
    assert len(make(sandbox, "files")) == 7
    workspace = FakeWorkspace({"a.txt": "one\r\ntwo\r\n"})

    def call(name: str, **arguments: Any) -> dict[str, Any]:
        told = deliver(sandbox, "files", "vespiary.tool.call", {"call": "c", "name": name, "arguments": arguments})
        while asked := [output for output in told if isinstance(output, Request)]:
            answer = workspace.answer(json.loads(asked[0].payload))
            told = outputs(sandbox.answer(asked[0].id, json.dumps(answer), "files"))
        (result,) = sent(told, "vespiary.tool.result")
        return result

    assert call("read_file", path="a.txt")["content"] == "a.txt (2 lines, CRLF line endings)\n1:one\n2:two"
    edits = [{"old_string": "one\ntwo", "new_string": "one\nand\ntwo"}]
    result = call("edit_file", path="./a.txt", edits=edits)
    assert result["ok"], result
    assert workspace.files == {"a.txt": "one\r\nand\r\ntwo\r\n"}
    refused = call("edit_file", path="a.txt", edits=[{"old_string": "tow", "new_string": "2"}])
    assert "The nearest lines are:\n3:two" in refused["content"]
    assert "a.txt:2:and" in call("search_files", pattern="and")["content"]


@requirement("actors:in-the-component")
def test_without_edits_only_the_reading_tools_are_there(sandbox: Sandbox) -> None:
    assert make(sandbox, "files", {"allow_edits": False}) == ["read_file", "list_files", "search_files"]


@requirement("actors:in-the-component")
def test_a_command_is_asked_for_inside_the_component(sandbox: Sandbox) -> None:
    assert make(sandbox, "shell") == ["execute_bash"]
    arguments = {"command": "echo", "args": ["a b"], "timeout": 5}
    told = deliver(
        sandbox, "shell", "vespiary.tool.call", {"call": "c", "name": "execute_bash", "arguments": arguments}
    )
    asked = request(told, "command")
    assert json.loads(asked.payload)["program"] == "echo 'a b'"
    answer = {
        "status": "exited",
        "code": 0,
        "stdout": "a b\n",
        "stderr": "",
        "stdout_truncated": False,
        "stderr_truncated": False,
        "duration_ms": 1,
    }
    told = outputs(sandbox.answer(asked.id, json.dumps(answer), "shell"))
    assert sent(told, "vespiary.tool.result")[0]["content"] == "a b"


def test_a_large_file_full_of_quotes_and_brackets_is_read(sandbox: Sandbox) -> None:
    make(sandbox, "files")
    arguments = {"path": "a.json", "end_line": 1}
    told = deliver(sandbox, "files", "vespiary.tool.call", {"call": "c", "name": "read_file", "arguments": arguments})
    workspace = FakeWorkspace({"a.json": '{"a":1,"bc":[]},\n' * 250_000})
    asked = request(told, "workspace")
    answer = json.dumps(workspace.answer(json.loads(asked.payload)))
    (result,) = sent(outputs(sandbox.answer(asked.id, answer, "files")), "vespiary.tool.result")
    assert result["ok"], result
    assert '1:{"a":1,"bc":[]},\n[... 249,999 lines omitted ...]' in result["content"]


def test_a_hard_search_for_the_nearest_lines_stays_within_the_deadline(sandbox: Sandbox) -> None:
    make(sandbox, "files")
    text = "".join(f"value_{number % 977} = compute({number}, 'something long enough')\n" for number in range(60_000))
    workspace = FakeWorkspace({"a.py": text})
    took: list[float] = []

    def call(name: str, **arguments: Any) -> dict[str, Any]:
        told = deliver(sandbox, "files", "vespiary.tool.call", {"call": "c", "name": name, "arguments": arguments})
        while asked := [output for output in told if isinstance(output, Request)]:
            step = sandbox.answer(asked[0].id, json.dumps(workspace.answer(json.loads(asked[0].payload))), "files")
            took.append(step.busy_ns / 1e6)
            told = outputs(step)
        return sent(told, "vespiary.tool.result")[0]

    call("read_file", path="a.py", start_line=1, end_line=2)
    missing = "\n".join(["value = compute(1, 'something not long enough at all')"] * 30)
    refused = call("edit_file", path="a.py", edits=[{"old_string": missing, "new_string": "x"}])
    assert "The nearest lines are" in refused["content"]
    assert max(took) < Limits().call_ms
