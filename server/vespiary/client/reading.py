"""From plain JSON data to the values of `model`: the opposite of `model.wire.to_wire`.

Fields that are not known are ignored, because a newer server may send them; what is missing or of another kind raises `ValueError`.
"""

import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from vespiary import protocol
from vespiary.model.events import RunEvent
from vespiary.model.ids import RunId
from vespiary.model.wire import camel

T = TypeVar("T")

_KINDS: dict[str, type[Any]] = {cls.kind: cls for cls in protocol.EVENTS}


def from_wire(cls: type[T], data: object) -> T:
    """The value of `cls` that `data` describes."""
    return cast(T, _read(cls, data))


def event_from_wire(data: dict[str, Any]) -> RunEvent | None:
    """The event; none for a kind that this client does not know."""
    cls = _KINDS.get(data["kind"])
    if cls is None:
        return None
    body = from_wire(cls, data)
    return RunEvent(RunId(data["runId"]), data["seq"], data["time"], data["scope"], data["agent"], body)


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)


def _read(hint: Any, data: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if data is None:
            return None
        (hint,) = (arg for arg in get_args(hint) if arg is not type(None))
        return _read(hint, data)
    if origin is tuple:
        if not isinstance(data, list):
            raise ValueError(f"expected an array, not {type(data).__name__}")
        return tuple(_read(get_args(hint)[0], item) for item in cast(list[Any], data))
    cls: type[Any] = getattr(hint, "__supertype__", hint)
    if is_dataclass(cls):
        return _read_object(cls, data)
    if issubclass(cls, Enum):
        return cls(data)
    if not isinstance(data, int | float if cls is float else cls):
        raise ValueError(f"expected {cls.__name__}, not {type(data).__name__}")
    return data


def _read_object(cls: type[Any], data: Any) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"expected an object for {cls.__name__}, not {type(data).__name__}")
    values = cast(dict[str, Any], data)
    hints = _hints(cls)
    found: dict[str, Any] = {}
    for item in fields(cls):
        wire = camel(item.name)
        if wire in values:
            found[item.name] = _read(hints[item.name], values[wire])
        elif item.default is MISSING and item.default_factory is MISSING:
            raise ValueError(f"{cls.__name__} has no {wire}")
    return cls(**found)
