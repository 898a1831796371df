"""The forms in which models print tool calls, each as a total function from a text to calls. Pure.

A form that does not fit gives no calls; the caller then shows the text. Arguments stay JSON text, broken where the model broke it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from vespiary.providers.base import ToolSpec


@dataclass(frozen=True, slots=True)
class TextCall:
    """A call that was printed. `arguments` is JSON text."""

    name: str
    arguments: str


Parsed = str | TextCall

_FUNCTION = re.compile(r"<function=\s*[\"']?(?P<name>[^>\"'\s]+)[\"']?\s*>(?P<body>.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(
    r"<parameter=\s*[\"']?(?P<key>[^>\"'\s]+)[\"']?\s*>(?P<value>.*?)(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL
)
_NAME = re.compile(r'"name"\s*:\s*"(?P<name>[^"\\]+)"')
_ARGUMENTS = re.compile(r'"(?:arguments|parameters)"\s*:\s*(?P<rest>.*)', re.DOTALL)
_LONE_KEYS = frozenset({"name", "arguments", "parameters", "function", "type", "id"})


def tagged_calls(text: str, tools: Mapping[str, ToolSpec]) -> list[TextCall]:
    """The calls within `<tool_call>` or `<function=` tags; the text begins with the opening tag."""
    inner = text.removeprefix("<tool_call>").strip()
    if "<function=" in inner:
        found = [_function(match, tools) for match in _FUNCTION.finditer(inner)]
        return [call for call in found if call is not None] if all(found) else []
    return json_calls(inner, tools) or _broken(inner, tools)


def _function(match: re.Match[str], tools: Mapping[str, ToolSpec]) -> TextCall | None:
    tool = tools.get(match["name"])
    if tool is None:
        return None
    body = match["body"]
    if "<parameter=" not in body and body.strip():
        # `<function=NAME>{json}</function>` is a form of its own.
        return TextCall(tool.name, body.strip())
    properties: Any = tool.parameters.get("properties")
    types = cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}
    arguments = {found["key"]: _value(found["value"], types.get(found["key"])) for found in _PARAMETER.finditer(body)}
    return TextCall(tool.name, json.dumps(arguments, ensure_ascii=False))


def _value(text: str, schema: Any) -> Any:
    """The value of a parameter. What the schema calls a string is never read as JSON, or code would lose its quotes."""
    text = text.removeprefix("\n").removesuffix("\n")
    kind: Any = cast("dict[str, Any]", schema).get("type") if isinstance(schema, dict) else None
    if kind == "string":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    lowered = text.strip().lower()
    # Python's words for JSON's.
    return {"true": True, "false": False, "none": None}.get(lowered, text)


def json_calls(text: str, tools: Mapping[str, ToolSpec]) -> list[TextCall]:
    """The calls of a text that is nothing but JSON: one object, a list of them, or several one after the other."""
    decoder = json.JSONDecoder()
    calls: list[TextCall] = []
    rest = text.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return []
        for item in cast("list[Any]", value) if isinstance(value, list) else [value]:
            call = _json_call(item, tools)
            if call is None:
                return []
            calls.append(call)
        rest = rest[end:].lstrip().removeprefix(",").lstrip()
    return calls


def _json_call(value: Any, tools: Mapping[str, ToolSpec]) -> TextCall | None:
    if not isinstance(value, dict):
        return None
    table = cast("dict[str, Any]", value)
    if not table.keys() <= _LONE_KEYS:
        return None
    inner = table.get("function")
    if isinstance(inner, dict):
        return _json_call(inner, tools)
    name = table.get("name", inner)
    if not isinstance(name, str) or name not in tools:
        return None
    arguments: Any = table.get("arguments", table.get("parameters"))
    if isinstance(arguments, str):
        return TextCall(name, arguments)
    if not isinstance(arguments, dict):
        return None
    return TextCall(name, json.dumps(arguments, ensure_ascii=False))


def _broken(text: str, tools: Mapping[str, ToolSpec]) -> list[TextCall]:
    """A tagged call whose JSON is broken but which names a tool: the agent can then tell the model what is wrong."""
    name, arguments = _NAME.search(text), _ARGUMENTS.search(text)
    if name is None or arguments is None or name["name"] not in tools:
        return []
    written = arguments["rest"].strip()
    return [TextCall(name["name"], written.removesuffix("}").rstrip() if text.endswith("}") else written)]
