"""The conversation with a model as it is handed to a provider: well-formed whatever the model wrote.

Pure: knows messages and tool calls; sends nothing and calls nobody. What it keeps is always something that a provider takes back:
every tool call has a result, ids are unique, arguments are JSON objects, no two messages of the user follow one another.
"""

import json
import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NoReturn

from vespiary_sdk.llm import Completion, ToolCall

Json = dict[str, Any]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_QUOTED = 1000
"""Characters of nonsense that are quoted back."""


class Call:
    """A tool call of the model, checked. `arguments` is its object; with a `problem` it cannot be run."""

    __slots__ = ("arguments", "id", "name", "problem", "wire")

    def __init__(self, id: str, name: str, arguments: Json, problem: str | None, wire: Json) -> None:
        self.id = id
        self.name = name
        self.arguments = arguments
        self.problem = problem
        self.wire = wire
        """The call as it stands in the conversation."""


class History:
    """The messages of one conversation, without the system prompt."""

    def __init__(self, messages: Iterable[Json] = (), drawn: int = 0) -> None:
        self.messages: list[Json] = list(messages)
        self._ids = {call["id"] for message in self.messages for call in message.get("tool_calls", ())}
        self.drawn = drawn
        """Ids that had to be found for calls so far: each is a new one."""

    def say(self, text: str) -> None:
        """Somebody speaks to the model. Speaking twice in a row makes one message: some models refuse two."""
        if self.messages and self.messages[-1]["role"] == "user":
            last = self.messages[-1]
            self.messages[-1] = {**last, "content": f"{last['content']}\n\n{text}"}
        else:
            self.messages.append({"role": "user", "content": text})

    def answer(self, reply: Completion) -> None:
        """Keep a reply that calls no tool. One without words is dropped: some providers refuse to get it back."""
        if reply.text.strip():
            self.messages.append(_spoken(reply))

    def round(self, reply: Completion, results: Sequence[tuple[Call, str]]) -> None:
        """Keep a reply that calls tools, and what they gave, in the order of the calls."""
        message = _spoken(reply)
        message["tool_calls"] = [call.wire for call, _ in results]
        self.messages.append(message)
        self.messages += [{"role": "tool", "tool_call_id": call.id, "content": content} for call, content in results]

    def calls(self, asked: Iterable[ToolCall], tools: Collection[str]) -> list[Call]:
        """Check the calls of a reply. Each gets an id that no other call of the conversation has."""
        return [self._call(call, tools) for call in asked]

    def _call(self, asked: ToolCall, tools: Collection[str]) -> Call:
        name = asked.name.strip()
        arguments, problem = parse_arguments(asked.arguments)
        if name not in tools:
            problem = _unknown(name, tools)
            name = name if _NAME.match(name) else re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "unknown"
        id_ = self._id(asked.id)
        # Nonsense would make the next call fail at providers that parse it, so it is kept as a text within an object.
        kept = {"invalid_arguments": asked.arguments[:_QUOTED]} if arguments is None else arguments
        wire = {"id": id_, "name": name, "arguments": json.dumps(kept, ensure_ascii=False)}
        return Call(id_, name, arguments or {}, problem, wire)

    def _id(self, wanted: str) -> str:
        chosen = wanted
        while chosen in self._ids or not _ID.match(chosen):
            self.drawn += 1
            chosen = f"call_{len(self._ids) + self.drawn}"
        self._ids.add(chosen)
        return chosen


def parse_arguments(text: str) -> tuple[Json | None, str | None]:
    """The object that a model wrote as arguments, or what is wrong with them, in words for the model.

    No text at all means no arguments. Raw line breaks within strings and an object that was made text twice are understood.
    """
    if not text.strip():
        return {}, None
    try:
        value = _read(text)
        if isinstance(value, str):
            value = _read(value)
    except (RecursionError, MemoryError):  # CPython may say either when its stack ends
        return None, "The arguments are nested too deeply. Write one JSON object."
    except ValueError as error:
        return None, f"The arguments are not valid JSON: {error}. Write one JSON object and nothing else."
    if not isinstance(value, dict):
        return None, f"The arguments must be one JSON object, not {_kind(value)}."
    return value, None  # pyright: ignore[reportUnknownVariableType]


def _spoken(reply: Completion) -> Json:
    message = {key: value for key, value in reply.message.items() if key != "tool_calls" and value is not None}
    message |= {"role": "assistant", "content": reply.text}
    if reply.reasoning:
        message["reasoning"] = reply.reasoning
    return message


def _unknown(name: str, tools: Collection[str]) -> str:
    shown = name if len(name) <= 80 else name[:77] + "..."
    if not tools:
        return f"There is no tool called {shown!r}. There are no tools; answer in words."
    return f"There is no tool called {shown!r}. The tools are: {', '.join(tools)}."


def _read(text: str) -> Any:
    return json.loads(text, strict=False, parse_constant=_no_value, parse_float=_finite)


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_value(text)


def _no_value(text: str) -> NoReturn:
    raise ValueError(f"{text:.40} is not a JSON value")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case _:
            return "a list"
