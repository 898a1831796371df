"""A chat request in the OpenAI wire format. Pure: values in, plain data out; the reply is read in `openai_reply`."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vespiary.providers.base import ChatMessage, ChatRequest, ToolSpec


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model lives. `api_key` is a secret and is never shown."""

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 120.0
    """Longest silence, in seconds."""
    max_concurrency: int = 64
    reasoning_field: str | None = None
    """The field in which the endpoint wants earlier reasoning back."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a request uses where it says nothing itself."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


@dataclass(slots=True)
class Dialect:
    """What an endpoint was found to want or not to know."""

    max_tokens_field: str
    usage_in_stream: bool = True

    def adapt(self, body: dict[str, Any], complaint: str) -> bool:
        """Whether a complaint about `body` names something that can be said otherwise; the next request says it so."""
        if "stream_options" in body and ("stream_options" in complaint or "include_usage" in complaint):
            self.usage_in_stream = False
            return True
        for field_name, other in _OTHER.items():
            # Both names appear in "Unsupported parameter: 'max_tokens' ... Use 'max_completion_tokens' instead".
            blamed = field_name in body and field_name in complaint
            if blamed and (other in complaint or "nsupported" in complaint or "nknown" in complaint):
                self.max_tokens_field = other
                return True
        return False


_OTHER = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


def normal_base_url(url: str) -> str:
    """The URL under which `/chat/completions` is found, however a person wrote it down."""
    url = url.strip().rstrip("/").removesuffix("/chat/completions").rstrip("/")
    return f"{url}/v1" if not urlsplit(url).path else url


def dialect_of(base_url: str) -> Dialect:
    """The first guess. OpenAI's own newer models take only `max_completion_tokens`; most others know only `max_tokens`."""
    host = urlsplit(base_url).hostname or ""
    theirs = host == "api.openai.com" or host.endswith((".openai.azure.com", ".api.openai.com"))
    return Dialect("max_completion_tokens" if theirs else "max_tokens")


def encode(request: ChatRequest, endpoint: Endpoint, sampling: Sampling, dialect: Dialect) -> dict[str, Any]:
    """The body of the request."""
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [_message(message, endpoint.reasoning_field) for message in request.messages],
        "stream": True,
    }
    if dialect.usage_in_stream:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        # "auto" is the default everywhere, and some servers refuse to see it written.
        if request.tool_choice != "auto":
            body["tool_choice"] = request.tool_choice
    wanted = {
        "temperature": _first(request.temperature, sampling.temperature),
        "top_p": _first(request.top_p, sampling.top_p),
        dialect.max_tokens_field: _first(request.max_tokens, sampling.max_tokens),
        "stop": list(request.stop) or None,
    }
    return body | {name: value for name, value in wanted.items() if value is not None}


def _first(own: float | None, default: float | None) -> float | None:
    return default if own is None else own


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def _message(message: ChatMessage, reasoning_field: str | None) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        if not message.content:
            # Some servers refuse an empty text beside tool calls; all take none.
            wire["content"] = None
    if message.reasoning and reasoning_field:
        wire[reasoning_field] = message.reasoning
    return wire
