"""The OpenAI-compatible provider against a real server on loopback that behaves as badly as servers do."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, cast

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from support.fake_openai import FakeOpenAI, Reply, call, cut, fail, garbage, hang, say
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
    ToolSpec,
)
from vespiary.providers.openai import Endpoint, OpenAIProvider, Sampling
from vespiary.providers.openai_reply import ReplyReader
from vespiary.providers.openai_request import dialect_of, normal_base_url

pytestmark = pytest.mark.anyio

TOOLS = (ToolSpec("read_file", "Reads.", {"type": "object", "properties": {"path": {"type": "string"}}}),)
REQUEST = ChatRequest((ChatMessage("system", "Be brief."), ChatMessage("user", "hi")), TOOLS)
KEY = "sk-very-secret"


@asynccontextmanager
async def serving(
    *replies: Reply, sampling: Sampling | None = None, **more: Any
) -> "AsyncGenerator[tuple[FakeOpenAI, OpenAIProvider]]":
    async with FakeOpenAI(replies) as server:
        provider = OpenAIProvider(Endpoint(server.base_url, "fake", KEY, **more), sampling)
        try:
            yield server, provider
        finally:
            await provider.aclose()


async def gather(provider: OpenAIProvider, request: ChatRequest = REQUEST) -> list[StreamItem]:
    return [item async for item in provider.stream(request)]


async def failing(provider: OpenAIProvider) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await gather(provider)
    assert KEY not in str(caught.value)
    return caught.value


def text_of(items: list[StreamItem]) -> str:
    return "".join(item.text for item in items if isinstance(item, Text))


def calls_of(items: list[StreamItem]) -> list[tuple[str, str, str]]:
    """Id, name and arguments of each call, put together."""
    made: dict[int, list[str]] = {}
    for item in items:
        if isinstance(item, ToolCallDelta):
            one = made.setdefault(item.index, ["", "", ""])
            one[0] += item.id or ""
            one[1] += item.name or ""
            one[2] += item.arguments
    return [(one[0], one[1], one[2]) for one in made.values()]


def event(*deltas: dict[str, Any], finish: str | None = None, **more: Any) -> str:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish} for delta in deltas]
    return json.dumps({"choices": choices, **more})


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


@requirement("providers:cut")
async def test_a_cut_stream_is_a_failure_that_may_be_tried_again() -> None:
    whole = call("read_file", {"path": "a"})
    for reply in (
        cut(),
        Reply(tool_calls=whole.tool_calls, then="cut"),
        Reply(events=[event({"content": "half"})]),
        Reply(body=b""),
    ):
        async with serving(reply) as (_, provider):
            error = await failing(provider)
            assert error.code == "provider.cut"
            assert error.retryable


@requirement("providers:errors")
async def test_what_is_no_reply_is_said_to_be_none() -> None:
    replies = [
        garbage(),
        garbage(b"<!doctype html><p>x", "text/event-stream"),
        garbage(b"\x00\x01\x02", "application/octet-stream"),
        garbage(b"error: something", "text/plain"),
        garbage(b"data: {broken\n\n", "text/event-stream"),
        garbage(b'{"status": "ok"}', "application/json"),
        garbage(b"[]", "application/json"),
    ]
    async with serving(*replies) as (_, provider):
        for _ in replies:
            error = await failing(provider)
            assert error.code == "provider.not-chat", str(error)
            assert not error.retryable
            assert "base_url" in str(error)


@pytest.mark.parametrize(
    ("reply", "code", "retryable", "says"),
    [
        (fail(401, f"Incorrect API key provided: {KEY}"), "provider.auth", False, "api_key_env"),
        (fail(404, "model not found"), "provider.not-found", False, "model's name"),
        (fail(429, "slow down", retry_after=3), "provider.rate-limited", True, "slow down"),
        (fail(429, "You exceeded", code="insufficient_quota"), "provider.quota", False, "no quota left"),
        (fail(400, "maximum context length is 8192 tokens"), "provider.context-length", False, "too long"),
        (fail(400, "bad schema"), "provider.refused", False, "bad schema"),
        (fail(500, "oops"), "provider.failed", True, "oops"),
        (fail(503, "\x1b[31mred\nalert"), "provider.failed", True, "[31mred alert"),
        (
            Reply(status=502, headers={"content-type": "text/html"}, body=b"<html>bad gateway"),
            "provider.failed",
            True,
            "502.",
        ),
        (
            Reply(status=307, headers={"location": "https://evil.org"}, body=b""),
            "provider.redirect",
            False,
            "not followed",
        ),
        (
            Reply(events=[json.dumps({"error": {"message": "overloaded", "type": "overloaded_error"}})]),
            "provider.failed",
            True,
            "overloaded",
        ),
        (Reply(events=[json.dumps({"error": {"message": "bad", "code": 400}})]), "provider.failed", False, "bad"),
        (
            Reply(headers={"content-type": "application/json"}, body=b'{"error": "nope"}'),
            "provider.failed",
            False,
            "nope",
        ),
    ],
)
@requirement("providers:errors")
async def test_a_failure_says_what_happened_and_what_to_do(reply: Reply, code: str, retryable: bool, says: str) -> None:
    async with serving(reply) as (_, provider):
        error = await failing(provider)
    assert (error.code, error.retryable) == (code, retryable)
    assert says in str(error)
    if code == "provider.rate-limited":
        assert error.retry_after == 3


@requirement("providers:errors")
async def test_a_server_that_is_not_there_is_named() -> None:
    async with FakeOpenAI() as server:
        url = server.base_url
    provider = OpenAIProvider(Endpoint(url, "fake"))
    error = await failing(provider)
    assert error.code == "provider.unreachable"
    assert "127.0.0.1" in str(error)
    assert error.retryable
    await provider.aclose()


@requirement("providers:errors")
async def test_a_silent_server_is_given_up_after_its_time() -> None:
    async with serving(hang(), timeout_s=0.05) as (server, provider):
        error = await failing(provider)
        assert error.code == "provider.timeout"
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


KEYS = [
    *("choices", "delta", "message", "content", "tool_calls", "function", "name", "arguments", "index", "id", "usage"),
    *(
        "finish_reason",
        "reasoning",
        "refusal",
        "text",
        "thinking",
        "prompt_tokens",
        "completion_tokens_details",
        "error",
    ),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=4))
@settings(max_examples=300)
@requirement("providers:errors")
def test_any_json_at_all_is_read_without_a_crash(chunks: list[Any]) -> None:
    reader = ReplyReader(TOOLS, 1)
    for chunk in chunks:
        with suppress(ProviderError):
            list(reader.read(chunk))
    assert isinstance(list(reader.end())[-1], Finished)
