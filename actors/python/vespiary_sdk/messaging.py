"""Messages to other actors. They leave when the step ends well."""

from typing import Any

from vespiary_sdk._runtime import clean, current, to_json


def send(type: str, payload: Any = None, to: str | None = None) -> None:
    """Publish a message in the actor's own scope, or in the scope `to`.

    `payload` is anything with a JSON form, dataclasses included. Subscribers decide who hears it, the sender included.
    Raises `CapabilityError` for a type that is not a dotted name or that only the host may send, and when the step has put out
    too much.
    """
    current().port.send(clean(type), to_json(payload), to)
