"""What a fake host shows: messages, requests, log lines, results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the actor sent; `to` is a scope, or none for its own."""

    type: str
    payload: Any
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the actor started. `capability` may be `timer`; then `payload` is `{"millis"}`."""

    id: int
    capability: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the actor's log."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model gets of a tool call."""

    ok: bool
    content: str


def completion(
    text: str = "",
    *,
    tool_calls: Sequence[tuple[str, Any]] = (),
    reasoning: str | None = None,
    finish: str | None = None,
    usage: Mapping[str, Any] | None = None,
    model: str = "fake",
) -> dict[str, Any]:
    """An answer of the `llm` capability. A tool call is (name, arguments); arguments that are text are sent as they are.

    Calls are named `call-1`, `call-2` and so on within the reply.
    """
    import json

    calls = [
        {"id": f"call-{index}", "name": name, "arguments": given if isinstance(given, str) else json.dumps(given)}
        for index, (name, given) in enumerate(tool_calls, 1)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = calls
    if reasoning is not None:
        message["reasoning"] = reasoning
    return {
        "message": message,
        "finish": finish or ("tool_calls" if calls else "stop"),
        "usage": dict(usage or {}),
        "model": model,
    }
