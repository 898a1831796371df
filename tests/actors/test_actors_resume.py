"""The assistant made again from its state: in the same run it goes on as the old one would have, in a later one with its tools."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from support.talks import SCOPE, Talk, tool_spec, well_formed
from support.tapes import Input, Recorder, play
from vespiary_sdk import ActorError
from vespiary_sdk.testing import FakeHost, completion

TOOLS = [tool_spec("look", actor="files"), tool_spec("run"), tool_spec("odd", actor="gone")]
_CALLS = st.lists(
    st.tuples(st.sampled_from(["look", "run", "fly", ""]), st.sampled_from(["", "{}", "[", '{"a": 1}'])),
    min_size=1,
    max_size=3,
)
_WORDS = st.sampled_from(["words", "words", "", " "])


@st.composite
def conversations(draw: st.DrawFn) -> Recorder:
    """An assistant that lived through anything, with the tape of it."""
    recorder = Recorder({"max_rounds": 4, "max_corrections": 1, "tool_timeout_ms": 1000})
    if draw(st.integers(0, 3)):
        recorder.ready(*TOOLS)
        recorder.ask("go")
    for _ in range(draw(st.integers(3, 30))):
        _step(recorder, draw)
    assert recorder.host.failures == []
    return recorder


def _step(recorder: Recorder, draw: st.DrawFn) -> None:
    # The first is what an example is shrunk to, and what comes most often.
    ways = ["ask", "ask", "ask", "ready", "system", "failed", "kept", "broken", "interrupt", "noise"]
    if recorder.waits_for("llm"):
        ways = ["call"] * 15 + ["say"] * 15 + ["refuse", *ways]
    if open_calls := recorder.open_calls():
        ways = ["result"] * 60 + ways
    if recorder.waits_for("timer"):
        ways += ["timer"]
    match draw(st.sampled_from(ways)):
        case "ready":
            recorder.ready(*draw(st.lists(st.sampled_from(TOOLS), max_size=3)))
        case "ask":
            recorder.ask(draw(st.sampled_from(["one", "two", "é"])))
        case "system":
            message = {"role": "system", "text": "a child is done"}
            recorder.play(Input("vespiary.agent.message", message, "child1/assistant"))
        case "call":
            recorder.say(draw(_WORDS), *draw(_CALLS), finish=draw(st.sampled_from(["tool_calls", "length"])))
        case "say":
            recorder.say(draw(_WORDS), finish=draw(st.sampled_from(["stop", "stop", "length", "filter"])))
        case "refuse":
            recorder.play(Input("llm", {"code": "provider.busy", "message": "Busy."}, ok=False))
        case "result":
            recorder.result(
                draw(st.sampled_from(open_calls)), "seen", draw(st.sampled_from(["files", "tools", "other"]))
            )
        case "timer":
            recorder.play(Input("timer", {}))
        case "failed":
            actor = draw(st.sampled_from(["files", "tools", "other"]))
            recorder.play(Input("vespiary.actor.failed", {"actor": f"{SCOPE}/{actor}", "message": "it trapped"}))
        case "kept" | "broken" as how:
            failure = {"actor": f"{SCOPE}/assistant", "message": "it trapped", "kept": how == "kept"}
            recorder.play(Input("vespiary.actor.failed", failure))
        case "interrupt":
            recorder.play(Input("vespiary.agent.interrupt", {"reason": "enough"}))
        case _:
            recorder.result("call-77", "nobody asked")


@requirement("actors:assistant-snapshot")
@given(conversations(), st.data())
@settings(max_examples=150)
def test_a_new_instance_goes_on_as_the_old_one_would_have(recorder: Recorder, data: st.DataObject) -> None:
    tape = recorder.tape
    at = data.draw(st.sampled_from(sorted(tape.states)))
    again = Talk({"max_rounds": 4, "max_corrections": 1, "tool_timeout_ms": 1000}, ready=False).host
    again.restore(tape.states[at])
    assert again.snapshot() == tape.states[at]
    for number in range(at, len(tape.inputs)):
        assert play(again, tape.inputs[number]) == tape.outputs[number], tape.inputs[number]
        assert again.snapshot() == tape.states.get(number + 1)
    assert again.failures == []


@requirement("actors:interrupt")
@given(conversations())
@settings(max_examples=150)
def test_whatever_happens_a_model_gets_a_whole_conversation(recorder: Recorder) -> None:
    for outputs in recorder.tape.outputs:
        for kind, what, *payload in outputs:
            if (kind, what) == ("request", "llm"):
                well_formed(json.loads(payload[0])["messages"][1:])


def later(talk: Talk, *tools: dict[str, Any], scope: str = "xyz789") -> FakeHost:
    """The conversation in another run: another scope, prompt, mode and tools."""
    from assistant import Assistant

    state = talk.host.snapshot()
    assert state is not None
    host = FakeHost(Assistant, {"prompt": "Be brief.", "mode": "plan"}, name="assistant", scope=scope)
    host.restore(state)
    assert host.sent == []
    host.send("vespiary.agent.message", {"text": "and then?"})
    assert host.requests == []  # not with the tools of the earlier run
    host.send("vespiary.agent.ready", {"scope": scope, "tools": list(tools)})
    return host


@requirement("actors:session")
def test_a_conversation_goes_on_in_a_later_run_with_its_tools_and_its_prompt() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", {}))
    talk.result("call-1", "seen")
    talk.say("Done.")
    host = later(talk, tool_spec("read"))
    (request,) = host.requests
    assert [tool["name"] for tool in request.payload["tools"]] == ["read"]
    system, *heard = request.payload["messages"]
    assert system["content"].startswith("Be brief.")
    assert "plan mode" in system["content"]
    assert [message["content"] for message in heard] == ["go", "", "seen", "Done.", "and then?"]
    # A tool that is gone is unknown now, and ids go on being unique.
    host.answer(request, completion("", tool_calls=[("look", {}), ("read", {})]))
    (call,) = [message.payload for message in host.sent if message.type == "vespiary.tool.call"]
    assert (call["name"], call["call"]) == ("read", "call-2")
    payload = {"call": "call-2", "name": "read", "ok": True, "content": "text"}
    host.send("vespiary.tool.result", payload, sender="xyz789/files", scope="xyz789")
    (request,) = host.requests
    results = [message for message in request.payload["messages"] if message["role"] == "tool"]
    assert "no tool called 'look'" in results[1]["content"]
    assert len({message["tool_call_id"] for message in results}) == 3


@requirement("actors:session")
def test_nothing_of_the_earlier_run_s_scope_counts_in_a_later_one() -> None:
    talk = Talk(tools=[tool_spec("look", actor="files")])
    broken = {"actor": f"{SCOPE}/assistant", "message": "it trapped", "restarted": True}
    talk.host.send("vespiary.actor.failed", broken)
    talk.ask("go")
    talk.say("Done.")
    host = later(talk, tool_spec("look"))
    host.answer(host.requests[0], completion("", tool_calls=[("look", {})]))
    # Who runs `look` in this run is not known: anybody who breaks might have.
    host.send("vespiary.actor.failed", {"actor": "xyz789/other", "message": "it looped"})
    assert "broke during the call" in host.requests[0].payload["messages"][-1]["content"]


@requirement("actors:session")
def test_what_the_model_has_not_heard_is_said_in_the_later_run() -> None:
    talk = Talk(ready=False)
    talk.ask("one")
    (request,) = later(talk).requests
    assert request.payload["messages"][1:] == [{"role": "user", "content": "one\n\nand then?"}]


@requirement("actors:session")
def test_after_a_stopped_task_the_conversation_goes_on_in_a_later_run() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", {}))
    talk.host.send("vespiary.agent.interrupt", {"reason": "enough"})
    (request,) = later(talk, tool_spec("look")).requests
    assert [message["role"] for message in request.payload["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "user",
    ]


@pytest.mark.parametrize(
    "state", ["null", "[]", "{}", '{"version": 2}', '{"version": 1}', '{"version": 1, "history": 3}']
)
def test_a_state_that_is_none_is_refused(state: str) -> None:
    with pytest.raises(ActorError):
        Talk().host.restore(state)


def test_a_state_holds_nothing_but_json() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("Done.")
    state = json.loads(talk.host.snapshot() or "")
    assert sorted(state) == ["drawn", "here", "history", "queue", "version"]
