"""Language models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vespiary_sdk._runtime import request


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that the model made. `arguments` is JSON text as the model wrote it, possibly broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model said. `message` is the whole message, to be put back into the conversation as it is."""

    text: str
    reasoning: str | None
    tool_calls: list[ToolCall]
    message: dict[str, Any]
    finish: str
    """`stop`, `tool_calls`, `length` or `filter`."""
    usage: dict[str, Any]
    model: str


async def complete(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None = None,
    model: str | None = None,
    tool_choice: Literal["auto", "none", "required"] | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
) -> Completion:
    """Call a model and wait for the whole reply; what it streams meanwhile goes to the run's events.

    A message is `{"role": "system" | "user" | "assistant" | "tool", "content", "tool_calls"?, "tool_call_id"?, "reasoning"?}`, a
    tool `{"name", "description", "parameters"}`. `model` is a name from the configuration; without it, the agent's own.
    Raises `CapabilityError` for an unknown or forbidden model, a malformed request, and when the provider fails.
    """
    answer = await request(
        "llm",
        messages=messages,
        tools=tools or None,
        model=model,
        tool_choice=tool_choice,
        max_tokens=max_tokens,
        temperature=temperature,
    )
    message: dict[str, Any] = answer["message"]
    calls: list[dict[str, Any]] = message.get("tool_calls") or []
    return Completion(
        text=message.get("content") or "",
        reasoning=message.get("reasoning"),
        tool_calls=[ToolCall(call["id"], call["name"], call["arguments"]) for call in calls],
        message=message,
        finish=answer.get("finish", "stop"),
        usage=answer.get("usage") or {},
        model=answer.get("model") or "",
    )
