"""What a model provider is: one streaming call. Values and protocols only; no IO, no wire format.

The `llm` capability is the only caller. Retries live around a provider, not in it (`vespiary.providers.retry`).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from vespiary.model.errors import VespiaryError
from vespiary.model.runs import Usage


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that a model made. `arguments` is JSON text as the model wrote it, possibly broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation. `reasoning` is handed back to providers that want it."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool offered to a model; `parameters` is a JSON schema as an object."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    attempt: int = 1
    """Counts the tries of the same call; only `retry` sets it."""


# What a provider yields


@dataclass(frozen=True, slots=True)
class Text:
    """More text."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of what the model thinks aloud."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a tool call. `index` tells calls of one reply apart; `id` and `name` come with the first delta of a call."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


Finish = Literal["stop", "tool_calls", "length", "filter"]


@dataclass(frozen=True, slots=True)
class Finished:
    """The last value of every stream that ended well."""

    finish: Finish
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    model: str = ""
    """The model as the provider names it."""
    counted: bool = True
    """Whether the provider counted. If not, what `usage` holds of tokens is nothing, or not all."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """The call failed and begins anew after `delay` seconds: whatever it gave so far is void. Only `retry` yields this."""

    attempt: int
    """The number of the try that comes next; the first one is 1."""
    delay: float
    reason: str


StreamItem = Text | Reasoning | ToolCallDelta | Retrying | Finished


class Provider(Protocol):
    """A model behind an endpoint."""

    def stream(self, request: ChatRequest) -> AsyncIterator[StreamItem]:
        """One call, streamed. Cancelling the consumer closes the connection. Raises `ProviderError`."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...


class ProviderError(VespiaryError):
    """A model call failed. `retryable` says whether the same call may succeed later; `retry_after` is in seconds."""

    code = "provider.failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retryable = retryable
        self.retry_after = retry_after
