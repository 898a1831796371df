"""The conversation loop of the assistant when all goes well, and what it does with messages that come at any time."""

from typing import Any

from ledger import requirement
from support.talks import Talk, tool_spec


@requirement("actors:answer")
def test_a_reply_without_tool_calls_is_the_answer() -> None:
    talk = Talk()
    talk.ask("What is this?")
    assert talk.heard == [{"role": "user", "content": "What is this?"}]
    talk.say("A test.")
    assert talk.done == [{"outcome": "done", "text": "A test."}]
    assert talk.states == ["waiting", "thinking", "done"]
    assert not talk.host.requests


@requirement("actors:parallel-tools", "actors:call-order")
def test_calls_of_one_reply_run_at_once_and_their_results_stand_in_call_order() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("I look twice.", ("look", {"at": "a"}), ("run", {"at": "b"}))
    assert talk.calls == [
        {"call": "call-1", "name": "look", "arguments": {"at": "a"}},
        {"call": "call-2", "name": "run", "arguments": {"at": "b"}},
    ]
    talk.result("call-2", "second")
    assert not talk.thinking
    talk.result("call-1", "first")
    assert talk.heard[1:] == [
        {
            "role": "assistant",
            "content": "I look twice.",
            "tool_calls": [
                {"id": "call-1", "name": "look", "arguments": '{"at": "a"}'},
                {"id": "call-2", "name": "run", "arguments": '{"at": "b"}'},
            ],
        },
        {"role": "tool", "tool_call_id": "call-1", "content": "first"},
        {"role": "tool", "tool_call_id": "call-2", "content": "second"},
    ]
    assert talk.states == ["waiting", "thinking", "tools", "thinking"]
    assert talk.host.requests == [talk.waiting]  # the timer of the calls is gone


@requirement("actors:tool-errors")
def test_a_failed_tool_call_is_told_as_an_error() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", {}))
    talk.result("call-1", "there is no such file", ok=False)
    assert talk.heard[-1] == {"role": "tool", "tool_call_id": "call-1", "content": "Error: there is no such file"}


@requirement("actors:results-own-scope")
def test_a_result_from_another_scope_or_for_another_call_counts_for_nothing() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", {}))
    talk.result("call-1", "forged", sender="zzzzzz/files")
    talk.result("call-9", "lost")
    assert not talk.thinking
    talk.result("call-1", "right")
    talk.result("call-1", "again")
    assert talk.heard[-1]["content"] == "right"


@requirement("actors:tools-from-host")
def test_only_the_host_says_which_tools_there_are() -> None:
    talk = Talk(ready=False)
    talk.host.send("vespiary.agent.ready", {"tools": [tool_spec("evil")]}, sender="abc123/files")
    talk.ask("go")
    assert not talk.thinking
    talk.ready()
    assert [tool["name"] for tool in talk.waiting.payload["tools"]] == ["look", "run"]
    assert talk.states == ["thinking"]


def test_tools_are_offered_in_one_order_whatever_the_order_of_the_actors() -> None:
    talk = Talk(tools=[tool_spec("b"), tool_spec("c"), tool_spec("a")])
    talk.ask("go")
    assert [tool["name"] for tool in talk.waiting.payload["tools"]] == ["a", "b", "c"]


def test_tools_that_no_provider_would_take_are_left_out() -> None:
    tools: list[Any] = [
        tool_spec("look", description="the first"),
        tool_spec("look", description="the second"),
        tool_spec("texts", parameters='{"type":"object"}'),
        tool_spec("two words"),
        {"name": "bare"},
        {"name": "broken", "parameters": "{"},
        "nonsense",
    ]
    talk = Talk(tools=tools)
    talk.ask("go")
    offered = talk.waiting.payload["tools"]
    assert [(tool["name"], tool["description"]) for tool in offered] == [("look", "the first"), ("texts", "texts it")]
    assert all(tool["parameters"] == {"type": "object"} and len(tool) == 3 for tool in offered)
    assert len(talk.host.log) == 4


def test_without_tools_none_are_offered() -> None:
    talk = Talk(tools=[])
    talk.ask("go")
    assert "tools" not in talk.waiting.payload


@requirement("actors:queue")
def test_messages_that_arrive_meanwhile_are_all_heard_with_the_next_model_call() -> None:
    talk = Talk()
    talk.ask("one")
    talk.ask("two")
    talk.ask("three", role="system", sender="child1/assistant")
    talk.say("", ("look", {}))
    talk.ask("four")
    talk.result("call-1", "seen")
    assert talk.heard[-1] == {"role": "user", "content": "two\n\n[system] three\n\nfour"}
    assert [message["role"] for message in talk.heard] == ["user", "assistant", "tool", "user"]


@requirement("actors:queue")
def test_a_message_during_the_last_reply_goes_on_instead_of_ending() -> None:
    talk = Talk()
    talk.ask("one")
    talk.ask("wait, two")
    talk.say("Done with one.")
    assert talk.done == []
    assert [message["content"] for message in talk.heard] == ["one", "Done with one.", "wait, two"]
    talk.say("Done with two.")
    assert talk.done == [{"outcome": "done", "text": "Done with two."}]


@requirement("actors:queue")
def test_messages_before_the_agent_is_ready_wait_for_it() -> None:
    talk = Talk(ready=False)
    talk.ask("one")
    talk.ask("two")
    talk.ready()
    assert talk.heard == [{"role": "user", "content": "one\n\ntwo"}]


@requirement("actors:conversation")
def test_a_later_message_goes_on_with_the_same_conversation() -> None:
    talk = Talk()
    talk.ask("one")
    talk.say("first")
    talk.ask("two")
    assert [message["content"] for message in talk.heard] == ["one", "first", "two"]
    talk.say("second")
    assert [answer["text"] for answer in talk.done] == ["first", "second"]


@requirement("actors:reasoning")
def test_reasoning_stays_in_the_conversation() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", {}), reasoning="I had better look.")
    talk.result("call-1", "seen")
    assert talk.heard[1]["reasoning"] == "I had better look."
    talk.say("fine", reasoning="done")
    talk.ask("more")
    assert talk.heard[3] == {"role": "assistant", "content": "fine", "reasoning": "done"}


@requirement("actors:prompt")
def test_the_system_prompt_is_the_configured_one_and_stable_facts() -> None:
    talk = Talk({"prompt": "Be kind.", "agent": "coder", "mode": "plan"})
    talk.ask("go")
    first = talk.prompt
    assert first.startswith("Be kind.\n\n- Your name is coder.\n- The system is Linux.")
    assert "plan mode" in first
    talk.say("ok")
    talk.host.advance(100)
    talk.ask("go on")
    assert talk.prompt == first


@requirement("actors:prompt")
def test_without_a_configured_prompt_there_is_one_for_a_coder() -> None:
    talk = Talk({"prompt": " ", "mode": "apply"})
    talk.ask("go")
    assert talk.prompt.startswith("You are a careful software engineer.")
    assert "plan mode" not in talk.prompt


def test_model_and_sampling_go_with_every_call() -> None:
    talk = Talk({"model": "fast", "sampling": {"temperature": 0.5, "max_tokens": 99}})
    talk.ask("go")
    payload = talk.waiting.payload
    assert (payload["model"], payload["temperature"], payload["max_tokens"]) == ("fast", 0.5, 99)


@requirement("actors:assistant-snapshot")
def test_a_conversation_is_taken_up_again_from_a_snapshot() -> None:
    before = Talk()
    before.ask("one")
    assert before.host.snapshot() is None  # a model call is under way
    before.say("", ("look", {}))
    assert before.host.snapshot() is None
    before.result("call-1", "seen")
    before.say("first")
    state = before.host.snapshot()
    assert state is not None
    after = Talk(ready=False)
    after.host.restore(state)
    after.ask("two")
    assert [message["content"] for message in after.heard] == ["one", "", "seen", "first", "two"]
    assert [tool["name"] for tool in after.waiting.payload["tools"]] == ["look", "run"]
    after.say("", ("look", {}))
    assert after.calls[0]["call"] != "call-1"


@requirement("actors:assistant-snapshot")
def test_what_waits_to_be_said_is_in_the_snapshot() -> None:
    before = Talk(ready=False)
    before.ask("one")
    state = before.host.snapshot()
    assert state is not None
    after = Talk(ready=False)
    after.host.restore(state)
    after.ready()
    assert after.heard == [{"role": "user", "content": "one"}]
