"""Which actor runs right now, and the few things that every capability needs of it.

In WebAssembly there is one actor; natively several fake hosts may live side by side, so each step names its own.
"""

import json
from dataclasses import dataclass
from typing import Any

from vespiary_sdk._loop import StepLoop
from vespiary_sdk._port import Capability, Port


@dataclass(frozen=True, slots=True)
class Runtime:
    """The port and the loop of one actor."""

    port: Port
    loop: StepLoop


_current: Runtime | None = None


def enter(runtime: Runtime | None) -> Runtime | None:
    """Make this the running actor; gives the one before, to be entered again at the end."""
    global _current
    before, _current = _current, runtime
    return before


def current() -> Runtime:
    """The running actor. Raises `RuntimeError` outside of a step."""
    if _current is None:
        raise RuntimeError(
            "No actor is running. Capabilities work inside handlers and tools; in a test, use vespiary_sdk.testing.FakeHost."
        )
    return _current


def clean(text: str) -> str:
    """The text without lone surrogates, which cannot leave the sandbox."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def to_json(value: Any) -> str:
    """Compact JSON. Raises `TypeError` or `ValueError` for what JSON cannot say."""
    return clean(_encoder.encode(value))


def _plain(value: Any) -> Any:
    import dataclasses
    import enum

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r:.80}")


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)


async def request(capability: Capability, **fields: Any) -> dict[str, Any]:
    """Start a request with the fields that are not `None`, and wait for its answer. Raises `CapabilityError`."""
    text = to_json({name: value for name, value in fields.items() if value is not None})
    return json.loads(await current().loop.request(capability, text))
