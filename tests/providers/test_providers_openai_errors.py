"""How the OpenAI-compatible provider reports endpoints that fail, lie or fall silent."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from support.endpoints import KEY, TOOLS, event, failing, serving
from support.fake_openai import FakeOpenAI, Reply, call, cut, fail, garbage, hang
from vespiary.providers.base import (
    Finished,
    ProviderError,
)
from vespiary.providers.openai import Endpoint, OpenAIProvider
from vespiary.providers.openai_reply import ReplyReader

pytestmark = pytest.mark.anyio


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


@pytest.mark.parametrize(
    ("said", "told"), [("Rate limit reached", "Rate limit reached."), ("Slow down!", "Slow down!"), ("Wait.", "Wait.")]
)
async def test_what_an_endpoint_says_is_told_as_a_sentence(said: str, told: str) -> None:
    async with serving(fail(429, said)) as (_, provider):
        error = await failing(provider)
        assert error.message.endswith(f": {told}")
