"""The `llm` capability: a model call on behalf of an actor, streamed to the run's events and answered as one message.

Knows who may use which model and how a stream becomes a message. Knows no wire format (providers) and no front (the run port).
"""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from vespiary.capabilities.llm_request import read_request
from vespiary.capabilities.ports import Policy, RunPort
from vespiary.model.errors import RequestRefused
from vespiary.model.events import ReasoningDelta, Status, TextDelta, UsageEvent
from vespiary.model.runs import Usage
from vespiary.model.steps import Caller
from vespiary.providers.base import (
    Finished,
    Provider,
    ProviderError,
    Reasoning,
    Retrying,
    StreamItem,
    Text,
    ToolCallDelta,
)


class LlmCapability:
    """Model calls. `models` gives the provider of a name under `models`, as the caller's run knows it."""

    def __init__(self, run: RunPort, models: Callable[[Caller, str], Provider]) -> None:
        self._run = run
        self._models = models

    async def __call__(self, caller: Caller, payload: str) -> str:
        """Call the model and answer with its message, as `wit/llm.wit` says."""
        wanted, request = read_request(payload)
        name = _allowed(self._run.policy(caller.scope), wanted)
        reply = _Reply()
        stream = cast("AsyncGenerator[StreamItem]", self._models(caller, name).stream(request))
        # Closing the stream, rather than leaving it to the garbage collector, ends the connection at once when this is cancelled.
        async with aclosing(stream):
            async for item in stream:
                self._tell(caller, item, reply)
                reply.add(item)
        if reply.finished is None:
            raise ProviderError("The model's reply ended without an end.", code="provider.cut", retryable=True)
        model = reply.finished.model or name
        self._run.tell(caller, UsageEvent(model, reply.finished.usage, reply.finished.usage))
        return reply.answer(model)

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
    """A message under way."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.finished: Finished | None = None
        self._calls: dict[int, _Call] = {}

    def add(self, item: StreamItem) -> None:
        """Take in what the provider gave."""
        match item:
            case Text(text):
                self.text.append(text)
            case Reasoning(text):
                self.reasoning.append(text)
            case ToolCallDelta():
                call = self._calls.setdefault(item.index, _Call())
                call.id = call.id or item.id
                call.name = call.name or item.name
                call.arguments.append(item.arguments)
            case Retrying():
                self.__init__()
            case Finished():
                self.finished = item

    def answer(self, model: str) -> str:
        """The whole reply as JSON text."""
        assert self.finished is not None
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.text)}
        calls = [
            {"id": call.id or f"call_{index}", "name": call.name or "", "arguments": "".join(call.arguments) or "{}"}
            for index, call in sorted(self._calls.items())
        ]
        if calls:
            message["tool_calls"] = calls
        if self.reasoning:
            message["reasoning"] = "".join(self.reasoning)
        answer = {
            "message": message,
            "finish": self.finished.finish,
            "usage": _usage(self.finished.usage),
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
