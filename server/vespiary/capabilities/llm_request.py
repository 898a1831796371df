"""What an actor asks a model for, read from JSON: every piece of nonsense is refused with a sentence that names it.

Pure. Knows the shape of `wit/llm.wit`; knows nothing of policies or providers.
"""

import json
import re
from typing import Any, cast

from vespiary.capabilities.requests import Fields
from vespiary.providers.base import ChatMessage, ChatRequest, ToolCall, ToolSpec

AREA = "llm"
MAX_TOOLS = 512
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_ROLES = ("system", "user", "assistant", "tool")
_CHOICES = ("auto", "none", "required")


def read_request(payload: str) -> tuple[str | None, ChatRequest]:
    """The model's name, if the actor gives one, and the request. Raises `RequestRefused` (`llm.request`)."""
    fields = Fields.parse(AREA, payload)
    model = fields.maybe_text("model") or None
    messages = _messages(fields)
    tools = _tools(fields)
    choice = fields.choice("tool_choice", _CHOICES, "auto")
    if choice == "required" and not tools:
        fields.refuse("Field 'tool_choice' cannot be required without tools.")
    request = ChatRequest(
        messages=messages,
        tools=tools,
        tool_choice=cast(Any, choice),
        max_tokens=fields.maybe_integer("max_tokens", least=1, most=10_000_000),
        temperature=fields.maybe_number("temperature", least=0, most=2),
        top_p=fields.maybe_number("top_p", least=0, most=1),
        stop=fields.texts("stop", ()),
    )
    fields.done()
    return model, request


def _messages(fields: Fields) -> tuple[ChatMessage, ...]:
    messages: list[ChatMessage] = []
    called: set[str] = set()
    for each in fields.objects("messages"):
        message = _message(each, called)
        called |= {call.id for call in message.tool_calls}
        messages.append(message)
    if not messages:
        fields.refuse("Field 'messages' must hold at least one message.")
    return tuple(messages)


def _message(fields: Fields, called: set[str]) -> ChatMessage:
    role = fields.choice("role", _ROLES)
    calls = tuple(_tool_call(call) for call in fields.objects("tool_calls", ()))
    if calls and role != "assistant":
        fields.wrong("tool_calls", "absent: only an assistant message has them")
    answers = fields.maybe_text("tool_call_id")
    if role == "tool" and answers not in called:
        fields.wrong("tool_call_id", "the id of an earlier tool call")
    message = ChatMessage(
        role=cast(Any, role),
        content=fields.text("content", ""),
        tool_calls=calls,
        tool_call_id=answers if role == "tool" else None,
        reasoning=fields.maybe_text("reasoning") or None,
    )
    fields.done()
    return message


def _tool_call(fields: Fields) -> ToolCall:
    call = ToolCall(fields.text("id", empty=False), fields.text("name", empty=False), fields.text("arguments", "{}"))
    fields.done()
    return call


def _tools(fields: Fields) -> tuple[ToolSpec, ...]:
    tools: dict[str, ToolSpec] = {}
    for each in fields.objects("tools", ()):
        name = each.text("name")
        if not _TOOL_NAME.match(name):
            each.wrong("name", "1 to 64 letters, digits, `_`, `-` or `.`")
        if name in tools:
            each.wrong("name", f"unlike that of another tool: there are two called {name!r}")
        tools[name] = ToolSpec(name, each.text("description", ""), _parameters(each))
        each.done()
        if len(tools) > MAX_TOOLS:
            fields.refuse(f"Field 'tools' holds more than {MAX_TOOLS}.")
    return tuple(tools.values())


def _parameters(fields: Fields) -> dict[str, Any]:
    raw = fields.anything("parameters")
    if isinstance(raw, str):
        # A `Tool` of the runtime carries its schema as JSON text.
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            fields.wrong("parameters", "JSON")
    if raw is None:
        return {"type": "object", "properties": {}}
    if not isinstance(raw, dict):
        fields.wrong("parameters", "a JSON schema of an object")
    return cast(dict[str, Any], raw)
