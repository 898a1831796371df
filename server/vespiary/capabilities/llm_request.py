"""What an actor asks a model for, read from JSON: every piece of nonsense is refused with a sentence that names it.

Pure. Knows the shape of `wit/llm.wit`; knows nothing of policies or providers.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from vespiary.model.errors import RequestRefused
from vespiary.providers.base import ChatMessage, ChatRequest, ToolCall, ToolSpec
from vespiary.providers.tables import Table, TableError

MAX_TOOLS = 512
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_ROLES = ("system", "user", "assistant", "tool")
_CHOICES = ("auto", "none", "required")


def read_request(payload: str) -> tuple[str | None, ChatRequest]:
    """The model's name, if the actor gives one, and the request. Raises `RequestRefused` (`llm.malformed`)."""
    try:
        raw: Any = json.loads(payload)
        if not isinstance(raw, dict):
            raise TableError("the request must be an object.")
        return _request(Table(cast("dict[str, Any]", raw), "the request"))
    except (ValueError, RecursionError) as error:
        raise RequestRefused(f"The model request is not JSON: {error}.", code="llm.malformed") from None
    except TableError as error:
        raise RequestRefused(
            f"The model request is malformed: {error.message}", hint=error.hint, code="llm.malformed"
        ) from None


def _request(table: Table) -> tuple[str | None, ChatRequest]:
    model = table.text("model", "") or None
    messages = _messages(table.tables("messages"))
    tools = _tools(table.tables("tools"))
    choice = table.text("tool_choice", "auto")
    if choice not in _CHOICES:
        raise TableError(f"tool_choice: must be one of {', '.join(_CHOICES)}.")
    if choice == "required" and not tools:
        raise TableError("tool_choice: cannot be required without tools.")
    temperature = table.number("temperature", -1, most=2)
    top_p = table.number("top_p", -1, most=1)
    request = ChatRequest(
        messages=messages,
        tools=tools,
        tool_choice=choice,
        max_tokens=table.whole("max_tokens", 0, least=1) or None,
        temperature=temperature if temperature >= 0 else None,
        top_p=top_p if top_p >= 0 else None,
        stop=_stop(table),
    )
    table.end()
    return model, request


def _messages(raw: list[Mapping[str, Any]]) -> tuple[ChatMessage, ...]:
    if not raw:
        raise TableError("messages: must hold at least one message.")
    messages: list[ChatMessage] = []
    called: set[str] = set()
    for index, each in enumerate(raw):
        message = _message(Table(each, f"messages[{index}]"), called)
        called |= {call.id for call in message.tool_calls}
        messages.append(message)
    return tuple(messages)


def _message(table: Table, called: set[str]) -> ChatMessage:
    role = table.text("role", "")
    if role not in _ROLES:
        raise TableError(f"{table.where}: role: must be one of {', '.join(_ROLES)}.")
    calls = tuple(
        _tool_call(Table(call, f"{table.where}.tool_calls[{index}]"))
        for index, call in enumerate(table.tables("tool_calls"))
    )
    if calls and role != "assistant":
        raise TableError(f"{table.where}: tool_calls: only an assistant message has them.")
    answers = table.text("tool_call_id", "") or None
    if role == "tool" and answers not in called:
        raise TableError(f"{table.where}: tool_call_id: must be the id of an earlier tool call.")
    message = ChatMessage(
        role=role,
        content=table.text("content", ""),
        tool_calls=calls,
        tool_call_id=answers if role == "tool" else None,
        reasoning=table.text("reasoning", "") or None,
    )
    table.end()
    return message


def _tool_call(table: Table) -> ToolCall:
    call = ToolCall(table.text("id", ""), table.text("name", ""), table.text("arguments", "{}"))
    table.end()
    if not call.id or not call.name:
        raise TableError(f"{table.where}: needs an id and a name.")
    return call


def _tools(raw: list[Mapping[str, Any]]) -> tuple[ToolSpec, ...]:
    if len(raw) > MAX_TOOLS:
        raise TableError(f"tools: there are more than {MAX_TOOLS}.")
    tools: dict[str, ToolSpec] = {}
    for index, each in enumerate(raw):
        table = Table(each, f"tools[{index}]")
        name = table.text("name", "")
        if not _TOOL_NAME.match(name):
            raise TableError(f"{table.where}: name: must be 1 to 64 letters, digits, `_`, `-` or `.`.")
        if name in tools:
            raise TableError(f"{table.where}: name: there are two tools called {name!r}.")
        tools[name] = ToolSpec(name, table.text("description", ""), _parameters(table))
        table.end()
    return tuple(tools.values())


def _parameters(table: Table) -> dict[str, Any]:
    raw = table.take("parameters")
    if isinstance(raw, str):
        # A `Tool` of the runtime carries its schema as JSON text.
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            raise TableError(f"{table.where}: parameters: is not JSON.") from None
    if raw is None:
        return {"type": "object", "properties": {}}
    if not isinstance(raw, dict):
        raise TableError(f"{table.where}: parameters: must be a JSON schema of an object.")
    return cast("dict[str, Any]", raw)


def _stop(table: Table) -> tuple[str, ...]:
    raw = table.take("stop")
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(item, str) and item for item in cast("list[Any]", raw)):
        raise TableError("stop: must be a list of texts.")
    return tuple(cast("list[str]", raw))
