"""A person stops the assistant: at any point, the conversation stays whole and the agent falls silent."""

from typing import Any

import pytest
from ledger import requirement
from support.talks import SCOPE, Talk, tool_spec

NOTE = "[system] The user stopped the task here (enough)."


def interrupt(talk: Talk, reason: Any = "enough", sender: str = "000000/host") -> list[tuple[str, Any]]:
    sent = talk.host.send("vespiary.agent.interrupt", {"reason": reason}, sender=sender)
    return [(message.type, message.payload) for message in sent]


def quiet(talk: Talk) -> bool:
    return not talk.host.requests and talk.host.snapshot() is not None and talk.host.failures == []


@requirement("actors:interrupt")
def test_a_model_call_is_stopped() -> None:
    talk = Talk()
    talk.ask("go")
    sent = interrupt(talk)
    assert [request.capability for request in talk.host.cancelled] == ["llm"]
    assert sent == [
        ("vespiary.agent.status", {"state": "done"}),
        (
            "vespiary.agent.done",
            {
                "outcome": "failed",
                "text": "",
                "problem": {
                    "code": "assistant.interrupted",
                    "message": "The task was stopped: enough.",
                    "hint": "The conversation is kept: say how to go on.",
                },
            },
        ),
    ]
    assert quiet(talk)
    talk.ask("differently, please")
    assert talk.heard == [{"role": "user", "content": f"go\n\n{NOTE}\n\ndifferently, please"}]
    talk.say("Fine.")
    assert talk.done[-1] == {"outcome": "done", "text": "Fine."}


@requirement("actors:interrupt")
def test_open_tool_calls_are_cancelled_and_have_results() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("I look and run.", ("look", {}), ("fly", {}), ("run", {}))
    talk.result("call-1", "seen")
    talk.ask("also this")
    interrupt(talk)
    assert talk.sent("vespiary.tool.cancel") == [{"call": "call-3"}]
    half = "run was interrupted by the user before it had a result; it may have been done, wholly or in part."
    assert talk.sent("vespiary.tool.result")[-1] == {"call": "call-3", "name": "run", "ok": False, "content": half}
    assert [(answer["outcome"], answer["text"]) for answer in talk.done] == [("failed", "I look and run.")]
    assert quiet(talk)
    talk.result("call-3", "late", sender=f"{SCOPE}/shell")
    assert quiet(talk)
    talk.ask("go on")
    assert [message["content"] for message in talk.heard] == [
        "go",
        "I look and run.",
        "seen",
        "Error: There is no tool called 'fly'. The tools are: look, run.",
        f"Error: {half}",
        f"also this\n\n{NOTE}\n\ngo on",
    ]


@requirement("actors:interrupt")
def test_a_task_that_waits_for_the_agent_to_be_ready_is_stopped() -> None:
    talk = Talk(ready=False)
    talk.ask("go")
    interrupt(talk)
    assert [answer["problem"]["code"] for answer in talk.done] == ["assistant.interrupted"]
    talk.ready()
    assert quiet(talk)
    assert not talk.thinking
    talk.ask("now")
    assert talk.heard == [{"role": "user", "content": f"go\n\n{NOTE}\n\nnow"}]


@requirement("actors:interrupt")
@pytest.mark.parametrize("ready", [True, False])
def test_without_a_task_nothing_happens(ready: bool) -> None:
    talk = Talk(ready=ready)
    state = talk.host.snapshot()
    assert interrupt(talk) == []
    assert talk.host.snapshot() == state
    talk.ready()
    talk.ask("go")
    talk.say("Done.")
    state = talk.host.snapshot()
    assert interrupt(talk) == []
    assert talk.host.snapshot() == state


@requirement("actors:interrupt")
@pytest.mark.parametrize("tools", [True, False])
def test_a_second_interrupt_does_nothing(tools: bool) -> None:
    talk = Talk()
    talk.ask("go")
    if tools:
        talk.say("", ("look", {}))
    interrupt(talk)
    assert interrupt(talk) == []
    assert len(talk.done) == 1
    assert quiet(talk)


@requirement("actors:interrupt")
def test_only_the_host_interrupts() -> None:
    talk = Talk()
    talk.ask("go")
    assert interrupt(talk, sender=f"{SCOPE}/files") == []
    assert talk.thinking


@requirement("actors:interrupt")
@pytest.mark.parametrize("payload", [None, 7, [], {}, {"reason": None}, {"reason": 3}])
def test_an_interrupt_needs_no_reason(payload: Any) -> None:
    talk = Talk()
    talk.ask("go")
    talk.host.send("vespiary.agent.interrupt", payload)
    assert talk.done[0]["problem"]["code"] == "assistant.interrupted"
    assert quiet(talk)


@requirement("actors:interrupt")
def test_a_correction_that_is_under_way_is_stopped_too() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("half", finish="length")
    interrupt(talk)
    assert talk.done[0]["text"] == "half"
    talk.ask("more")
    assert [message["role"] for message in talk.heard] == ["user", "assistant", "user"]


def broken(talk: Talk, kept: bool | None) -> None:
    failure: dict[str, Any] = {"actor": f"{SCOPE}/assistant", "code": "actor.trap", "message": "it trapped"}
    talk.host.send("vespiary.actor.failed", failure if kept is None else {**failure, "kept": kept})


@requirement("actors:assistant-breaks")
def test_an_assistant_that_kept_its_state_goes_on_with_its_task() -> None:
    talk = Talk()
    talk.ask("go")
    broken(talk, kept=True)
    assert talk.done == []
    talk.say("Fine.")
    assert talk.done == [{"outcome": "done", "text": "Fine."}]


@requirement("actors:assistant-breaks")
def test_a_message_that_broke_the_assistant_is_answered_and_the_conversation_kept() -> None:
    talk = Talk()
    talk.ask("one")
    talk.say("first")
    broken(talk, kept=True)
    answer = talk.done[-1]
    assert (answer["outcome"], answer["problem"]["code"]) == ("failed", "assistant.broken")
    assert "the conversation before it is kept: it trapped" in answer["problem"]["message"]
    talk.ask("two")
    assert [message["content"] for message in talk.heard] == ["one", "first", "two"]


@requirement("actors:assistant-breaks")
def test_a_task_that_waits_is_not_answered_by_a_kept_assistant() -> None:
    talk = Talk(ready=False)
    talk.ask("one")
    broken(talk, kept=True)
    assert talk.done == []
    talk.ready()
    assert talk.thinking


@requirement("actors:assistant-breaks")
@pytest.mark.parametrize("kept", [None, False])
def test_an_assistant_that_begins_anew_says_so(kept: bool | None) -> None:
    talk = Talk()
    broken(talk, kept)
    assert "without its conversation" in talk.done[-1]["problem"]["message"]


@requirement("actors:tool-actor-breaks")
def test_a_call_of_an_actor_that_broke_is_not_left_running() -> None:
    talk = Talk(tools=[tool_spec("run", actor="shell")])
    talk.ask("go")
    talk.say("", ("run", {}))
    talk.host.send("vespiary.actor.failed", {"actor": f"{SCOPE}/shell", "message": "it trapped", "kept": True})
    assert talk.sent("vespiary.tool.cancel") == [{"call": "call-1"}]
    assert talk.thinking
