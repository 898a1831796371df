"""The scripted provider: which reply is given, how it is played, and what is said of a bad script."""

from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from vespiary.model.runs import Usage
from vespiary.providers.base import (
    ChatMessage,
    ChatRequest,
    Finished,
    ProviderError,
    Reasoning,
    StreamItem,
    Text,
    ToolCall,
    ToolCallDelta,
)
from vespiary.providers.script import ScriptError, parse_script, read_script
from vespiary.providers.scripted import ScriptedProvider

pytestmark = pytest.mark.anyio


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def called(name: str, result: str, id_: str = "c") -> tuple[ChatMessage, ChatMessage]:
    return ChatMessage("assistant", "", (ToolCall(id_, name, "{}"),)), ChatMessage("tool", result, tool_call_id=id_)


def said(text: str) -> ChatMessage:
    return ChatMessage("assistant", text)


async def play(script: str, *messages: ChatMessage, attempt: int = 1, **more: Any) -> list[StreamItem]:
    provider = ScriptedProvider(parse_script(script, "replies.toml"), **more)
    return [item async for item in provider.stream(ChatRequest(messages, attempt=attempt))]


async def text(script: str, *messages: ChatMessage, attempt: int = 1) -> str:
    items = await play(script, *messages, attempt=attempt)
    return "".join(item.text for item in items if isinstance(item, Text))


SCRIPT = """
[[reply]]
user = "fix"
text = "reading"
[[reply]]
tool = "read_file"
result = "FAILED"
text = "it failed"
[[reply]]
tool = "read_file"
text = "it was read"
[[reply]]
system = "reviewer"
text = "I review"
[[reply]]
turn = 3
text = "third"
[default]
text = "anything else"
"""


@requirement("providers:scripted")
async def test_the_first_reply_whose_conditions_hold_is_given() -> None:
    assert await text(SCRIPT, user("please fix it")) == "reading"
    assert await text(SCRIPT, user("please fix it"), *called("read_file", "2 FAILED")) == "it failed"
    assert await text(SCRIPT, user("please fix it"), *called("read_file", "fine")) == "it was read"
    assert await text(SCRIPT, user("hello")) == "anything else"
    assert await text(SCRIPT, ChatMessage("system", "You are a reviewer."), user("hello")) == "I review"
    assert await text(SCRIPT, user("a"), said("b"), user("c"), said("d"), user("e")) == "third"


async def test_any_of_several_results_may_fit() -> None:
    first, result = called("other", "x", "1")
    second = ChatMessage("tool", "FAILED", tool_call_id="2")
    both = ChatMessage("assistant", "", (*first.tool_calls, ToolCall("2", "read_file", "{}")))
    assert await text(SCRIPT, user("fix"), both, result, second) == "it failed"


async def test_an_older_result_fits_no_more() -> None:
    assert await text(SCRIPT, user("x"), *called("read_file", "FAILED"), said("ok"), user("fix")) == "reading"


@requirement("providers:scripted")
async def test_what_was_captured_is_filled_in_everywhere() -> None:
    script = """
    [[reply]]
    result = { regex = 'scope (?P<scope>\\w+)' }
    text = "found ${scope}, not $${scope}"
    [[reply.tool_calls]]
    name = "send"
    arguments = { to = ["${scope}"], deep = { n = 1 } }
    """
    items = await play(script, user("x"), *called("spawn", "in scope a1B2c3 now"))
    assert "".join(item.text for item in items if isinstance(item, Text)) == "found a1B2c3, not ${scope}"
    assert ToolCallDelta(0, "call_2_1", "send", '{"to": ["a1B2c3"], "deep": {"n": 1}}') in items


@requirement("providers:scripted")
async def test_times_are_counted_within_one_conversation_and_never_across() -> None:
    script = '[[reply]]\ntimes = 2\nuser = "go"\ntext = "again"\n[[reply]]\nuser = "go"\ntext = "enough"\n'
    provider = ScriptedProvider(parse_script(script))
    for _ in range(3):
        conversation = [user("go")]
        for expected in ("again", "again", "enough"):
            items = [item async for item in provider.stream(ChatRequest(tuple(conversation)))]
            assert items[0] == Text(expected)
            conversation += [said(expected), user("go")]


async def test_a_failure_counts_the_attempts_of_a_call() -> None:
    script = '[[reply]]\ntimes = 2\nerror = { status = 429, retry_after = 3 }\n[[reply]]\ntext = "at last"\n'
    for attempt in (1, 2):
        with pytest.raises(ProviderError) as caught:
            await text(script, user("x"), attempt=attempt)
        assert (caught.value.retryable, caught.value.retry_after) == (True, 3)
    assert await text(script, user("x"), attempt=3) == "at last"


async def test_a_refusal_is_not_worth_another_try_and_a_cut_stream_is() -> None:
    with pytest.raises(ProviderError) as caught:
        await text('[[reply]]\nerror = { status = 400, message = "no" }\n', user("x"))
    assert not caught.value.retryable
    stream = ScriptedProvider(parse_script('[[reply]]\ntext = "half"\nerror = { cut = true }\n')).stream(
        ChatRequest((user("x"),))
    )
    assert await anext(stream) == Text("half")
    with pytest.raises(ProviderError) as caught:
        await anext(stream)
    assert caught.value.retryable


@requirement("providers:scripted")
async def test_a_reply_is_streamed_in_chunks_with_its_latency() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    script = """
    chunk = 4
    latency_ms = 250
    chunk_delay_ms = 10
    [[reply]]
    reasoning = "hmm"
    text = "123456789"
    usage = { input_tokens = 5, output_tokens = 6 }
    """
    items = await play(script, user("x"), sleep=sleep)
    assert items == [
        Reasoning("hmm"),
        Text("1234"),
        Text("5678"),
        Text("9"),
        Finished("stop", Usage(5, 6, calls=1), "scripted"),
    ]
    assert slept == [0.25, 0.01, 0.01]


@requirement("providers:script-errors")
async def test_where_nothing_fits_the_error_shows_what_was_asked_and_what_is_near() -> None:
    script = '[[reply]]\nname = "start"\nuser = "fix"\ntext = "a"\n[[reply]]\ntool = "run"\nresult = "ok"\ntext = "b"\n'
    with pytest.raises(ProviderError) as caught:
        await text(script, user("do"), *called("run", "failed"))
    error = str(caught.value)
    assert caught.value.code == "script.no-match"
    assert not caught.value.retryable
    assert "run returned 'failed'" in error
    assert "reply 2: there is no result of run with 'ok'" in error
    assert "reply 1 (start): user has no 'fix'" in error


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("[[reply]\n", "replies.toml is not TOML"),
        ("", "there is no reply. Begin one with [[reply]]."),
        ('[[reply]]\ntxt = "a"', "reply 1: txt: unknown key. Did you mean `text`?"),
        ('[[replies]]\ntext = "a"', "the file: replies: unknown key. Did you mean `reply`?"),
        ('[reply]\ntext = "a"', "reply: must be a list of tables. Begin each with [[reply]]."),
        ('[[reply]]\nname = "x"\nuser = 3', 'reply 1 (x): user: must be a text or { regex = "..." }.'),
        ('[[reply]]\nuser = { regex = "(" }', "is not a regular expression"),
        ("[[reply]]\n[[reply.tool_calls]]\narguments = {}", "reply 1, tool_calls 1: name: is missing."),
        ('[[reply]]\ntext = "${who}"', "reply 1: ${who} stands for nothing."),
        ("[[reply]]\nturn = 0", "reply 1: turn: must be a whole number from 1."),
        ("[[reply]]\nlatency_ms = -1", "latency_ms: must be a number from 0"),
        ("[[reply]]\nlatency_ms = nan", "latency_ms: must be a number from 0"),
        ("[[reply]]\nusage = { tokens = 1 }", "reply 1, usage: tokens: unknown key."),
        ('[default]\nuser = "x"', "default: takes no condition."),
    ],
)
@requirement("providers:script-errors")
def test_a_malformed_script_names_file_reply_and_key(script: str, error: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script(script, "replies.toml")
    assert str(caught.value).startswith("replies.toml")
    assert error in str(caught.value)


@requirement("providers:script-errors")
def test_a_missing_script_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="no such file"):
        read_script(tmp_path / "nowhere.toml")
