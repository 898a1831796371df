"""Calls of the OpenAI-compatible provider against the fake server, for tests."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.fake_openai import FakeOpenAI, Reply
from vespiary.providers.base import ChatMessage, ChatRequest, ProviderError, StreamItem, Text, ToolCallDelta, ToolSpec
from vespiary.providers.openai import Endpoint, OpenAIProvider, Sampling

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
