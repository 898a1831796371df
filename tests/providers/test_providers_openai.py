"""The OpenAI-compatible provider against a real server on loopback that behaves as badly as servers do."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import anyio
import pytest
from ledger import requirement
from support.endpoints import KEY, REQUEST, TOOLS, calls_of, event, failing, gather, serving, text_of
from support.fake_openai import FakeOpenAI, Reply, fail, hang, say
from vespiary.model.runs import Usage
from vespiary.providers.base import (
    ChatMessage,
    ChatRequest,
    Finished,
    Reasoning,
    StreamItem,
    ToolCall,
)
from vespiary.providers.openai import Endpoint, OpenAIProvider, Sampling
from vespiary.providers.openai_request import dialect_of, normal_base_url

pytestmark = pytest.mark.anyio


@requirement("providers:split-anywhere", "providers:tool-calls", "providers:usage", "providers:reasoning")
@pytest.mark.parametrize("split", [None, 1, 7, 64])
async def test_a_reply_comes_out_whole_however_it_was_cut(split: int | None) -> None:
    reply = Reply(
        text="I will look: é✓",
        reasoning="hmm",
        tool_calls=[("read_file", {"path": "ä.py"}), ("read_file", {"path": "b.py"})],
        usage={
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        split=split,
        pieces=3,
    )
    async with serving(reply) as (_, provider):
        items = await gather(provider)
    assert "".join(item.text for item in items if isinstance(item, Reasoning)) == "hmm"
    assert text_of(items) == "I will look: é✓"
    assert calls_of(items) == [
        ("call_2_0", "read_file", '{"path": "\\u00e4.py"}'),
        ("call_2_1", "read_file", '{"path": "b.py"}'),
    ]
    assert items[-1] == Finished("tool_calls", Usage(11, 7, 2, 3, 1), "fake")


async def test_the_request_is_what_the_api_expects() -> None:
    first = ChatMessage("assistant", "", (ToolCall("c1", "read_file", '{"path":"a"}'),), reasoning="because")
    conversation = (*REQUEST.messages, first, ChatMessage("tool", "text", tool_call_id="c1"))
    async with serving(say("ok"), sampling=Sampling(0.5, 0.9, 100), reasoning_field="reasoning_content") as (
        server,
        provider,
    ):
        await gather(provider, ChatRequest(conversation, TOOLS, "required", max_tokens=50, stop=("END",)))
        (asked,) = server.requests
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        "model": "fake",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 50,
        "stop": ["END"],
        "tool_choice": "required",
        "tools": [
            {
                "type": "function",
                "function": {"name": "read_file", "description": "Reads.", "parameters": TOOLS[0].parameters},
            }
        ],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "because",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": '{"path":"a"}'}}
                ],
            },
            {"role": "tool", "content": "text", "tool_call_id": "c1"},
        ],
    }


@requirement("providers:local")
async def test_without_a_key_none_is_sent() -> None:
    async with FakeOpenAI([say("ok")]) as server:
        provider = OpenAIProvider(Endpoint(server.base_url.removesuffix("/v1") + "/", "fake"))
        assert text_of(await gather(provider)) == "ok"
        assert "authorization" not in server.requests[0].headers
        await provider.aclose()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://localhost:11434", "http://localhost:11434/v1"),
        ("http://localhost:11434/", "http://localhost:11434/v1"),
        ("http://x/v1/", "http://x/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("http://x/v1/chat/completions", "http://x/v1"),
    ],
)
def test_a_base_url_may_be_written_in_several_ways(written: str, meant: str) -> None:
    assert normal_base_url(written) == meant


def test_openai_itself_is_told_completion_tokens_and_others_tokens() -> None:
    assert dialect_of("https://api.openai.com/v1").max_tokens_field == "max_completion_tokens"
    assert dialect_of("https://api.openai.com.evil.org/v1").max_tokens_field == "max_tokens"


async def test_an_endpoint_that_does_not_know_a_field_is_asked_in_other_words() -> None:
    complaints = [
        fail(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        fail(422, "stream_options: extra fields not permitted"),
        say("ok"),
        say("ok"),
    ]
    async with serving(*complaints, sampling=Sampling(max_tokens=9)) as (server, provider):
        assert text_of(await gather(provider)) == "ok"
        await gather(provider)
        assert server.calls == 4
        assert server.requests[-1].body["max_completion_tokens"] == 9
        assert "max_tokens" not in server.requests[-1].body
        assert "stream_options" not in server.requests[-1].body


async def test_an_endpoint_that_is_never_content_is_not_asked_for_ever() -> None:
    grumpy = [fail(400, "max_tokens and max_completion_tokens are both unsupported")] * 9
    async with serving(*grumpy, sampling=Sampling(max_tokens=9)) as (server, provider):
        await failing(provider)
        assert server.calls == 3


DONE = "[DONE]"
NATIVE = {"index": 0, "id": "a", "function": {"name": "read_file", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        ([event({"tool_calls": [NATIVE, {**NATIVE, "index": 1, "id": "b"}]}, finish="tool_calls")], ["a", "b"]),
        ([event({"tool_calls": [NATIVE]}), event({"tool_calls": [{**NATIVE, "id": "b"}]}, finish="stop")], ["a", "b"]),
        (
            [
                event(
                    {
                        "tool_calls": [
                            {"id": "a", "function": NATIVE["function"]},
                            {"id": "b", "function": NATIVE["function"]},
                        ]
                    }
                ),
                DONE,
            ],
            ["a", "b"],
        ),
        ([event({"tool_calls": [{"function": NATIVE["function"]}]}), DONE], ["call_2_1"]),
        (
            [
                event({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "read_file", "arguments": ""}}]}),
                event({"tool_calls": [{"function": {"arguments": "{"}}]}),
                event({"tool_calls": [{"index": 0, "id": "", "function": {"name": "", "arguments": "}"}}]}),
                DONE,
            ],
            ["a"],
        ),
        (
            [
                event({"tool_calls": [{"index": 0, "id": "a"}]}),
                event({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "read_file", "arguments": {}}}]}),
                DONE,
            ],
            ["a"],
        ),
    ],
)
@requirement("providers:tool-calls")
async def test_calls_come_out_whole_from_every_kind_of_server(events: list[str], calls: list[str]) -> None:
    async with serving(Reply(events=events)) as (_, provider):
        items = await gather(provider)
    assert calls_of(items) == [(id_, "read_file", "{}") for id_ in calls]
    assert cast("Finished", items[-1]).finish == "tool_calls"


@requirement("providers:text-calls")
async def test_a_printed_call_is_a_call_and_its_markup_is_not_shown() -> None:
    printed = 'I look.\n<tool_call>\n{"name": "read_file", "arguments": {"path": "a.py"}}\n</tool_call>\n'
    async with serving(say(printed, pieces=2)) as (_, provider):
        items = await gather(provider)
    assert text_of(items) == "I look.\n"
    assert calls_of(items) == [("call_2_1", "read_file", '{"path": "a.py"}')]
    assert cast("Finished", items[-1]).finish == "tool_calls"


@requirement("providers:reasoning")
async def test_reasoning_is_found_under_every_name() -> None:
    replies = [
        Reply(events=[event({"reasoning": "a"}), event({"content": "b"}), DONE]),
        Reply(events=[event({"reasoning": "a", "reasoning_content": "a"}), event({"content": "b"}), DONE]),
        say("<think>a</think>\nb", pieces=1),
        Reply(events=[event({"content": [{"type": "thinking", "thinking": [{"text": "a"}]}, {"text": "b"}]}), DONE]),
    ]
    async with serving(*replies) as (_, provider):
        for _ in replies:
            items = await gather(provider)
            assert "".join(item.text for item in items if isinstance(item, Reasoning)) == "a"
            assert text_of(items) == "b"


async def test_a_refusal_is_said_and_the_end_says_filter() -> None:
    async with serving(Reply(events=[event({"refusal": "I cannot."}, finish="stop"), DONE])) as (_, provider):
        items = await gather(provider)
    assert text_of(items) == "I cannot."
    assert cast("Finished", items[-1]).finish == "filter"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(events=[event({"content": "ok"}, finish="stop")]),
        Reply(events=[event({"content": "ok"}), DONE]),
        Reply(events=[event({"content": "ok"}), DONE, "not json after the end"]),
        Reply(events=[event({"content": "ok"}, finish="stop"), event(usage=None), DONE]),
        Reply(
            headers={"content-type": "text/plain"},
            body=b': hi\n\ndata: {"choices":[{"delta":{"content":"ok"}}]}\n\ndata: [DONE]',
        ),
        Reply(
            headers={"content-type": "application/json"},
            body=b'{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}',
        ),
        Reply(body=b'\xef\xbb\xbf  \n{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}'),
    ],
    ids=["no-done", "no-reason", "after-done", "null-usage", "plain", "json", "json-as-stream"],
)
@requirement("providers:usage")
async def test_a_complete_reply_is_read_whatever_form_it_has(reply: Reply) -> None:
    async with serving(reply) as (_, provider):
        items = await gather(provider)
    assert text_of(items) == "ok"
    assert cast("Finished", items[-1]).usage == Usage(calls=1)


async def test_a_connection_that_is_lost_after_the_end_was_not_needed_any_more() -> None:
    body = event({"content": "ok"}, finish="stop")
    async with serving(Reply(events=[body, ": " + "x" * len(body)], then="cut")) as (_, provider):
        assert text_of(await gather(provider)) == "ok"


async def test_a_server_that_never_closes_after_the_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vespiary.providers.openai.AFTER_REASON_S", 0.01)
    body = event({"content": "ok"}, finish="stop")
    async with serving(Reply(events=[body, ": " + "x" * len(body)], then="hang")) as (server, provider):
        assert text_of(await gather(provider)) == "ok"
        await server.until(lambda server: server.disconnects == 1)


@requirement("providers:cancel")
async def test_a_cancelled_call_closes_its_connection_at_once() -> None:
    async with serving(hang("Hello, here is a longer text.")) as (server, provider), anyio.create_task_group() as tasks:
        heard = anyio.Event()

        async def listen() -> None:
            async for _ in provider.stream(REQUEST):
                heard.set()

        tasks.start_soon(listen)
        await heard.wait()
        tasks.cancel_scope.cancel()
    assert (server.disconnects, server.answered) == (1, 0)


@requirement("providers:cancel")
async def test_a_call_cancelled_before_its_first_byte_closes_its_connection() -> None:
    async with serving(say("late", latency=60)) as (server, provider):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gather, provider)
            await server.until(lambda server: server.calls == 1)
            tasks.cancel_scope.cancel()
        await server.until(lambda server: server.disconnects == 1, timeout=1)


@requirement("providers:cancel")
async def test_a_stream_that_is_closed_early_closes_its_connection() -> None:
    async with serving(hang()) as (server, provider):
        async with aclosing(cast("AsyncGenerator[StreamItem]", provider.stream(REQUEST))) as stream:
            await anext(stream)
        await server.until(lambda server: server.disconnects == 1, timeout=1)


@requirement("providers:concurrency")
async def test_calls_wait_for_their_turn_and_connections_are_used_again() -> None:
    async with FakeOpenAI(lambda _: say("ok", latency=0.01)) as server:
        provider = OpenAIProvider(Endpoint(server.base_url, "fake", max_concurrency=3))
        async with anyio.create_task_group() as tasks:
            for _ in range(12):
                tasks.start_soon(gather, provider)
        assert server.answered == 12
        assert server.connections <= 3
        await provider.aclose()
