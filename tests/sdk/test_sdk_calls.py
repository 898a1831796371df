"""Tool calls as an actor gets and answers them."""

import asyncio
from dataclasses import dataclass
from typing import Any

from ledger import requirement
from vespiary_sdk import Actor, CapabilityError, ToolError, command, sleep, tool, workspace
from vespiary_sdk.testing import FakeHost, Sent, ToolResult


@dataclass
class Point:
    x: int


def shout(program: str) -> str:
    return program.upper()


class Tools(Actor):
    @tool(title="Reading {path}")
    async def read(self, path: str) -> str:
        file = await workspace.read(path)
        self.status("half way")
        return file.text

    @tool(title=shout)
    async def run(self, program: str) -> Any:
        try:
            return (await command.run(program)).code
        except asyncio.CancelledError:
            await sleep(0)  # a tool may clean up
            raise

    @tool
    def give(self, what: str) -> Any:
        return {"none": None, "list": [1, "é"], "point": Point(1), "set": {1}}[what]

    @tool
    def refuse(self) -> None:
        raise ToolError("There is nothing to do.")

    @tool
    def fault(self) -> None:
        raise ValueError("broken")


def call(payload: Any, host: FakeHost, **envelope: Any) -> list[Sent]:
    return host.send("vespiary.tool.call", payload, sender="abc123/assistant", **envelope)


@requirement("sdk:tool-result", "sdk:tool-status")
def test_a_call_is_announced_done_and_answered_once() -> None:
    host = FakeHost(Tools, workspace={"a": "text"})
    sent = call({"call": "c1", "name": "read", "arguments": {"path": "a"}}, host)
    running = {"call": "c1", "name": "read", "state": "running"}
    assert sent == [
        Sent("vespiary.tool.status", {**running, "title": "Reading a"}),
        Sent("vespiary.tool.status", {**running, "detail": "half way"}),
        Sent("vespiary.tool.result", {"call": "c1", "name": "read", "ok": True, "content": "text"}),
    ]


@requirement("sdk:tool-result")
def test_calls_of_other_tools_and_of_other_scopes_are_ignored() -> None:
    host = FakeHost(Tools)
    assert call({"call": "c1", "name": "fly", "arguments": {}}, host) == []
    assert call({"call": "c1", "name": "refuse", "arguments": {}}, host, scope="zzz999") == []


@requirement("sdk:tool-result")
def test_a_call_that_comes_twice_while_it_runs_is_done_once() -> None:
    host = FakeHost(Tools)
    payload = {"call": "c1", "name": "run", "arguments": {"program": "ls"}}
    call(payload, host)
    assert call(payload, host) == []
    assert len(host.requests) == 1


def test_a_return_value_is_text_or_json() -> None:
    host = FakeHost(Tools)
    assert host.call("give", what="none") == ToolResult(True, "Done.")
    assert host.call("give", what="list") == ToolResult(True, '[1,"é"]')
    assert host.call("give", what="point") == ToolResult(True, '{"x":1}')


@requirement("sdk:tool-error")
def test_a_tool_error_and_a_refusal_are_told_to_the_model_only() -> None:
    host = FakeHost(Tools, workspace={})
    assert host.call("refuse") == ToolResult(False, "There is nothing to do.")
    answer = host.call("read", path="../secret")
    assert not answer.ok
    assert "Use a path relative to it" in answer.content
    assert host.failures == []


@requirement("sdk:tool-error")
def test_an_exception_is_told_to_the_model_in_a_line_and_fails_the_handler_with_a_traceback() -> None:
    host = FakeHost(Tools, collect_failures=True)
    assert host.call("fault") == ToolResult(False, "fault failed: ValueError: broken")
    (failure,) = host.failures
    assert "test_sdk_calls.py" in failure["error"]
    assert 'raise ValueError("broken")' in failure["error"]


@requirement("sdk:tool-error")
def test_a_result_without_a_json_form_is_a_fault_of_the_actor() -> None:
    host = FakeHost(Tools, collect_failures=True)
    answer = host.call("give", what="set")
    assert answer == ToolResult(False, "give failed: TypeError: set has no JSON form: {1}")


@requirement("sdk:tool-cancel")
def test_a_cancelled_call_ends_and_others_go_on() -> None:
    host = FakeHost(Tools)
    first, second = host.start_call("run", {"program": "a"}), host.start_call("run", {"program": "b"})
    assert host.sent[0].payload["title"] == "A"
    host.cancel_call(first)
    assert host.result(first) == ToolResult(False, "The call was cancelled.")
    assert [request.payload["program"] for request in host.cancelled] == ["a"]
    assert host.result(second) is None
    host.answer(host.requests[0], {"status": "exited", "code": 0})
    assert host.result(second) == ToolResult(True, "0")
    host.cancel_call(second)  # too late: nothing happens
    assert len([message for message in host.sent if message.type == "vespiary.tool.result"]) == 2


def test_a_call_without_an_id_fails_the_handler() -> None:
    host = FakeHost(Tools, collect_failures=True)
    call({"name": "refuse"}, host)
    call("nonsense", host)
    assert [failure["error"] for failure in host.failures] == ["vespiary.tool.call has no text `call`."] * 2


def test_a_result_that_cannot_be_sent_is_replaced_by_a_word_about_it() -> None:
    class Big(Actor):
        @tool
        def big(self) -> str:
            return "x" * 10_000

    host = FakeHost(Big)
    send = host._port.send

    def limited(message_type: str, payload: str, to: str | None) -> None:
        if len(payload) > 5_000:
            raise CapabilityError("request.refused", "Too much output.")
        send(message_type, payload, to)

    host._port.send = limited
    assert host.call("big") == ToolResult(False, "The result could not be sent: Too much output.")


def test_a_call_that_cannot_be_answered_fails_the_handler() -> None:
    class Silent(Actor):
        @tool
        def shut(self) -> None:
            raise GeneratorExit

        @tool
        def short(self) -> str:
            return "x"

    host = FakeHost(Silent, collect_failures=True)
    send = host._port.send

    def refuse(message_type: str, payload: str, to: str | None) -> None:
        if message_type == "vespiary.tool.result":
            raise CapabilityError("request.refused", "Too many outputs.")
        send(message_type, payload, to)

    host._port.send = refuse
    host.send("vespiary.tool.call", {"call": "1", "name": "shut", "arguments": {}})
    host.send("vespiary.tool.call", {"call": "2", "name": "short", "arguments": {}})
    first, second = (failure["error"] for failure in host.failures)
    assert first.endswith("GeneratorExit")
    assert "Too many outputs." in second


def test_status_outside_of_a_tool_does_nothing() -> None:
    host = FakeHost(Tools)
    before = len(host.sent)
    host.actor.status("hello")
    assert len(host.sent) == before
