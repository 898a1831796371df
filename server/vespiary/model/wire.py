"""Values to plain JSON data: camelCase keys, absent where `None`.

One rule for every front and for the journal. Reading goes through pydantic, where it is needed; writing must be cheap.
"""

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

from vespiary.model.events import RunEvent


def camel(name: str) -> str:
    """`run_id` gives `runId`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@cache
def _names(cls: type[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, camel(field.name)) for field in fields(cls))


def to_wire(value: Any) -> Any:
    """A dataclass, enum, tuple, list, dict or scalar as plain JSON data."""
    if is_dataclass(value) and not isinstance(value, type):
        plain = {
            wire: to_wire(item) for name, wire in _names(type(value)) if (item := getattr(value, name)) is not None
        }
        kind = getattr(type(value), "kind", None)
        return {"kind": kind, **plain} if isinstance(kind, str) else plain
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [to_wire(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: to_wire(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


def event_to_wire(event: RunEvent) -> dict[str, Any]:
    """A run event as one flat object: `{runId, seq, time, scope, agent, kind, ...}`."""
    return {
        "runId": event.run_id,
        "seq": event.seq,
        "time": event.time,
        "scope": event.scope,
        "agent": event.agent,
        **to_wire(event.body),
    }


def to_json(value: Any) -> str:
    """The value as compact JSON text with its keys as they are: what payloads of messages and answers are made of."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
