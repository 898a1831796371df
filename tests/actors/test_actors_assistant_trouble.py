"""The assistant when models write nonsense, tools do not answer, providers fail and actors break."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from support.talks import SCOPE, Talk, tool_spec, well_formed
from vespiary_sdk import ActorError


@requirement("actors:unknown-tool")
def test_an_unknown_tool_is_answered_with_the_tools_that_there_are() -> None:
    talk = Talk()
    talk.ask("go")
    sent = talk.say("", ("fly", {}), ("look", {}))
    assert [call["name"] for call in talk.calls] == ["look"]
    (refusal,) = [message.payload for message in sent if message.type == "vespiary.tool.result"]
    assert refusal["ok"] is False
    talk.result("call-2", "seen")
    assert [message["content"] for message in talk.heard[2:]] == [
        "Error: There is no tool called 'fly'. The tools are: look, run.",
        "seen",
    ]


@requirement("actors:unknown-tool")
def test_a_reply_that_only_calls_unknown_tools_goes_on_at_once() -> None:
    talk = Talk(tools=[])
    talk.ask("go")
    talk.say("", ("fly", {}), ("", {}), ("two words!", {}))
    names = [call["name"] for call in talk.heard[1]["tool_calls"]]
    assert names == ["fly", "unknown", "two_words_"]  # what providers take back
    assert all("There are no tools" in message["content"] for message in talk.heard[2:])


@requirement("actors:invalid-arguments")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"at": ', "not valid JSON"),
        ("look at it", "not valid JSON"),
        ('{"at": NaN}', "not valid JSON"),
        ('{"at": 1e999}', "not valid JSON"),
        ('{"at": ' + "9" * 5000 + "}", "not valid JSON"),
        ("[1]", "not a list"),
        ("3", "not a number"),
        ("true", "not true or false"),
        ("null", "not null"),
        ('"text"', "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_arguments_that_are_no_object_are_answered_with_what_is_wrong(arguments: str, told: str) -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", arguments))
    assert talk.calls == []
    assert talk.heard[-1]["content"].startswith("Error: The arguments ")
    assert told in talk.heard[-1]["content"]
    # What goes back to the provider is an object again.
    assert talk.heard[-2]["tool_calls"][0]["arguments"].startswith('{"invalid_arguments": ')
    assert len(talk.heard[-2]["tool_calls"][0]["arguments"]) < 3000


@requirement("actors:invalid-arguments")
@pytest.mark.parametrize(
    ("arguments", "meant"),
    [("", {}), ("  ", {}), ('{"a": "x\ny"}', {"a": "x\ny"}), ('"{\\"a\\": 1}"', {"a": 1}), ('{"é": 1}', {"é": 1})],
)
def test_small_slips_in_arguments_are_understood(arguments: str, meant: dict[str, Any]) -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", arguments))
    assert talk.calls[0]["arguments"] == meant


@requirement("actors:call-ids")
def test_missing_doubled_and_used_ids_are_repaired_the_same_way_every_time() -> None:
    def ids() -> list[str]:
        talk = Talk()
        talk.ask("go")
        for _ in range(2):
            asked = [{"id": id_, "name": "look", "arguments": "{}"} for id_ in ("x", "x", "", "no good!", "y" * 65)]
            talk.reply({"tool_calls": asked}, "tool_calls")
            for call in talk.calls[-5:]:
                talk.result(call["call"], call["call"])
        for message in talk.heard:
            if message["role"] == "tool":
                assert message["content"] == message["tool_call_id"]
        return [call["call"] for call in talk.calls]

    first = ids()
    assert first[0] == "x"
    assert len(set(first)) == 10
    assert all(len(id_) <= 64 and id_.replace("_", "").isalnum() for id_ in first)
    assert ids() == first


@requirement("actors:empty-reply")
def test_an_empty_reply_is_corrected() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", reasoning="hm")
    assert [message["role"] for message in talk.heard] == ["user"]
    assert talk.heard[0]["content"].startswith("go\n\nYour last reply was empty.")
    talk.say("There.")
    assert talk.done == [{"outcome": "done", "text": "There."}]


@requirement("actors:empty-reply", "actors:corrections-bounded")
def test_corrections_in_a_row_are_bounded() -> None:
    talk = Talk({"max_corrections": 2})
    talk.ask("go")
    talk.say(" \n")
    talk.say("")
    talk.say("", ("look", {}))  # a useful reply: the count begins anew
    talk.result("call-1", "seen")
    for _ in range(3):
        assert talk.done == []
        talk.say("")
    (answer,) = talk.done
    assert answer["outcome"] == "failed"
    assert answer["problem"]["code"] == "assistant.empty"
    assert "3 times in a row" in answer["problem"]["message"]
    assert not talk.host.requests


@requirement("actors:cut-reply")
def test_a_tool_call_that_was_cut_off_is_not_run() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("Now I edit.", ("look", {}), ("run", '{"text": "abc'), finish="length")
    assert talk.calls == []
    assert talk.heard[1] == {"role": "assistant", "content": "Now I edit."}
    assert "nothing of it was run" in talk.heard[2]["content"]


@requirement("actors:cut-reply")
def test_whole_calls_of_a_cut_reply_are_run() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", {"at": 1}), finish="length")
    assert [call["name"] for call in talk.calls] == ["look"]


@requirement("actors:cut-reply")
def test_an_answer_that_was_cut_off_is_continued() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("The answer is for", finish="length")
    assert "Go on exactly where it stopped" in talk.heard[-1]["content"]
    talk.say("ty-two.")
    assert talk.done == [{"outcome": "done", "text": "The answer is forty-two."}]


@requirement("actors:cut-reply", "actors:corrections-bounded")
def test_replies_that_are_always_cut_off_end_the_task() -> None:
    talk = Talk({"max_corrections": 1})
    talk.ask("go")
    talk.say("a", finish="length")
    talk.say("b", finish="length")
    (answer,) = talk.done
    assert (answer["outcome"], answer["text"], answer["problem"]["code"]) == ("failed", "a\n\nb", "assistant.cut")
    assert "max_tokens" in answer["problem"]["hint"]


@requirement("actors:filtered")
def test_a_filtered_reply_is_a_clear_failure() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("I ca", finish="filter")
    (answer,) = talk.done
    assert (answer["outcome"], answer["text"], answer["problem"]["code"]) == ("failed", "I ca", "assistant.filtered")


@requirement("actors:rounds")
def test_the_number_of_model_calls_is_bounded() -> None:
    talk = Talk({"max_rounds": 3})
    talk.ask("go")
    for number in range(1, 4):
        talk.say(f"Step {number}.", ("look", {}))
        talk.result(talk.calls[-1]["call"], "seen")
    (answer,) = talk.done
    assert answer["outcome"] == "failed"
    assert answer["text"] == "Step 1.\n\nStep 2.\n\nStep 3."
    assert answer["problem"]["code"] == "assistant.rounds"
    assert "3 model calls" in answer["problem"]["message"]
    assert "max_rounds" in answer["problem"]["hint"]
    talk.ask("go on")
    talk.say("There.")
    assert talk.done[-1] == {"outcome": "done", "text": "There."}


@requirement("actors:provider-failure")
def test_a_provider_that_fails_ends_the_task_with_what_was_said() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("I look.", ("look", {}))
    talk.result("call-1", "seen")
    talk.host.refuse(talk.waiting, "provider.busy", "The model is busy.", "Try again later.")
    assert talk.done == [
        {
            "outcome": "failed",
            "text": "I look.",
            "problem": {"code": "provider.busy", "message": "The model is busy.", "hint": "Try again later."},
        }
    ]
    talk.ask("and now?")
    assert [message["role"] for message in talk.heard] == ["user", "assistant", "tool", "user"]


@requirement("actors:provider-failure", "actors:queue")
def test_what_was_said_during_a_call_that_failed_gets_an_answer_of_its_own() -> None:
    talk = Talk()
    talk.ask("one")
    talk.ask("two")
    talk.host.refuse(talk.waiting, "provider.failed", "It fell over.")
    assert talk.heard == [{"role": "user", "content": "one\n\ntwo"}]
    talk.say("Fine.")
    assert [answer["outcome"] for answer in talk.done] == ["failed", "done"]


@requirement("actors:tool-timeout")
def test_a_tool_that_never_answers_is_cancelled_and_the_model_is_told() -> None:
    talk = Talk({"tool_timeout_ms": 5000})
    talk.ask("go")
    talk.say("", ("look", {}), ("run", {}))
    talk.result("call-1", "seen")
    talk.host.advance(4.9)
    assert not talk.thinking
    talk.host.advance(0.2)
    assert talk.sent("vespiary.tool.cancel") == [{"call": "call-2"}]
    assert [message["content"] for message in talk.heard[-2:]] == [
        "seen",
        "Error: run did not answer within 5 s and was cancelled.",
    ]
    talk.result("call-2", "late")
    talk.say("", ("look", {}))
    assert talk.calls[-1]["call"] not in ("call-1", "call-2")


@requirement("actors:tool-actor-breaks")
def test_calls_of_an_actor_that_breaks_are_answered_and_others_go_on() -> None:
    talk = Talk(tools=[tool_spec("look", actor="files"), tool_spec("run", actor="shell")])
    talk.ask("go")
    talk.say("", ("run", {}), ("look", {}))
    failure = {"actor": f"{SCOPE}/shell", "code": "actor.trap", "message": "it trapped", "restarted": True}
    talk.host.send("vespiary.actor.failed", failure, sender=f"{SCOPE}/evil")
    talk.host.send("vespiary.actor.failed", {**failure, "actor": "zzzzzz/shell"})
    assert len(talk.sent("vespiary.tool.result")) == 0
    talk.host.send("vespiary.actor.failed", failure)
    assert not talk.thinking
    talk.result("call-2", "seen")
    assert [message["content"] for message in talk.heard[-2:]] == [
        "Error: The actor that runs run broke during the call: it trapped",
        "seen",
    ]


@requirement("actors:tool-actor-breaks")
def test_who_runs_a_tool_is_learnt_from_its_answers() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", {}), ("run", {}))
    talk.result("call-1", "seen", sender=f"{SCOPE}/files")
    talk.result("call-2", "ran", sender=f"{SCOPE}/shell")
    talk.say("", ("look", {}), ("run", {}))
    talk.host.send("vespiary.actor.failed", {"actor": f"{SCOPE}/files", "message": "it looped", "restarted": True})
    refused = [result["name"] for result in talk.sent("vespiary.tool.result")]
    assert refused == ["look"]


@requirement("actors:assistant-breaks")
def test_an_assistant_that_was_started_anew_says_that_the_task_is_lost() -> None:
    talk = Talk(ready=False)
    talk.host.send("vespiary.actor.failed", {"actor": f"{SCOPE}/assistant", "message": "no memory", "restarted": True})
    (answer,) = talk.done
    assert (answer["outcome"], answer["problem"]["code"]) == ("failed", "assistant.broken")
    assert "no memory" in answer["problem"]["message"]
    talk.ask("again")
    assert len(talk.done) == 2


def test_too_many_calls_in_one_reply_are_put_off() -> None:
    talk = Talk()
    talk.ask("go")
    calls: list[tuple[str, Any]] = [("look", {})] * 70
    talk.say("", *calls)
    assert len(talk.calls) == 64
    for call in list(talk.calls):
        talk.result(call["call"], "seen")
    assert sum("was not run" in message["content"] for message in talk.heard if message["role"] == "tool") == 6


def test_a_huge_result_is_shortened() -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", {}))
    talk.result("call-1", "a" * 150_000 + "b" * 150_000)
    content = talk.heard[-1]["content"]
    assert len(content) < 101_000
    assert content.startswith("aaa")
    assert content.endswith("bbb")
    assert "200,000 characters omitted" in content


@pytest.mark.parametrize("payload", [None, 7, [], {}, {"text": 3}, {"text": " "}, {"role": "user"}])
def test_a_task_without_text_fails_and_does_not_hang(payload: Any) -> None:
    talk = Talk()
    talk.host.send("vespiary.agent.message", payload)
    assert talk.done[0]["problem"]["code"] == "assistant.message"
    talk.host.send("vespiary.agent.message", payload, sender=f"{SCOPE}/other")
    assert len(talk.done) == 1


@pytest.mark.parametrize("type_", ["vespiary.tool.result", "vespiary.actor.failed", "vespiary.agent.ready"])
@pytest.mark.parametrize("payload", [None, 7, [], {}, {"call": 3}, {"tools": 3}, {"actor": None}])
def test_nonsense_in_messages_does_no_harm(type_: str, payload: Any) -> None:
    talk = Talk()
    talk.ask("go")
    talk.say("", ("look", {}))
    talk.host.send(type_, payload)
    talk.result("call-1", "seen")
    talk.say("Fine.")
    assert talk.done[-1] == {"outcome": "done", "text": "Fine."}
    assert talk.host.failures == []


@requirement("actors:assistant-config")
@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"max_rounds": 0}, "max_rounds"),
        ({"max_rounds": True}, "max_rounds"),
        ({"max_corrections": "3"}, "max_corrections"),
        ({"prompt": 5}, "prompt"),
        ({"tool_timeout_ms": -1}, "tool_timeout_ms"),
        ({"sampling": "hot"}, "sampling"),
        ({"sampling": {"temperature": "hot"}}, "temperature"),
    ],
)
def test_a_wrong_setting_is_named(config: dict[str, Any], key: str) -> None:
    with pytest.raises(ActorError, match=f"assistant: `{key}` must be"):
        Talk(config)


@requirement("actors:assistant-config")
def test_an_unknown_setting_is_logged() -> None:
    assert "max_ronds" in Talk({"max_ronds": 3}).host.log[0].text


def test_a_fault_of_the_assistant_is_told_and_the_next_task_works() -> None:
    talk = Talk()
    talk.ask("go")
    talk.host.answer(talk.waiting, {"message": {"role": "assistant", "tool_calls": [{"id": 1}]}})
    assert talk.done[0]["problem"]["code"] == "assistant.internal"
    assert talk.host.failures
    talk.ask("again")
    talk.say("Fine.")
    assert talk.done[-1]["outcome"] == "done"


_REPLIES = st.one_of(
    st.tuples(st.text(max_size=20), st.just(()), st.sampled_from(["stop", "length", "tool_calls", "odd"])),
    st.tuples(
        st.text(max_size=5),
        st.lists(
            st.tuples(
                st.sampled_from(["look", "run", "", "fly", "a b"]), st.sampled_from(["", "{}", "[", '{"a":1}', "7"])
            ),
            min_size=1,
            max_size=4,
        ).map(tuple),
        st.sampled_from(["stop", "length", "tool_calls"]),
    ),
)


@given(st.lists(_REPLIES, min_size=1, max_size=12), st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_a_model_says_the_conversation_stayswell_formed(replies: list[Any], data: st.DataObject) -> None:
    talk = Talk({"max_rounds": 8})
    talk.ask("go")
    for text, calls, finish in replies:
        if not talk.thinking:
            talk.ask("more")
        well_formed(talk.heard)
        before = len(talk.calls)
        talk.say(text, *calls, finish=finish)
        for call in data.draw(st.permutations(talk.calls[before:])):
            talk.result(call["call"], f"result of {call['call']}")
    assert talk.host.failures == []
    assert talk.thinking or talk.done
