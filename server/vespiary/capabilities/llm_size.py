"""How large a model call is, in bytes: everything that the model reads, the tools with their schemas included. Pure.

Only what makes tokens counts, roughly: the words of the wire format around it are a few bytes per message and tool.
"""

from typing import Any, cast

from vespiary.providers.base import ChatRequest

PER_MESSAGE = 16
"""Bytes that stand for the frame of a message or tool: its role, its separators."""
PER_WORD = 3
"""Bytes that stand for the punctuation of a word of a schema."""


def size_of(request: ChatRequest) -> int:
    """The bytes of the call."""
    size = 0
    for message in request.messages:
        size += PER_MESSAGE + _bytes(message.content) + _bytes(message.reasoning or "")
        for call in message.tool_calls:
            size += PER_MESSAGE + _bytes(call.id) + _bytes(call.name) + _bytes(call.arguments)
    for tool in request.tools:
        size += PER_MESSAGE + _bytes(tool.name) + _bytes(tool.description) + _data(tool.parameters)
    return size


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _data(value: Any) -> int:
    """The bytes of plain data. Without recursion: an actor may nest its schema as deeply as a reader of JSON goes."""
    size, ahead = 0, [value]
    while ahead:
        item = ahead.pop()
        size += PER_WORD
        if isinstance(item, dict):
            table = cast("dict[str, Any]", item)
            ahead += [*table, *table.values()]
        elif isinstance(item, list):
            ahead += cast("list[Any]", item)
        else:
            size += _bytes(item if isinstance(item, str) else str(item))
    return size
