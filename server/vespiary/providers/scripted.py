"""A provider that plays a script of replies: no key, no network, and the same reply for the same conversation, always.

Knows how a reply is streamed. Keeps nothing between calls: conversations never see one another, and a run can resume anywhere.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio

from vespiary.model.runs import Usage
from vespiary.providers.base import (
    ChatRequest,
    Finished,
    ProviderError,
    Reasoning,
    StreamItem,
    Text,
    ToolCallDelta,
)
from vespiary.providers.matching import Match, choose, situation
from vespiary.providers.script import Script, ScriptedCall, ScriptedFailure, fill, read_script

_BYTES_PER_TOKEN = 4
_RETRYABLE = frozenset({408, 409, 425, 429})


class ScriptedProvider:
    """Plays one script. `sleep` takes seconds."""

    def __init__(self, script: Script, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self._script = script
        self._sleep = sleep

    @classmethod
    def from_file(cls, path: Path, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> "ScriptedProvider":
        """A provider for the script in a file. Raises `ScriptError`."""
        return cls(read_script(path), sleep=sleep)

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamItem]:
        """Play the reply that matches the conversation."""
        match = choose(self._script, request.messages, request.attempt)
        reply = match.reply
        await self._wait(reply.latency_s)
        if reply.error is not None and not reply.error.cut:
            raise _failure(reply.error)
        for kind, text in ((Reasoning, reply.reasoning), (Text, reply.text)):
            filled: str = fill(text, match.captured)
            for start in range(0, len(filled), reply.chunk):
                if start:
                    await self._wait(reply.chunk_delay_s)
                yield kind(filled[start : start + reply.chunk])
        if reply.error is not None:
            raise ProviderError(
                "The connection was lost in the middle of the reply.", code="provider.cut", retryable=True
            )
        turn = situation(request.messages).turn
        written = 0
        for index, call in enumerate(reply.tool_calls):
            arguments = _arguments(call, match)
            written += len(arguments)
            yield ToolCallDelta(index, id=f"call_{turn}_{index + 1}", name=call.name, arguments=arguments)
        yield Finished(
            finish="tool_calls" if reply.tool_calls else "stop",
            usage=reply.usage or _estimate(request, len(reply.text) + len(reply.reasoning) + written),
            model="scripted",
        )

    async def aclose(self) -> None:
        """Nothing to release."""

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await self._sleep(seconds)


def _arguments(call: ScriptedCall, match: Match) -> str:
    filled = fill(call.arguments, match.captured)
    # TOML knows dates, JSON does not; they become text.
    return filled if isinstance(filled, str) else json.dumps(filled, ensure_ascii=False, default=str)


def _failure(error: ScriptedFailure) -> ProviderError:
    return ProviderError(
        f"The model answered with status {error.status}: {error.message}",
        code="provider.rate-limited" if error.status == 429 else "provider.failed",
        retryable=error.status in _RETRYABLE or error.status >= 500,
        retry_after=error.retry_after,
    )


def _estimate(request: ChatRequest, written: int) -> Usage:
    """Plausible numbers where the script gives none, from the lengths of the texts."""
    read = sum(
        len(message.content) + sum(len(call.arguments) for call in message.tool_calls) for message in request.messages
    )
    return Usage(input_tokens=read // _BYTES_PER_TOKEN, output_tokens=-(-written // _BYTES_PER_TOKEN), calls=1)
