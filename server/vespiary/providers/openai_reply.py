"""Reading replies in the OpenAI wire format, as loosely as servers write them. Pure: decoded JSON in, stream items out.

Knows the ways in which endpoints differ (missing indices, reused indices, missing ids, arguments as objects, reasoning under two
names, content in parts, errors inside the stream). Does no IO.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from vespiary.model.runs import Usage
from vespiary.providers.base import (
    Finish,
    Finished,
    ProviderError,
    Reasoning,
    StreamItem,
    Text,
    ToolCallDelta,
    ToolSpec,
)
from vespiary.providers.openai_errors import error_in_reply
from vespiary.providers.text_calls import Parsed, TextCalls
from vespiary.providers.think import ThinkSplitter

_FINISH: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filter",
}


@dataclass(slots=True)
class _Call:
    index: int
    key: object
    id: str
    named: bool = False


class ReplyReader:
    """One reply under way. `turn` makes ids for servers that give none: it differs between the calls of a conversation."""

    def __init__(self, tools: Iterable[ToolSpec], turn: int) -> None:
        self._turn = turn
        self._think = ThinkSplitter()
        self._text_calls = TextCalls(tools)
        self._calls: list[_Call] = []
        self._usage: dict[str, Any] | None = None
        self._reason: str | None = None
        self._refused = False
        self._model = ""
        self._spoke = False

    @property
    def ended(self) -> bool:
        """Whether the reply said why it ended; only its usage may still come."""
        return self._reason is not None

    @property
    def spoke(self) -> bool:
        """Whether there was anything that is part of a reply."""
        return self._spoke

    def read(self, chunk: Any) -> Iterator[StreamItem]:
        """The items of one chunk (or of a whole reply). Raises `ProviderError` for an error inside the stream."""
        if not isinstance(chunk, dict):
            return
        table = cast("dict[str, Any]", chunk)
        if table.get("error"):
            raise error_in_reply(table["error"])
        if isinstance(model := table.get("model"), str):
            self._model = model
        if isinstance(usage := table.get("usage"), dict):
            self._usage = cast("dict[str, Any]", usage)
        for choice in _tables(table.get("choices")):
            if choice.get("index", 0) not in (0, None):
                continue
            self._spoke = True
            delta = choice.get("delta") or choice.get("message")
            if isinstance(delta, dict):
                yield from self._delta(cast("dict[str, Any]", delta))
            if isinstance(reason := choice.get("finish_reason"), str) and reason:
                self._reason = reason

    def end(self) -> Iterator[StreamItem]:
        """What was held back, and the end. Call it once the stream is over and `ended` holds, or `[DONE]` was seen."""
        for is_reasoning, piece in self._think.end():
            yield from self._spoken(is_reasoning, piece)
        yield from self._parsed(self._text_calls.end())
        usage = _usage(self._usage)
        # No request is empty: a server that says so does not count.
        yield Finished(self._finish(), usage, self._model, counted=usage.input_tokens > 0)

    def _finish(self) -> Finish:
        finish = _FINISH.get(self._reason or "", "stop")
        if self._refused:
            return "filter"
        # Many servers say "stop" after tool calls.
        return "tool_calls" if self._calls and finish == "stop" else finish

    def _delta(self, delta: dict[str, Any]) -> Iterator[StreamItem]:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            yield Reasoning(reasoning)
        for is_reasoning, text in _content(delta.get("content")):
            if is_reasoning:
                yield Reasoning(text)
            else:
                for thought, piece in self._think.feed(text):
                    yield from self._spoken(thought, piece)
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._refused = True
            yield Text(refusal)
        calls = _tables(delta.get("tool_calls"))
        if calls:
            # A server that makes real calls does not also print them.
            yield from self._parsed(self._text_calls.stop())
        for position, call in enumerate(calls):
            yield self._call(call, position)

    def _spoken(self, is_reasoning: bool, text: str) -> Iterator[StreamItem]:
        if is_reasoning:
            yield Reasoning(text)
        else:
            yield from self._parsed(self._text_calls.feed(text))

    def _parsed(self, parsed: Iterable[Parsed]) -> Iterator[StreamItem]:
        for item in parsed:
            if isinstance(item, str):
                if item:
                    yield Text(item)
                continue
            index = len(self._calls)
            made = _Call(index, ("text", index), self._id(index), named=True)
            self._calls.append(made)
            yield ToolCallDelta(index, made.id, item.name, item.arguments)

    def _call(self, delta: dict[str, Any], position: int) -> ToolCallDelta:
        raw: Any = delta.get("function")
        function = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
        id_, name = _text(delta.get("id")), _text(function.get("name"))
        call = self._find(delta.get("index"), id_, name, position)
        arguments: Any = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        first_name = name if name and not call.named else None
        call.named = call.named or bool(name)
        return ToolCallDelta(call.index, call.id if first_name else None, first_name, arguments or "")

    def _find(self, index: Any, id_: str, name: str, position: int) -> _Call:
        """The call that a delta belongs to, or a new one."""
        same = [call for call in self._calls if call.key == index] if index is not None else []
        if index is None:
            if id_:
                same = [call for call in self._calls if call.id == id_]
            elif not name:
                # A continuation that says nothing of itself: of the last call, or of the one at its place in the list.
                same = self._calls[position : position + 1] if position else self._calls[-1:]
        # Some servers give every call of a reply the same index; another id, once a name was given, means another call.
        if same and not (id_ and name and same[-1].named and same[-1].id != id_):
            return same[-1]
        number = len(self._calls)
        made = _Call(number, index if index is not None else ("none", number), id_ or self._id(number))
        self._calls.append(made)
        return made

    def _id(self, number: int) -> str:
        return f"call_{self._turn}_{number + 1}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _tables(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", item) for item in cast("list[Any]", value) if isinstance(item, dict)]


def _content(value: Any) -> Iterator[tuple[bool, str]]:
    """The texts of a content, which is a text or a list of parts; true marks thinking."""
    if isinstance(value, str):
        if value:
            yield False, value
        return
    for part in _tables(value):
        if isinstance(text := part.get("text"), str) and text:
            yield False, text
        thinking: Any = part.get("thinking")
        for is_text in _content(thinking):
            yield True, is_text[1]


def _usage(raw: dict[str, Any] | None) -> Usage:
    if raw is None:
        return Usage(calls=1)
    return Usage(
        input_tokens=_count(raw, "prompt_tokens"),
        output_tokens=_count(raw, "completion_tokens"),
        reasoning_tokens=_count(raw, "completion_tokens_details", "reasoning_tokens"),
        cached_tokens=_count(raw, "prompt_tokens_details", "cached_tokens"),
        calls=1,
    )


def _count(raw: dict[str, Any], *path: str) -> int:
    value: Any = raw
    for key in path:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return max(0, int(value)) if isinstance(value, int | float) and value == value and abs(value) < 1e15 else 0


def whole_reply(body: Any, reader: ReplyReader) -> Iterator[StreamItem]:
    """The items of a reply that a server gave as one JSON document although a stream was asked for."""
    yield from reader.read(body)
    if not reader.spoke:
        raise ProviderError(
            "The endpoint answered with JSON that is no chat reply.",
            hint="Check base_url; it usually ends in /v1.",
            code="provider.not-chat",
        )
    yield from reader.end()
