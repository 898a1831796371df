"""JSON text to plain data and back, with orjson. Knows which values may be sent; does not know what they mean.

orjson refuses what JSON strictly cannot hold (lone surrogates, integers beyond 64 bits, very deep nesting); the standard library's
slower `json` then has a try, so that an odd message is not lost.
"""

import json
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, cast

import orjson

_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS


def decode(body: bytes) -> Any:
    """The value of JSON text. Raises ValueError."""
    try:
        return orjson.loads(body)
    except ValueError:
        try:
            return json.loads(body, parse_constant=_no_constant)
        except RecursionError:
            raise ValueError("nested too deeply") from None


class Encoder:
    """Turns messages into JSON text. `unstructure` is for lsprotocol values, at any depth."""

    def __init__(self, unstructure: Callable[[Any], Any]) -> None:
        self._unstructure = unstructure

    def __call__(self, message: dict[str, Any]) -> bytes:
        """The bytes of a message. Raises TypeError or ValueError for what JSON cannot hold."""
        try:
            return orjson.dumps(message, self._plain, _OPTIONS)
        except orjson.JSONEncodeError:
            return json.dumps(message, default=self._plain, separators=(",", ":"), allow_nan=False).encode()

    def _plain(self, value: Any) -> Any:
        kind = cast(type[Any], type(value))
        if hasattr(kind, "__attrs_attrs__"):
            return self._unstructure(value)
        if is_dataclass(value):
            from vespiary.model.wire import to_wire  # Its values cost milliseconds that the start does not need.

            return to_wire(value)
        if isinstance(value, set | frozenset):
            return list(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        raise TypeError(f"{kind.__name__} cannot be sent")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
