"""What an actor says of itself, read and checked: untrusted JSON to a `Description`."""

import re
from typing import Any

import orjson

from vespiary.model.messages import Extent, Subscription
from vespiary.model.steps import Description, Tool
from vespiary.wasm.outbox import is_message_type

MAX_ITEMS = 256
MAX_TEXT = 65_536
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class BadDescription(Exception):
    """The description breaks its form. The text says where."""


def parse_description(text: str) -> Description:
    """Read `{"tools": [...], "subscriptions": [...]}`. Raises `BadDescription`."""
    try:
        data: Any = orjson.loads(text)
    except (ValueError, RecursionError) as fault:
        raise BadDescription(f"it is not JSON: {fault}") from None
    data = _object(data, "it")
    tools = tuple(_tool(item, f"tools[{at}]") for at, item in enumerate(_items(data, "tools")))
    names = [tool.name for tool in tools]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadDescription(f"two tools are called {twice}")
    wishes = (_subscription(item, f"subscriptions[{at}]") for at, item in enumerate(_items(data, "subscriptions")))
    return Description(tools, tuple(wishes))


def is_pattern(text: str) -> bool:
    """Whether the text is `*`, a message type, or a message type followed by `.*`."""
    return text == "*" or is_message_type(text.removesuffix(".*"))


def _items(data: dict[str, Any], key: str) -> list[Any]:
    items: Any = data.get(key, [])
    if not isinstance(items, list):
        raise BadDescription(f"{key} is not a list")
    if len(items) > MAX_ITEMS:  # pyright: ignore[reportUnknownArgumentType]
        raise BadDescription(f"{key} has more than {MAX_ITEMS} entries")
    return items  # pyright: ignore[reportUnknownVariableType]


def _text(item: dict[str, Any], key: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise BadDescription(f"{where}.{key} is not a text of at most {MAX_TEXT} characters")
    return value


def _object(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise BadDescription(f"{where} is not an object")
    return item  # pyright: ignore[reportUnknownVariableType]


def _tool(item: Any, where: str) -> Tool:
    tool = _object(item, where)
    name = _text(tool, "name", where)
    if not _TOOL_NAME.match(name):
        raise BadDescription(f"{where}.name is not 1 to 64 letters, digits, _ or -")
    schema = _object(tool.get("parameters"), f"{where}.parameters")
    parameters = orjson.dumps(schema).decode()
    if len(parameters) > MAX_TEXT:
        raise BadDescription(f"{where}.parameters is larger than {MAX_TEXT} bytes")
    return Tool(name, _text(tool, "description", where), parameters)


def _subscription(item: Any, where: str) -> Subscription:
    wish = _object(item, where)
    pattern = _text(wish, "pattern", where)
    if not is_pattern(pattern):
        raise BadDescription(f"{where}.pattern is neither a dotted name, one ending in .*, nor *")
    extent: Any = wish.get("extent", Extent.OWN.value)
    if extent not in tuple(Extent):
        raise BadDescription(f"{where}.extent is none of own, subtree, everywhere")
    return Subscription(pattern, Extent(extent))
