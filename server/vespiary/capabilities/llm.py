"""The `llm` capability: a model call on behalf of an actor, streamed to the run's events and answered as one message.

Knows who may use which model and how a stream becomes a message. Knows no wire format (providers) and no front (the run port).
"""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from vespiary.capabilities.llm_request import read_request
from vespiary.capabilities.llm_size import size_of
from vespiary.capabilities.ports import CallAccount, Policy, RunPort
from vespiary.capabilities.unicode import Voice, sound
from vespiary.model.errors import RequestRefused
from vespiary.model.events import ReasoningDelta, Status, TextDelta
from vespiary.model.runs import Usage
from vespiary.model.steps import Caller
from vespiary.providers.base import (
    ChatRequest,
    Finished,
    Provider,
    ProviderError,
    Reasoning,
    Retrying,
    StreamItem,
    Text,
    ToolCallDelta,
)

MOST_TEXT = 8_000_000
"""Characters of a reply with its reasoning and arguments. No model says so much, and an actor's memory is bounded."""
MOST_CALLS = 1_000
"""Tool calls of one reply."""
_TOO_LONG = "provider.too-long"


class LlmCapability:
    """Model calls. `models` gives the provider of a name under `models`, as the caller's run knows it."""

    def __init__(self, run: RunPort, models: Callable[[Caller, str], Provider]) -> None:
        self._run = run
        self._models = models

    async def __call__(self, caller: Caller, payload: str) -> str:
        """Call the model and answer with its message, as `wit/llm.wit` says."""
        wanted, request = read_request(payload)
        name = _allowed(self._run.policy(caller.scope), wanted)
        provider = self._models(caller, name)
        account = await self._run.account(caller, name, size_of(request), request.max_tokens)
        reply = _Reply()
        try:
            await self._stream(caller, provider, request, reply, account)
        finally:
            # A call that broke off or was cancelled is paid for as well.
            used = account.close(reply.finished, reply.said())
            if used is not None:
                self._run.tell(caller, used)
        if reply.finished is None:
            raise ProviderError("The model's reply ended without an end.", code="provider.cut", retryable=True)
        return reply.answer(reply.finished.model or name, used.usage if used is not None else reply.finished.usage)

    async def _stream(
        self, caller: Caller, provider: Provider, request: ChatRequest, reply: "_Reply", account: CallAccount
    ) -> None:
        voices = {Text: Voice(), Reasoning: Voice()}
        stream = cast("AsyncGenerator[StreamItem]", provider.stream(request))
        # Closing the stream, rather than leaving it to the garbage collector, ends the connection at once when this is cancelled.
        async with aclosing(stream):
            async for item in stream:
                if isinstance(item, Retrying):
                    voices = {Text: Voice(), Reasoning: Voice()}
                    if said := reply.said():
                        account.lost(said)
                elif isinstance(item, Text | Reasoning):
                    item = type(item)(voices[type(item)].feed(item.text))
                self._tell(caller, item, reply)
                reply.add(item)

    def repeatable(self, payload: str) -> bool:
        """A model call whose answer was lost is made again."""
        return True

    def _tell(self, caller: Caller, item: StreamItem, reply: "_Reply") -> None:
        match item:
            case Text(text) if text:
                self._run.tell(caller, TextDelta(text))
            case Reasoning(text) if text:
                self._run.tell(caller, ReasoningDelta(text))
            case Retrying():
                # Somebody who already saw text must know that the message begins anew.
                state = "restarted" if reply.text or reply.reasoning else "retrying"
                detail = f"{item.reason} Trying again in {_seconds(item.delay)} (try {item.attempt})."
                self._run.tell(caller, Status(state, detail))
            case _:
                pass


def _allowed(policy: Policy, wanted: str | None) -> str:
    if wanted is None or wanted == policy.model:
        return policy.model
    if wanted not in policy.models:
        raise RequestRefused(
            f"The agent {policy.agent!r} may not use the model {wanted!r}.",
            hint=f"Add it to `models` under [agents.{policy.agent}].",
            code="llm.model-refused",
        )
    return wanted


def _seconds(delay: float) -> str:
    return "a moment" if delay < 1 else f"{delay:.0f} s"


@dataclass(slots=True)
class _Call:
    """A tool call under way."""

    id: str | None = None
    name: str | None = None
    arguments: list[str] = field(default_factory=list[str])


class _Reply:
    """A message under way. `add` raises `ProviderError` for one that is longer than any that is meant."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.finished: Finished | None = None
        self._calls: dict[int, _Call] = {}
        self._size = 0

    def add(self, item: StreamItem) -> None:
        """Take in what the provider gave."""
        match item:
            case Text(text):
                self._grow(text)
                self.text.append(text)
            case Reasoning(text):
                self._grow(text)
                self.reasoning.append(text)
            case ToolCallDelta():
                self._grow(item.arguments)
                if item.index not in self._calls and len(self._calls) == MOST_CALLS:
                    raise ProviderError(f"The model made more than {MOST_CALLS:,} tool calls at once.", code=_TOO_LONG)
                call = self._calls.setdefault(item.index, _Call())
                call.id = call.id or item.id
                call.name = call.name or item.name
                call.arguments.append(item.arguments)
            case Retrying():
                self.__init__()
            case Finished():
                self.finished = item

    def _grow(self, text: str) -> None:
        self._size += len(text)
        if self._size > MOST_TEXT:
            raise ProviderError(f"The model's reply is longer than {MOST_TEXT:,} characters.", code=_TOO_LONG)

    def said(self) -> int:
        """The bytes that the model wrote so far."""
        arguments = (piece for call in self._calls.values() for piece in call.arguments)
        # An argument may hold half a character, whose other half comes with the next piece.
        return sum(len(piece.encode("utf-8", "replace")) for piece in (*self.text, *self.reasoning, *arguments))

    def answer(self, model: str, usage: Usage) -> str:
        """The whole reply as JSON text. `usage` is what it counts for."""
        assert self.finished is not None
        message: dict[str, Any] = {"role": "assistant", "content": sound("".join(self.text))}
        calls = [
            {
                "id": sound(call.id or f"call_{index}"),
                "name": sound(call.name or ""),
                "arguments": sound("".join(call.arguments)) or "{}",
            }
            for index, call in sorted(self._calls.items())
        ]
        if calls:
            message["tool_calls"] = calls
        if self.reasoning:
            message["reasoning"] = sound("".join(self.reasoning))
        answer = {
            "message": message,
            "finish": self.finished.finish,
            "usage": _usage(usage),
            "model": model,
        }
        return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "calls": usage.calls,
    }
